"""What a set changes: each package with its version before and after, and why."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from tunedoctor.installers.uv import Pin
from tunedoctor.planning.wanted import with_torch


class Change(msgspec.Struct, frozen=True):
    """One package of the set."""

    name: str
    version: str
    was: str = ""
    """Installed version; "" where it is not there."""
    change: Literal["kept", "changed", "added", "removed"] = "kept"
    """removed: a cure takes it out, and its version is ""."""
    why: str = ""
    """Why it is changed or added."""
    named: bool = True
    """The commands and the project name it; others come along with these."""


def changes(
    pins: Iterable[Pin],
    installed: Mapping[str, str],
    why: Mapping[str, str],
    named: Iterable[str] | None,
    rebuilt: frozenset[str] = frozenset(),
) -> tuple[Change, ...]:
    """Return the packages of a solution in its order, those that torch alone brings left out.

    Named are the `named` ones; None: what moves, since an installer that is told of a part leaves the rest as it is.
    `rebuilt` are changed though their version is not: they come in another build.
    """
    found = {pin.name: pin for pin in pins}
    brought = brought_by_torch(found.values())
    about = None if named is None else set(named)
    moved = rebuilt | {n for n, pin in found.items() if installed.get(n) != pin.version}
    return tuple(
        Change(
            name=name,
            version=pin.version,
            was=installed.get(name, ""),
            change=("added" if name not in installed else "changed" if name in moved else "kept"),
            why=_why(pin, why, moved),
            named=name in (moved if about is None else about),
        )
        for name, pin in found.items()
        if name not in brought
    )


def brought_by_torch(pins: Iterable[Pin]) -> set[str]:
    """Return the CUDA libraries and Triton: those of another build of torch are others."""
    return {pin.name for pin in pins if pin.name != "torch" and with_torch(pin.name)}


def _why(pin: Pin, why: Mapping[str, str], moved: frozenset[str]) -> str:
    if pin.name not in moved:
        return ""
    if pin.name in why:
        return why[pin.name]
    owners = [one for one in pin.via if one in moved] or list(pin.via)
    return f"goes with {' and '.join(owners[:2])}" if owners else ""
