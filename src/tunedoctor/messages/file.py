"""A cause's file, checks/NAME.toml, read with every mistake named; those of a plug-in as checks."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import structs

from tunedoctor.messages.cause import GROUPS, Cause, CauseError, check_of, told_by
from tunedoctor.messages.match import Matcher, Row, RowError, expression, flat, key_of, with_anchors
from tunedoctor.messages.words import Words
from tunedoctor.model.findings import Check
from tunedoctor.system.reading import read_regular, toml

LARGEST = 1 << 20
"""Bytes of a file."""
_NEEDED = ("title", "severity", "group", "page")
_OF_BARE = (*_NEEDED, "means", "cure", "message")
"""What the file of a cause without code says."""


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


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the code of a cause takes out of texts."""

    patterns: tuple[tuple[str, str], ...]
    """Regular expressions, each with a text that it matches, as a tool printed it."""


class CauseFile(Cause, frozen=True, forbid_unknown_fields=True):
    """A cause's file: the cause, its manual page, what errors say of it, and what its code says and reads."""

    page: str = ""
    seen: tuple[str, ...] = ()
    """What its page shows as seen, beside examples of messages: texts that other causes share."""
    words: dict[str, Any] = {}
    """Parts of a finding, and more under the names of parts."""
    reads: dict[str, Reading] = {}
    message: tuple[Message, ...] = ()


def read_cause(file: Path, *, coded: bool) -> CauseFile:
    """Read and examine checks/NAME.toml; `coded`: code finds the cause.

    Raises:
        CauseError: the file is no TOML, a key is not known, has no value or a wrong one, or a row is not sound.
    """
    try:
        found = msgspec.convert(toml(read_regular(file, LARGEST).decode()), CauseFile)
        msgspec.convert(words_of("", found), dict[str, Words])
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error).replace("$.", "")
        msg = f"{file}: {why}"
        raise CauseError(msg) from None
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
    for part, read in found.reads.items():
        if lost := next((said for how, said in read.patterns if not re.search(how, said)), ""):
            msg = f"{file}: reads.{part}: no expression of it matches {lost!r}"
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


def words_of(id_: str, cause: CauseFile) -> dict[str, dict[str, Any]]:
    """Return words by their keys: "id", "id/part", "id:case"."""
    whole = {key: value for key, value in cause.words.items() if not isinstance(value, dict)}
    parts = {key: value for key, value in cause.words.items() if isinstance(value, dict)}
    return {
        id_: whole,
        **{f"{id_}{'' if key[0] == ':' else '/'}{key}": v for key, v in parts.items()},
    }


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


def checks_of(files: Sequence[Path], coded: Sequence[Check]) -> list[Check]:
    """Return checks with code as files tell of them, and the causes that have none.

    Raises:
        CauseError: a file is not sound.
    """
    ids = {one.id for one in coded}
    read = {id_of(file): read_cause(file, coded=id_of(file) in ids) for file in files}
    rows = [row for id_, cause in read.items() for row in rows_of(id_, cause)]
    matcher = Matcher(with_anchors(rows))

    told = [_paged(read[one.id], one) if one.id in read else one for one in coded]
    bare = [
        _paged(cause, check_of(id_, cause, str(file), matcher.of))
        for file, (id_, cause) in zip(files, read.items(), strict=True)
        if not cause.coded
    ]
    return [*told, *bare]


def _paged(cause: CauseFile, check: Check) -> Check:
    return structs.replace(told_by(cause, check), page=cause.page)
