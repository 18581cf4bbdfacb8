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
    words = [*map(_quoted, pins.requirements), *_pip_source(pins)]
    line = " ".join([_pip_of(around, python, windows=windows), "install", *words, *around.pip])
    return (*_pip_first(pins, around, python, windows=windows), line)


def _pip_first(pins: Pins, around: Shield, python: str, *, windows: bool) -> list[str]:
    """Write what goes first: what stands in the way is removed, what pip would leave as it is comes anew."""
    pip = _pip_of(around, python, windows=windows)
    lines = [f"{pip} uninstall -y {' '.join(pins.removed)}"] if pins.removed else []
    if pins.replaced:
        again = [str(pin) for pin in pins.packages if pin.name in pins.replaced]
        words = ["--force-reinstall", "--no-deps", *again, *_pip_source(pins), *around.pip]
        lines.append(" ".join([pip, "install", *words]))
    return lines


def _pip_source(pins: Pins) -> list[str]:
    return ["--index-url", pins.index] if pins.index else []


def _uv(pins: Pins, around: Shield, python: str, *, windows: bool) -> tuple[str, ...]:
    words = [*map(_quoted, pins.requirements), *_uv_options(pins, around)]
    line = " ".join([_uv_of(around, "install", python, windows=windows), *words])
    return (*_uv_first(pins, around, python, windows=windows), line)


def _uv_first(pins: Pins, around: Shield, python: str, *, windows: bool) -> list[str]:
    if not pins.removed:
        return []
    words = [_uv_of(around, "uninstall", python, windows=windows), *pins.removed, *around.uv]
    return [" ".join(words)]


def _uv_options(pins: Pins, around: Shield) -> list[str]:
    again = [f"--reinstall-package {name}" for name in pins.replaced]
    return [*again, *_uv_source(pins), *around.uv]


def _uv_source(pins: Pins) -> list[str]:
    """Name the index. Not as --index-url, which UV_DEFAULT_INDEX beats; a backend beats UV_INDEX and uv.toml."""
    if pins.backend:
        return [f"--torch-backend={pins.backend}"]
    return [f"--index {pins.index}"] if pins.index else []


def _dockerfile(choice: Choice, pins: Pins, machine: Machine) -> str:
    """Write the lines for an image, which is Linux on every system: on a Mac the CPU build of that release."""
    lines = [f"ENV {name}={value}" for name, value in sorted(choice.environment.items())]
    index = f"{INDEX}cpu" if machine.platform == "macos" else pins.index
    words = [*map(_quoted, pins.requirements), *(["--index-url", index] if index else [])]
    return "\n".join([*lines, f"RUN python -m pip install --no-cache-dir {' '.join(words)}"]) + "\n"


def _requirements(pins: Pins, around: Shield, python: str, *, windows: bool) -> str:
    """Write the file. pip drops other indexes at its --index-url; uv does not, and is told the backend."""
    pip = [_pip_of(around, python, windows=windows), "install -r", REQUIREMENTS, *around.pip]
    uv = [_uv_of(around, "install", python, windows=windows), "-r", REQUIREMENTS]
    runs = [
        *_pip_first(pins, around, python, windows=windows),
        " ".join(pip),
        *_uv_first(pins, around, python, windows=windows),
        " ".join([*uv, *_uv_options(pins, around)]),
    ]
    index = [f"--index-url {pins.index}"] if pins.index else []
    return "\n".join([*(f"# {run}" for run in runs), *index, *pins.requirements, ""])


def _pip_of(around: Shield, python: str, *, windows: bool) -> str:
    path = _path(python or "python", windows=windows)
    if windows and path.startswith('"'):
        # a quoted program is a string to PowerShell, and its & is an error to cmd; an option both take
        return f"python -m pip --python {path}"
    return f"{around.before_pip}{path} -m pip"


def _uv_of(around: Shield, verb: str, python: str, *, windows: bool) -> str:
    named = f" --python {_path(python, windows=windows)}" if python else ""
    return f"{around.before_uv}uv pip {verb}{named}"


def _path(path: str, *, windows: bool) -> str:
    if not windows:
        return shlex.quote(path)
    return path if re.fullmatch(r"[\w.:\\/~-]+", path) else f'"{path}"'


def _quoted(requirement: str) -> str:
    """Quote a requirement as POSIX shells, PowerShell and cmd all take it."""
    return requirement if re.fullmatch(r"[\w.+=-]+", requirement) else f'"{requirement}"'
