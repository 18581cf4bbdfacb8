"""The answer of doctor set: what stays, what changes and why, or why there is no set."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from tunedoctor.installers.answers import Pin
from tunedoctor.planning.wanted import with_torch

Verdict = Literal["set", "none", "unknown"]


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


class SetTorch(msgspec.Struct, frozen=True):
    """The PyTorch build of the set."""

    version: str
    variant: str
    index: str = ""
    """URL of the wheel index; "" for the default index."""
    kept: bool = False


class Commands(msgspec.Struct, frozen=True):
    """Commands that make the set, in their order; () where nothing is to install."""

    pip: tuple[str, ...] = ()
    uv: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer: JSON of `doctor set --format json`."""

    schema: Literal["doctor.set/1"] = "doctor.set/1"
    verdict: Verdict
    target: str = ""
    """The environment that was looked at; "" for a described machine."""
    python: str = ""
    platform: str = ""
    torch: SetTorch | None = None
    packages: tuple[Change, ...] = ()
    about: tuple[str, ...] = ()
    """What the set must hold; the others come with these."""
    smallest: bool = True
    """No set changes fewer packages; False where that was not searched to the end."""
    dropped: dict[str, str] = {}
    """Left out of a fresh set, with the reason."""
    left: tuple[str, ...] = ()
    """Known breaks that no version of the packages leaves."""
    why: str = ""
    """The clash, or what could not be told; in one sentence."""
    details: str = ""
    """The resolver's own words."""
    way_out: str = ""
    commands: Commands = Commands()
    files: tuple[str, ...] = ()
    """What was written."""

    @property
    def changed(self) -> tuple[Change, ...]:
        """Packages that the commands install."""
        return tuple(one for one in self.packages if one.change != "kept")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the answer."""
    found = msgspec.json.schema(Answer)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


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
