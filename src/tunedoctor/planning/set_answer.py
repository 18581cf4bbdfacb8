"""The answer of doctor set: what stays, what changes and why, or why there is no set."""

from typing import Any, Literal

import msgspec

from tunedoctor.planning.change import Change

Verdict = Literal["set", "none", "unknown"]


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
