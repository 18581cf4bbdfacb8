"""The commands that put the chosen build into an environment: pip, uv pip, a uv project, Dockerfile, requirements."""

from typing import NamedTuple

import msgspec

from tunedoctor.cure import quoted
from tunedoctor.facts import InstallerConfig
from tunedoctor.wheels.choice import Choice
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pins import Pins, pins_of, pip_of, shell_path
from tunedoctor.wheels.rules import index_of
from tunedoctor.wheels.steering import Shield, shield, steers

REQUIREMENTS = "requirements-torch.txt"
"""The name under which the requirements file is to be kept."""


class Commands(msgspec.Struct, frozen=True):
    """One way to install for each tool; all of them give the same build."""

    pip: tuple[str, ...]
    """Commands to run one after the other; more than one only where pip can't do it in one."""
    uv_pip: tuple[str, ...]
    uv_project: str
    """Block for the pyproject.toml of a uv project; its last line is a comment with the command to run."""
    dockerfile: str
    """Lines of a Dockerfile: ENV where the build needs variables, then RUN."""
    requirements: str
    """A requirements file that pip and uv both take; the commands stand in its first lines as comments."""


def commands_of(
    choice: Choice,
    machine: Machine,
    *,
    installed: str = "",
    python: str = "",
    config: InstallerConfig | None = None,
) -> Commands | None:
    """Return the commands for the build of a choice; None where it has none.

    `installed` is the torch that is there ("2.14.1+cu130"), `python` the path of the target's interpreter ("": the one
    that an activated environment or PATH gives), `config` the settings to hold out against. Each line is for a POSIX
    shell, on Windows for PowerShell and cmd alike.
    """
    if choice.build is None:
        return None
    pins = pins_of(choice, choice.build, machine, installed)
    windows = machine.platform == "windows"
    found = steers(config, pins, python, windows=windows) if config else ()
    install = _Install(pins, shield(found, windows=windows), python, windows)
    wanted = " ".join(map(quoted, pins.requirements))
    return Commands(
        pip=(*install.pip_first(), install.pip(f"install {wanted}", *install.pip_source())),
        uv_pip=(*install.uv_first(), install.uv(f"install{install.there}", wanted)),
        uv_project=_uv_project(install),
        dockerfile=_dockerfile(choice, pins, machine, wanted),
        requirements=_requirements(install),
    )


class _Install(NamedTuple):
    """What is installed where, and the words around each command."""

    pins: Pins
    around: Shield
    python: str
    windows: bool

    @property
    def there(self) -> str:
        """The option of uv that names the interpreter."""
        path = self.python
        return f" --python {shell_path(path, windows=self.windows)}" if path else ""

    def pip(self, *words: str) -> str:
        return " ".join([self.pip_alone(), *words, *self.around.pip])

    def pip_alone(self) -> str:
        return pip_of(self.python, windows=self.windows, before=self.around.before_pip)

    def pip_source(self) -> list[str]:
        return ["--index-url", self.pins.index] if self.pins.index else []

    def pip_first(self) -> list[str]:
        """Write what goes first: what stands in the way is removed, what pip would leave as it is comes anew."""
        pins = self.pins
        lines = (
            [f"{self.pip_alone()} uninstall -y {' '.join(pins.removed)}"] if pins.removed else []
        )
        if pins.replaced:
            again = [str(pin) for pin in pins.packages if pin.name in pins.replaced]
            flags = ("--force-reinstall", "--no-deps")
            lines.append(self.pip("install", *flags, *again, *self.pip_source()))
        return lines

    def uv(self, verb: str, *words: str) -> str:
        """Write an install of uv, with the index. Not as --index-url, which UV_DEFAULT_INDEX beats.

        A backend beats UV_INDEX and uv.toml.
        """
        source = [f"--index {self.pins.index}"] if self.pins.index else []
        if self.pins.backend:
            source = [f"--torch-backend={self.pins.backend}"]
        start = f"{self.around.before_uv}uv pip {verb}"
        return " ".join([start, *words, *self.again(), *source, *self.around.uv])

    def uv_first(self) -> list[str]:
        if not self.pins.removed:
            return []
        start = f"{self.around.before_uv}uv pip uninstall{self.there}"
        return [" ".join([start, *self.pins.removed, *self.around.uv])]

    def again(self) -> list[str]:
        return [f"--reinstall-package {name}" for name in self.pins.replaced]


def _dockerfile(choice: Choice, pins: Pins, machine: Machine, wanted: str) -> str:
    """Write the lines for an image, which is Linux on every system: on a Mac the CPU build of that release."""
    lines = [f"ENV {name}={value}" for name, value in sorted(choice.environment.items())]
    index = index_of("cpu") if machine.platform == "macos" else pins.index
    source = f" --index-url {index}" if index else ""
    return "\n".join([*lines, f"RUN python -m pip install --no-cache-dir {wanted}{source}\n"])


def _requirements(install: _Install) -> str:
    """Write the file. pip drops other indexes at its --index-url; uv does not, and is told the backend."""
    runs = [
        *install.pip_first(),
        install.pip("install -r", REQUIREMENTS),
        *install.uv_first(),
        install.uv(f"install{install.there}", "-r", REQUIREMENTS),
    ]
    pins = install.pins
    index = [f"--index-url {pins.index}"] if pins.index else []
    return "\n".join([*(f"# {run}" for run in runs), *index, *pins.requirements, ""])


def _uv_project(install: _Install) -> str:
    """Return the block, which is TOML; how to run it stands in its last line as a comment.

    The index is explicit: a plain one would capture all that it mirrors. Triton of ROCm and XPU is on no other index,
    and sources hold for what a project names itself: so it is named.
    """
    pins, around = install.pins, install.around
    triton = [pins.triton] if pins.triton else []
    added = map(quoted, [*pins.requirements, *triton])
    # --no-config leaves the block itself in force
    run = " ".join([f"# {around.before_uv}uv add", *added, *install.again(), *around.uv])
    if not pins.index:
        return f"{run}\n"
    label = "pytorch-" + pins.index.rpartition("/")[2].replace(".", "-")
    names = [*(pin.name for pin in pins.packages), *triton]
    sources = "\n".join(f'{name} = {{ index = "{label}" }}' for name in names)
    return f"""\
[[tool.uv.index]]
name = "{label}"
url = "{pins.index}"
explicit = true

[tool.uv.sources]
{sources}

{run}
"""
