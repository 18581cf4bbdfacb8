"""What the user forbids installers: the network, or every index. What is said to one of pip and uv holds for both."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tunedoctor.installers.sources import on

_OFFLINE = ("UV_OFFLINE", "DOCTOR_OFFLINE")
_NO_INDEX = ("PIP_NO_INDEX", "UV_NO_INDEX")


def offline(environ: Mapping[str, str]) -> str:
    """Return the variable that leaves uv to its cache; "" where none does."""
    return _first(_OFFLINE, environ)


def no_index(environ: Mapping[str, str]) -> str:
    """Return the variable that leaves installers to folders of wheels; "" where none does."""
    return _first(_NO_INDEX, environ)


def barred(environ: Mapping[str, str]) -> str:
    """Return the variable that keeps installers from an index; "" where none does."""
    return offline(environ) or no_index(environ)


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    on_ = [name for name in names if on(environ.get(name, ""))]
    # a file that says so stands in one of them: it is what can be changed
    return next((name for name in on_ if _file(name, environ)), on_[0] if on_ else "")


def why_barred(name: str, why: str, environ: Mapping[str, str]) -> str:
    """Put what forbids it before the installer's own words."""
    what = "uv has its cache alone" if name in _OFFLINE else "no index is asked"
    file = _file(name, environ)
    return why if name in why else f"{file or name} is set so that {what}: {why}"


def allowed(name: str, environ: Mapping[str, str]) -> str:
    """Return the command that takes the ban away for the shell; of a file, what to take out of it."""
    if file := _file(name, environ):
        return f"# take {'offline' if name in _OFFLINE else 'no-index'} out of {file}"
    return f"Remove-Item Env:{name}" if sys.platform == "win32" else f"unset {name}"


def _file(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name, "")
    return value if Path(value).is_absolute() else ""
