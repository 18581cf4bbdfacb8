"""A cause as a file: checks/NAME.toml, read with every mistake named; and as the package ships it.

A cause that has no code is its file alone. Where NAME.py stands beside it, the file holds what errors say, the group
and the command that settles it, and title, page and cure are those of the code.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tunedoctor.cure import AnyCureStep, Who
from tunedoctor.findings import Severity
from tunedoctor.messages.row import Row, RowError, expression, flat, key_of
from tunedoctor.reading import read_regular, toml
from tunedoctor.tables.load import table

Group = Literal["machine", "driver", "environment", "model", "data", "training", "service"]
GROUPS: tuple[Group, ...] = (
    *("machine", "driver", "environment", "model", "data", "training", "service"),
)
LARGEST = 1 << 20
"""Bytes of a file."""
_OF_BARE = ("title", "severity", "group", "means", "page", "cure", "message")
"""What the file of a cause without code says."""
_OF_CODE = ("title", "severity", "means", "page", "cure", "explains", "cure_note")
"""What its code says already."""


class CauseError(ValueError):
    """A cause's file is not sound; the message names file and key."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that errors say."""

    source: Annotated[str, msgspec.Meta(min_length=1)]
    examples: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    text: str = ""
    """Literal, with slots."""
    pattern: str = ""
    """Or a regular expression over lines, where what stands beside the literal counts; then `key` is that literal."""
    key: str = ""
    certain: bool = True
    """It proves a cause without code; of one with code the code tells what its rows prove."""
    part: str = ""
    """What the code of the cause calls this row, where it tells rows apart."""
    near: tuple[str, ...] = msgspec.field(default=(), name="not")
    """What it does not match."""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cause as the table holds it."""

    group: str = ""
    settle: str = ""
    """The command whose answer tells whether it is this cause."""
    title: Annotated[str, msgspec.Meta(max_length=60)] = ""
    """"" where code tells it, and all that follows."""
    severity: Severity | None = None
    means: str = ""
    explains: tuple[str, ...] = ()
    page: str = ""
    cure: tuple[AnyCureStep, ...] = ()
    who: Who = "user"
    cure_note: str = ""


class CauseFile(Cause, frozen=True, forbid_unknown_fields=True):
    """A cause's file: the cause, and what errors say of it."""

    message: tuple[Message, ...] = ()


def read_cause(file: Path) -> tuple[Cause, tuple[Message, ...]]:
    """Read and examine checks/NAME.toml.

    Raises:
        CauseError: the file is no TOML, a key is not known, has no value or a wrong one, or a row is not sound.
    """
    try:
        found = msgspec.convert(toml(read_regular(file, LARGEST).decode()), CauseFile)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error).replace("$.", "")
        msg = f"{file}: {why}"
        raise CauseError(msg) from None
    bare = not file.with_suffix(".py").is_file()
    for key in _OF_BARE if bare else _OF_CODE:
        if bool(getattr(found, key)) != bare:
            msg = f"{file}: {key}: {'there is none' if bare else 'its code says that'}"
            raise CauseError(msg)
    if bare and found.group not in GROUPS:
        msg = f"{file}: group: {found.group!r} is none of {', '.join(GROUPS)}"
        raise CauseError(msg)
    for number, one in enumerate(found.message):
        if why := _unsound(one):
            msg = f"{file}: message[{number}]: {why}"
            raise CauseError(msg)
    return Cause(*(getattr(found, key) for key in Cause.__struct_fields__)), found.message


def rows_of(id_: str, cause: Cause, messages: tuple[Message, ...]) -> list[Row]:
    """Return the rows of a cause; the anchors come when all rows are known."""
    return [
        Row(
            id_,
            m.part,
            m.certain and bool(cause.title),
            m.text or m.pattern,
            key_of(m.text, m.key),
            "",
            bool(m.pattern),
        )
        for m in messages
    ]


@cache
def causes() -> dict[str, Cause]:
    """Return the causes of the package by their ids."""
    return msgspec.convert(table("causes")["rows"], dict[str, Cause])


def id_of(file: Path) -> str:
    """Return "port-taken" of checks/port_taken.toml."""
    return file.stem.replace("_", "-")


def _unsound(one: Message) -> str:
    if bool(one.text) == bool(one.pattern) or bool(one.pattern) != bool(one.key):
        return "it has either text, or pattern and key"
    try:
        key_of(one.text, one.key)
        row = expression(one.text or one.pattern, pattern=bool(one.pattern))
    except RowError as error:
        return f"{'text' if one.text else 'pattern'}: {error}"
    missed = next((text for text in one.examples if not row.search(flat(text))), None)
    near = next((text for text in one.near if row.search(flat(text))), None)
    if missed is not None:
        return f"examples: the row does not match {missed!r}"
    return f"not: the row matches {near!r}" if near is not None else ""
