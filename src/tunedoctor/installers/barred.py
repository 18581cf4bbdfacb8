"""What the user forbids installers: the network, or every index. What is said to one of pip and uv holds for both."""

import sys
from collections.abc import Mapping
from pathlib import Path

_NO = ("", "0", "false", "no", "off", "n", "f")
_OFFLINE = ("UV_OFFLINE", "DOCTOR_OFFLINE")
_NO_INDEX = ("PIP_NO_INDEX", "UV_NO_INDEX")
_STATED = {
    "uv.offline": "UV_OFFLINE",
    "uv.no-index": "UV_NO_INDEX",
    "pip.no-index": "PIP_NO_INDEX",
}
"""Settings of files -> the variables that say the same."""
_LINKS = {"pip.find-links": "PIP_FIND_LINKS", "uv.find-links": "UV_FIND_LINKS"}


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
    return next((n for n in names if environ.get(n, "").strip().lower() not in _NO), "")


def stated(
    settings: Mapping[str, str], places: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Return what files of pip and uv forbid, as variables whose value is the file; those that are set win.

    `heeded` makes of them what installers read.
    """
    found = {
        variable: places.get(name, "1")
        for name, variable in _STATED.items()
        if settings.get(name, "").strip().lower() not in _NO and variable not in environ
    }
    if no_index({**environ, **found}):
        # folders count here alone: with an index, each installer goes by its own files
        for name, variable in _LINKS.items():
            if settings.get(name) and variable not in environ:
                between = "," if variable.startswith("UV") else " "
                found[variable] = between.join(settings[name].split())
    return found


def heeded(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in such a way that pip and uv heed what is said to one of them."""
    env = dict(environ)
    if offline(environ):
        # pip has no cache that it could go by
        env["UV_OFFLINE"] = env["PIP_NO_INDEX"] = "1"
    if no_index(environ):
        env["PIP_NO_INDEX"] = "1"  # uv knows it as an option alone
        pips, uvs = env.get("PIP_FIND_LINKS", "").split(), env.get("UV_FIND_LINKS", "").split(",")
        if pips or any(uvs):
            env["UV_FIND_LINKS"] = ",".join(filter(None, uvs)) or ",".join(pips)
            env["PIP_FIND_LINKS"] = " ".join(pips) or " ".join(filter(None, uvs))
    return env


def source(index: str, environ: Mapping[str, str]) -> list[str]:
    """Return uv's options for the one index of an install, "" for the default one; of none where all are forbidden."""
    if no_index(environ):
        return ["--no-index"]
    return ["--default-index", index] if index else []


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
