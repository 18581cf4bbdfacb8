"""The base of all facts: a frozen struct whose strings contain nothing that affects a terminal.

A probe or a reader can also return `Absent` or `Unknown`.
"""

from typing import Annotated, TypeVar, cast

import msgspec

from tunedoctor.facts.clean import cleaned

Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A size in bytes."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
"""A number of things."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact, or a part of one: a GPU of several, a stage."""

    def __post_init__(self) -> None:
        """Clean every string, whoever made the fact: a probe, a reader or a snapshot file."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            clean = cleaned(value)
            if clean is not value:
                msgspec.structs.force_setattr(self, name, clean)


class Fact(Part, frozen=True, kw_only=True):
    """A fact about one subject; a Snapshot has at most one of each type."""

    def __bool__(self) -> bool:
        """Return whether this is a real fact, not the empty one that stands for an unknown fact."""
        return self is not _EMPTY.get(type(self))


_EMPTY: dict[type[Fact], Fact] = {}


def empty(kind: type["F"]) -> "F":
    """Return the stand-in for an unknown fact: it is false, its fields too; those without a default are empty."""
    stand_in = _EMPTY.get(kind)
    if stand_in is None:
        # read off the class: msgspec's own account of the fields costs five times as much
        names, defaults = kind.__struct_fields__, kind.__struct_defaults__
        needed = names[: len(names) - len(defaults)]
        values = {name: _nothing(str(kind.__annotations__[name])) for name in needed}
        optional = zip(names[::-1], defaults[::-1], strict=False)
        values |= {name: False for name, default in optional if default is True}
        stand_in = _EMPTY[kind] = kind(**values)
    return cast("F", stand_in)


def _nothing(hint: str) -> object:
    """Return the empty value of a type."""
    by_type: dict[str, object] = {"tuple": (), "dict": {}, "bool": False, "int": 0}
    value_of_type = next((value for name, value in by_type.items() if name in hint), "")
    return None if "None" in hint or "Optional" in hint else value_of_type


class Absent(Fact, frozen=True):
    """Known not to be there."""

    why: str


class Unknown(Fact, frozen=True):
    """Could not be found out."""

    why: str


F = TypeVar("F", bound=Fact)
