"""What every fact is: a frozen struct whose strings hold nothing that could steer a terminal.

`Absent` and `Unknown` are the two other answers that a probe or a reader may give.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias, TypeVar

import msgspec

from tunedoctor.clean import cleaned

Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A size in bytes."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
"""A number of things."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact about one subject; a Snapshot holds at most one of each type."""

    def __post_init__(self) -> None:
        """Clean every string, whoever made the fact: a probe, a reader or a snapshot file."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            clean = cleaned(value)
            if clean is not value:
                msgspec.structs.force_setattr(self, name, clean)


class Absent(Fact, frozen=True):
    """Known not to be there."""

    why: str


class Unknown(Fact, frozen=True):
    """Could not be found out."""

    why: str


F = TypeVar("F", bound=Fact)

if TYPE_CHECKING:
    Known: TypeAlias = F | None
else:

    class Known:
        """Annotation of a parameter that takes a fact, and None where it is absent or unknown."""

        made: ClassVar[dict[type[Fact], "Known"]] = {}

        def __init__(self, kind: type[Fact]) -> None:
            self.known_kind = kind

        def __class_getitem__(cls, kind: type[Fact]) -> "Known":
            """Return the one annotation of a kind: typing's own cost a check three milliseconds."""
            return cls.made.get(kind) or cls.made.setdefault(kind, cls(kind))
