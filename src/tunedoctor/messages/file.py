"""A cause's file, checks/NAME.toml, read with every mistake named; those of a plug-in join the package's tables."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import structs

from tunedoctor.messages.cause import GROUPS, Cause, CauseError, check_of, told_by
from tunedoctor.messages.match import (
    MessageRow,
    RowError,
    add,
    expression,
    flat,
    key_of,
    with_anchors,
)
from tunedoctor.model.findings import Check
from tunedoctor.system.reading import read_regular, toml
from tunedoctor.tables.load import table

LARGEST = 1 << 20
"""Bytes of a file."""
_NEEDED = ("title", "severity", "group", "page")
_OF_BARE = (*_NEEDED, "means", "cure", "message")
"""What the file of a cause without code says."""
_SHOWN = 5
"""Texts, at most, that a page shows as seen."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that errors say."""

    source: Annotated[str, msgspec.Meta(min_length=1)]
    examples: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    text: str = ""
    """Literal, with slots."""
    pattern: str = ""
    """Or a regular expression over lines, if the text around the literal matters; `key` is then that literal."""
    key: str = ""
    certain: bool = True
    """The row proves a cause without code. If the cause has code, the code decides what its rows prove."""
    part: str = ""
    """The name by which the code of the cause refers to this row."""
    near: tuple[str, ...] = msgspec.field(default=(), name="not")
    """What it does not match."""


class ReadPatterns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Regular expressions with which the code of a cause reads texts."""

    patterns: tuple[tuple[str, str], ...]
    """Regular expressions, each with a text that it matches, as a tool printed it."""


class CauseFile(Cause, frozen=True, forbid_unknown_fields=True):
    """A cause's file: the cause, its manual page, its error messages, and the expressions of its code."""

    page: str = ""
    seen: tuple[str, ...] = ()
    """What its page shows as seen, beside examples of messages: texts that other causes share."""
    reads: dict[str, ReadPatterns] = {}
    message: tuple[Message, ...] = ()


def read_cause(file: Path, *, coded: bool) -> CauseFile:
    """Read and examine checks/NAME.toml; `coded`: code finds the cause.

    Raises:
        CauseError: the file is no TOML, a key is not known, has no value or a wrong one, or a row is not sound.
    """
    try:
        cause_file = msgspec.convert(toml(read_regular(file, LARGEST).decode()), CauseFile)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error).replace("$.", "")
    else:
        if not (why := next(_faults(cause_file, coded=coded), "")):
            return structs.replace(cause_file, coded=coded)
    raise CauseError(f"{file}: {why}")


def _faults(cause: CauseFile, *, coded: bool) -> Iterator[str]:
    needed, useless = (_NEEDED, ("cure",)) if coded else (_OF_BARE, ("reads",))
    yield from (f"{key}: there is none" for key in needed if not getattr(cause, key))
    if cause.group not in GROUPS:
        yield f"group: {cause.group!r} is not one of {', '.join(GROUPS)}"
    rows = enumerate(cause.message)
    yield from (f"message[{number}]: {why}" for number, m in rows if (why := _unsound(m)))
    read = ((part, pair) for part, reading in cause.reads.items() for pair in reading.patterns)
    yield from (f"reads.{part}: {why}" for part, pair in read if (why := _unread(*pair)))
    why = "its code says that" if coded else "there is no code that says it"
    yield from (f"{key}: {why}" for key in useless if getattr(cause, key))


def _unread(how: str, example: str) -> str:
    try:
        return "" if re.search(how, example) else f"no expression of it matches {example!r}"
    except re.error as error:
        return f"{how!r} is not a regular expression: {error}"


def rows_of(id_: str, cause: CauseFile) -> list[MessageRow]:
    """Return the rows of a cause; the anchors come when all rows are known."""
    return [
        MessageRow(
            id_, m.part, proves, m.text or m.pattern, key_of(m.text, m.key), "", bool(m.pattern)
        )
        for m in cause.message
        for proves in [m.certain and not cause.coded]
    ]


def reads_of(id_: str, cause: CauseFile) -> dict[str, list[str]]:
    """Return the regular expressions of parts by "id/part"."""
    return {f"{id_}/{part}": [how for how, _ in r.patterns] for part, r in cause.reads.items()}


def page_of(cause: CauseFile) -> str:
    """Return the manual page, with what errors say of the cause."""
    examples = (text for message in cause.message for text in message.examples[:1])
    shown_texts = [*dict.fromkeys((*cause.seen, *examples))][:_SHOWN]
    lines = "".join(f"    {line}\n" for text in shown_texts for line in text.splitlines())
    return f"{cause.page.strip()}\n\nSeen as\n{lines}"


def id_of(file: Path) -> str:
    """Return "port-taken" of checks/port_taken.toml."""
    return file.stem.replace("_", "-")


def _unsound(message: Message) -> str:
    if bool(message.text) == bool(message.pattern) or bool(message.pattern) != bool(message.key):
        return "it has either text, or pattern and key"
    try:
        key_of(message.text, message.key)
        row = expression(message.text or message.pattern, pattern=bool(message.pattern))
    except RowError as error:
        return f"{'text' if message.text else 'pattern'}: {error}"
    missed = next((text for text in message.examples if not row.search(flat(text))), None)
    near = next((text for text in message.near if row.search(flat(text))), None)
    if missed is not None:
        return f"examples: the row does not match {missed!r}"
    return f"not: the row matches {near!r}" if near is not None else ""


def checks_of(files: Sequence[Path], coded: Sequence[Check]) -> list[Check]:
    """Return a plug-in's checks from its files, and add their texts to the tables. Raises CauseError."""
    by_id = {check.id: check for check in coded}
    checks_by_id: dict[str, Check] = {}
    for file in files:
        id_ = id_of(file)
        cause = read_cause(file, coded=id_ in by_id)
        check = told_by(cause, by_id.get(id_) or check_of(id_, cause, str(file)))
        checks_by_id[id_] = structs.replace(check, page=page_of(cause))
        table("reads")["rows"].update(reads_of(id_, cause))
        add(with_anchors(rows_of(id_, cause)))
    return [*(checks_by_id.pop(check.id, check) for check in coded), *checks_by_id.values()]
