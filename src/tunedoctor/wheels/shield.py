"""What a printed command carries against settings of pip and uv that would sway it."""

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tunedoctor.wheels.sways import Sway


class Shield(NamedTuple):
    """Words around a command; all empty where nothing sways it."""

    before_pip: str = ""
    """With a space at its end: "env -u PIP_TARGET "."""
    pip: tuple[str, ...] = ()
    """Options of `pip install`."""
    before_uv: str = ""
    uv: tuple[str, ...] = ()
    """Options of uv."""


def shield(found: "Iterable[Sway]", *, windows: bool) -> Shield:
    """Return the least that keeps harmful settings away.

    Variables one by one where there is `env`, so that certificates and proxies stay. PowerShell and cmd have no
    common way: there pip gets --isolated, which drops all its variables and the user's file.
    """
    harms = [one for one in found if one.harms]
    pip = [one for one in harms if one.tool == "pip"]
    uv = [one for one in harms if one.tool == "uv"]
    uv_files = ("--no-config",) if any(not one.variable for one in uv) else ()
    if windows:
        isolated = ("--isolated",) if any(withstood(one, windows=True) for one in pip) else ()
        return Shield(pip=isolated, uv=uv_files)
    nothing = "PIP_CONFIG_FILE=/dev/null" if any(not one.variable for one in pip) else ""
    return Shield(
        before_pip=_env([one.place for one in pip if one.variable], nothing),
        before_uv=_env([one.place for one in uv if one.variable], ""),
        uv=uv_files,
    )


def _env(variables: Iterable[str], setting: str) -> str:
    words = [f"-u {shlex.quote(name)}" for name in dict.fromkeys(variables)]
    return f"env {' '.join([*words, *([setting] if setting else [])])} " if words or setting else ""


def withstood(one: "Sway", *, windows: bool) -> bool:
    """Tell whether the shielded command withstands a setting."""
    if not one.harms or not windows:
        return True
    if one.tool == "uv":
        return not one.variable
    if one.setting in ("pip.python", "pip.unreadable"):
        return False
    # of its files pip leaves out the user's alone when it is isolated
    return one.variable or "appdata" in one.place.lower()
