"""A cause as a file: checks/NAME.toml, read with every mistake named; and as the package ships it.

The file holds all that is said of a cause. One that has no code holds its cure as well, and what errors say of it.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tunedoctor.cure import AnyCureStep, Who
from tunedoctor.findings import Check, Severity
from tunedoctor.messages.row import Row, RowError, expression, flat, key_of
from tunedoctor.reading import read_regular, toml
from tunedoctor.tables.load import table

Group = Literal["machine", "driver", "environment", "model", "data", "training", "service"]
GROUPS: tuple[Group, ...] = (
    *("machine", "driver", "environment", "model", "data", "training", "service"),
)
LARGEST = 1 << 20
"""Bytes of a file."""
_NEEDED = ("title", "severity", "group", "page")
_OF_BARE = (*_NEEDED, "means", "cure", "message")
"""What the file of a cause without code says."""


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
    severity: Severity | None = None
    means: str = ""
    explains: tuple[str, ...] = ()
    advice: bool = False
    coded: bool = False
    """Code finds it, with a cure of its own; what errors say is for the code to weigh."""
    cure: tuple[AnyCureStep, ...] = ()
    who: Who = "user"
    cure_note: str = ""


class CauseFile(Cause, frozen=True, forbid_unknown_fields=True):
    """A cause's file: the cause, its manual page, and what errors say of it."""

    page: str = ""
    seen: tuple[str, ...] = ()
    """What its page shows as seen, beside examples of messages: texts that other causes share."""
    message: tuple[Message, ...] = ()


def read_cause(file: Path, *, coded: bool | None = None) -> CauseFile:
    """Read and examine checks/NAME.toml; code finds the cause where NAME.py stands beside it, unless it is told.

    Raises:
        CauseError: the file is no TOML, a key is not known, has no value or a wrong one, or a row is not sound.
    """
    try:
        found = msgspec.convert(toml(read_regular(file, LARGEST).decode()), CauseFile)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error).replace("$.", "")
        msg = f"{file}: {why}"
        raise CauseError(msg) from None
    coded = file.with_suffix(".py").is_file() if coded is None else coded
    for key in _NEEDED if coded else _OF_BARE:
        if not getattr(found, key):
            msg = f"{file}: {key}: there is none"
            raise CauseError(msg)
    if coded and found.cure:
        msg = f"{file}: cure: its code says that"
        raise CauseError(msg)
    if found.group not in GROUPS:
        msg = f"{file}: group: {found.group!r} is none of {', '.join(GROUPS)}"
        raise CauseError(msg)
    for number, one in enumerate(found.message):
        if why := _unsound(one):
            msg = f"{file}: message[{number}]: {why}"
            raise CauseError(msg)
    return msgspec.structs.replace(found, coded=coded)


def rows_of(id_: str, cause: CauseFile) -> list[Row]:
    """Return the rows of a cause; the anchors come when all rows are known."""
    return [
        Row(
            id_,
            m.part,
            m.certain and not cause.coded,
            m.text or m.pattern,
            key_of(m.text, m.key),
            "",
            bool(m.pattern),
        )
        for m in cause.message
    ]


@cache
def causes() -> dict[str, Cause]:
    """Return the causes of the package by their ids."""
    return msgspec.convert(table("causes")["rows"], dict[str, Cause])


def told_by(cause: Cause, check: Check) -> Check:
    """Return a check with what its file says."""
    return msgspec.structs.replace(
        check,
        title=cause.title,
        severity=cause.severity or check.severity,
        explains=cause.explains,
        advice=cause.advice,
        means=cause.means,
        cure_note=cause.cure_note,
        group=cause.group,
        settle=cause.settle or check.settle,
    )


def page_of(check: Check) -> str:
    """Return the manual page of a check."""
    return check.page or table("pages")["rows"].get(check.id, "")


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
