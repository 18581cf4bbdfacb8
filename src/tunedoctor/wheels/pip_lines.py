"""The lines that install a build with pip."""

import re
import shlex

from tunedoctor.wheels.pins import Pins
from tunedoctor.wheels.shield import Shield


def pip_lines(pins: Pins, around: Shield, python: str, *, windows: bool) -> tuple[str, ...]:
    """Return the commands: the install, and before it what has to go first."""
    words = [*map(quoted, pins.requirements), *_pip_source(pins)]
    line = " ".join([pip_of(around, python, windows=windows), "install", *words, *around.pip])
    return (*pip_first(pins, around, python, windows=windows), line)


def pip_first(pins: Pins, around: Shield, python: str, *, windows: bool) -> list[str]:
    """Write what goes first: what stands in the way is removed, what pip would leave as it is comes anew."""
    pip = pip_of(around, python, windows=windows)
    lines = [f"{pip} uninstall -y {' '.join(pins.removed)}"] if pins.removed else []
    if pins.replaced:
        again = [str(pin) for pin in pins.packages if pin.name in pins.replaced]
        words = ["--force-reinstall", "--no-deps", *again, *_pip_source(pins), *around.pip]
        lines.append(" ".join([pip, "install", *words]))
    return lines


def _pip_source(pins: Pins) -> list[str]:
    return ["--index-url", pins.index] if pins.index else []


def pip_of(around: Shield, python: str, *, windows: bool) -> str:
    """Return how pip of the target is started."""
    path = shell_path(python or "python", windows=windows)
    if windows and path.startswith('"'):
        # a quoted program is a string to PowerShell, and its & is an error to cmd; an option both take
        return f"python -m pip --python {path}"
    return f"{around.before_pip}{path} -m pip"


def shell_path(path: str, *, windows: bool) -> str:
    """Quote a path as a shell of the system takes it."""
    if not windows:
        return shlex.quote(path)
    return path if re.fullmatch(r"[\w.:\\/~-]+", path) else f'"{path}"'


def quoted(requirement: str) -> str:
    """Quote a requirement as POSIX shells, PowerShell and cmd all take it."""
    return requirement if re.fullmatch(r"[\w.+=-]+", requirement) else f'"{requirement}"'
