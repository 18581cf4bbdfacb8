"""The commands that put the chosen build into an environment: pip, uv pip, a uv project, Dockerfile, requirements."""

import msgspec

from tunedoctor.facts import InstallerConfig
from tunedoctor.wheels.choice import Choice
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pins import Pins, pins_of
from tunedoctor.wheels.pip_lines import pip_first, pip_lines, pip_of, quoted, shell_path
from tunedoctor.wheels.rules import index_of
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
        pip=pip_lines(pins, around, python, windows=windows),
        uv_pip=_uv(pins, around, python, windows=windows),
        uv_project=uv_project(pins, around, quoted),
        dockerfile=_dockerfile(choice, pins, machine),
        requirements=_requirements(pins, around, python, windows=windows),
    )


def _uv(pins: Pins, around: Shield, python: str, *, windows: bool) -> tuple[str, ...]:
    words = [*map(quoted, pins.requirements), *_uv_options(pins, around)]
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
    index = index_of("cpu") if machine.platform == "macos" else pins.index
    words = [*map(quoted, pins.requirements), *(["--index-url", index] if index else [])]
    return "\n".join([*lines, f"RUN python -m pip install --no-cache-dir {' '.join(words)}"]) + "\n"


def _requirements(pins: Pins, around: Shield, python: str, *, windows: bool) -> str:
    """Write the file. pip drops other indexes at its --index-url; uv does not, and is told the backend."""
    pip = [pip_of(around, python, windows=windows), "install -r", REQUIREMENTS, *around.pip]
    uv = [_uv_of(around, "install", python, windows=windows), "-r", REQUIREMENTS]
    runs = [
        *pip_first(pins, around, python, windows=windows),
        " ".join(pip),
        *_uv_first(pins, around, python, windows=windows),
        " ".join([*uv, *_uv_options(pins, around)]),
    ]
    index = [f"--index-url {pins.index}"] if pins.index else []
    return "\n".join([*(f"# {run}" for run in runs), *index, *pins.requirements, ""])


def _uv_of(around: Shield, verb: str, python: str, *, windows: bool) -> str:
    named = f" --python {shell_path(python, windows=windows)}" if python else ""
    return f"{around.before_uv}uv pip {verb}{named}"
