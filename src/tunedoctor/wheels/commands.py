"""The commands that put the chosen build into an environment: pip, uv pip, a uv project, Dockerfile, requirements."""

import re
import shlex

import msgspec

from tunedoctor.facts import InstallerConfig
from tunedoctor.wheels.choice import Choice
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pins import Pins, pins_of
from tunedoctor.wheels.rules import INDEX
from tunedoctor.wheels.shield import Shield, shield
from tunedoctor.wheels.sways import sways
from tunedoctor.wheels.uv_project import uv_project

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
    build = choice.build
    if build is None:
        return None
    pins = pins_of(choice, build, machine, installed)
    windows = machine.platform == "windows"
    found = sways(config, pins, python=python) if config else ()
    around = shield(found, windows=windows)
    return Commands(
        pip=_pip(pins, around, python, windows=windows),
        uv_pip=_uv(pins, around, python, windows=windows),
        uv_project=uv_project(pins, around, _quoted),
        dockerfile=_dockerfile(choice, pins, machine),
        requirements=_requirements(pins, around, python, windows=windows),
    )


def _pip(pins: Pins, around: Shield, python: str, *, windows: bool) -> tuple[str, ...]:
    """Write pip's lines: what stands in the way first, then what pip would leave as it is, then the set."""
    pip = around.before_pip + _pip_of(python, windows=windows)
    index = ("--index-url", pins.index) if pins.index else ()
    lines: list[str] = []
    if pins.removed:
        lines.append(f"{pip} uninstall -y {' '.join(pins.removed)}")
    if pins.replaced:
        again = [str(pin) for pin in pins.packages if pin.name in pins.replaced]
        words = ("install", "--force-reinstall", "--no-deps", *again, *index, *around.pip)
        lines.append(" ".join([pip, *words]))
    words = ("install", *map(_quoted, pins.requirements), *index, *around.pip)
    return (*lines, " ".join([pip, *words]))


def _uv(pins: Pins, around: Shield, python: str, *, windows: bool) -> tuple[str, ...]:
    """Write uv's lines. Not --index-url: UV_DEFAULT_INDEX beats it; --torch-backend beats UV_INDEX and uv.toml."""
    named = f" --python {_path(python, windows=windows)}" if python else ""
    words = [*map(_quoted, pins.requirements)]
    words += [f"--reinstall-package {name}" for name in pins.replaced]
    words += _uv_source(pins)
    line = " ".join([f"{around.before_uv}uv pip install{named}", *words, *around.uv])
    if not pins.removed:
        return (line,)
    options = "".join(f" {option}" for option in around.uv)
    return (f"{around.before_uv}uv pip uninstall{named} {' '.join(pins.removed)}{options}", line)


def _uv_source(pins: Pins) -> list[str]:
    if pins.backend:
        return [f"--torch-backend={pins.backend}"]
    return [f"--index {pins.index}"] if pins.index else []


def _dockerfile(choice: Choice, pins: Pins, machine: Machine) -> str:
    """Write the lines for an image, which is Linux on every system: on a Mac the CPU build of that release."""
    lines = [f"ENV {name}={value}" for name, value in sorted(choice.environment.items())]
    index = f"{INDEX}cpu" if machine.platform == "macos" else pins.index
    source = ["--index-url", index] if index else []
    words = [*map(_quoted, pins.requirements), *source]
    return "\n".join([*lines, f"RUN python -m pip install --no-cache-dir {' '.join(words)}"]) + "\n"


def _requirements(pins: Pins, around: Shield, python: str, *, windows: bool) -> str:
    """Write the file. pip drops other indexes at its --index-url; uv does not, and is told the backend."""
    file = f"-r {REQUIREMENTS}"
    pip = [f"{around.before_pip}{_pip_of(python, windows=windows)} install {file}", *around.pip]
    named = f" --python {_path(python, windows=windows)}" if python else ""
    uv = [f"{around.before_uv}uv pip install{named} {file}", *_uv_source(pins), *around.uv]
    lines = [f"# {' '.join(pip)}", f"# {' '.join(uv)}"]
    lines += [f"--index-url {pins.index}"] if pins.index else []
    return "\n".join([*lines, *pins.requirements, ""])


def _pip_of(python: str, *, windows: bool) -> str:
    path = _path(python or "python", windows=windows)
    if windows and path.startswith('"'):
        # a quoted program is a string to PowerShell, and its & is an error to cmd; an option both take
        return f"python -m pip --python {path}"
    return f"{path} -m pip"


def _path(path: str, *, windows: bool) -> str:
    if not windows:
        return shlex.quote(path)
    return path if re.fullmatch(r"[\w.:\\/~-]+", path) else f'"{path}"'


def _quoted(requirement: str) -> str:
    """Quote a requirement as POSIX shells, PowerShell and cmd all take it."""
    return requirement if re.fullmatch(r"[\w.+=-]+", requirement) else f'"{requirement}"'
