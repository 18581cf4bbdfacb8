"""Match a text against all rows at once; a row is the literal text of a message, with slots.

An index of words tells which rows can match, and those alone are compiled, to expressions whose time is linear in the
text. Texts are flat when they are searched: lower case, each run of white space one blank or one line break, which a
blank of a row takes as well. So a row needs no flags, and a message that a width broke is the same message.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import pairwise, zip_longest
from typing import NamedTuple

import msgspec

from tunedoctor.facts import Errors, Unknown
from tunedoctor.tables.load import table

SLOTS = {
    "name": r"[\w.+-]{1,80}",
    "version": r"\d[\w.+*-]{0,40}",
    "int": r"\d{1,20}",
    "path": r"\S{1,300}",
    "hex": r"(?:0x)?[0-9a-f]{1,32}",
    "module": r"[a-z_][\w.]{0,100}",
    "text": r"[^\n]{1,200}?",
}
"""Type of a slot -> what it takes; "a|b" in place of a type takes one of these words."""
SHORTEST = 6
"""Characters of the longest literal of a row: what has no such literal would be looked for in each text."""
_WIDE = 3
"""Slots of a row, at most, that take hundreds of characters: each multiplies the time of a near miss."""
_SLOT = re.compile(r"\{(\w*)(?::([^{}]+))?\}")
_EDGE = r"(?!(?<=\w)\w)"
"""Not within a word."""
_WORD = re.compile(r"[a-z0-9_]+")


class RowError(ValueError):
    """A row cannot be matched in linear time, or names no literal; the message says why."""


class MessageRow(msgspec.Struct, frozen=True, array_like=True):
    """A row in the table."""

    cause: str
    part: str
    """What the check of the cause calls it; "" where it does not tell its rows apart."""
    certain: bool
    """It alone proves its cause; else other causes print it too, or the code of the cause decides."""
    text: str
    key: str
    """Its longest literal, normalised; without it the row cannot match."""
    anchor: str = ""
    """The rarest complete word of the key; "" if its words can be parts of longer ones."""
    pattern: bool = False
    """Its text is a regular expression over lines, so the text around the literal matters too."""


class _Piece(NamedTuple):
    source: str
    """Its expression."""
    literal: str = ""
    name: str = ""
    """Of a slot; "" for one that is not kept."""
    repeats: bool = False
    """A slot of a type: any number of characters."""
    wide: bool = False
    """Hundreds."""


def flat(text: str) -> str:
    """Return a text as rows see it."""
    return lowered("\n".join(lines_of(text)))


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that are not empty, each run of white space one blank."""
    return [line for line in (" ".join(raw_line.split()) for raw_line in text.split("\n")) if line]


def lowered(text: str) -> str:
    """Return a text in lower case, character for character."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def expression(text: str, *, pattern: bool = False) -> re.Pattern[str]:
    """Return the expression that finds a row in a normalised text, at word boundaries; its slots are named groups.

    Raises: RowError: a slot has an unknown type, two are adjacent, or no literal of the row is long enough.
    """
    if pattern:
        try:
            return re.compile(text, re.IGNORECASE | re.MULTILINE)
        except re.error as error:
            raise RowError(f"it is not a regular expression: {error}") from None
    pieces = _pieces(text)
    source = "".join(piece.source for piece in pieces)
    start, end = (_EDGE if not piece.repeats else "" for piece in (pieces[0], pieces[-1]))
    return re.compile(f"{start}{source}{end}")


def key_of(text: str, key: str = "") -> str:
    """Return the longest literal of a row, flat; `key` is that of a regular expression, which names its own.

    Raises:
        RowError: as `expression`.
    """
    if key:
        return flat(key)
    key = max((piece.literal.strip() for piece in _pieces(text)), key=len, default="")
    if len(key) < SHORTEST:
        raise RowError(f"its longest literal, {key!r}, has fewer than {SHORTEST} characters")
    return key


def whole_words(key: str) -> list[str]:
    """Return the words of a key with a boundary on both sides: they are complete words in each text with the key."""
    return [w[0] for w in _WORD.finditer(key) if w.start() and w.end() < len(key)]


def words_of(low: str) -> set[str]:
    """Return the words of a text in lower case."""
    return set(_WORD.findall(low))


def with_anchors(rows: Iterable[MessageRow]) -> list[MessageRow]:
    """Return rows with the rarest complete word of each."""
    all_rows = list(rows)
    often = Counter(word for row in all_rows for word in {*whole_words(row.key)})

    def anchor(row: MessageRow) -> str:
        return min(whole_words(row.key), key=lambda w: (often[w], -len(w), w), default="")

    return [msgspec.structs.replace(row, anchor=anchor(row)) for row in all_rows]


def _pieces(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    parts = _SLOT.split(" ".join(text.split()).replace("{{", "\0"))
    for literal, name, kind in zip_longest(parts[::3], parts[1::3], parts[2::3]):
        if literal:
            pieces.append(_literal(lowered(literal.replace("\0", "{"))))
        if name is not None:
            pieces.append(_slot(name, kind or "name"))
    for first, second in pairwise(pieces):
        if first.repeats and second.repeats:
            raise RowError("two slots are next to each other")
    names = [piece.name for piece in pieces if piece.name]
    if len(names) > len({*names}):
        raise RowError("two slots have one name")
    if sum(piece.wide for piece in pieces) > _WIDE:
        raise RowError(f"more than {_WIDE} slots take paths or text")
    return pieces


def _literal(text: str) -> _Piece:
    return _Piece(re.escape(text).replace(r"\ ", r"[ \n]"), text)


def _slot(name: str, kind: str) -> _Piece:
    words = sorted(map(lowered, kind.split("|")), key=len, reverse=True) if "|" in kind else []
    if not words and kind not in SLOTS:
        msg = f"{kind!r} is not a type of slot: {', '.join(SLOTS)}, or words with | between them"
        raise RowError(msg)
    source = "|".join(_literal(word).source for word in words) or SLOTS[kind]
    group = f"(?P<{name}>{source})" if name else f"(?:{source})"
    return _Piece(group, "", name, repeats=not words, wide=kind in ("path", "text"))


LONGEST = 160
"""Characters of a quoted message."""
_AROUND = 1000
"""Characters before and behind its key that a row can take."""
_TRIED = 50
"""Places of a key, at most, that are looked at."""
_STOP = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.!](?:\s|$)")


class Match(NamedTuple):
    """A row that matches a text."""

    cause: str
    part: str
    row: str
    """Its text."""
    slots: dict[str, str]
    line: str
    """What the text says, from where the row begins to the end of its sentence."""
    certain: bool
    where: tuple[int, int, int]
    """Counted from 0: the text, its line (empty ones left out) and its character where the row begins."""


class Matcher:
    """All rows, by the words that a text must have for them."""

    def __init__(self, rows: Iterable[MessageRow]) -> None:
        """Index rows; none is compiled."""
        self._anchored: dict[str, list[MessageRow]] = defaultdict(list)
        for row in rows:
            self._anchored[row.anchor].append(row)

    def _matching_rows(self, low: str) -> Iterator[tuple[MessageRow, re.Match[str]]]:
        """Yield the rows that match a normalised text, searched around their keys."""
        words, spaced = words_of(low), low.replace("\n", " ")
        for anchor in self._anchored.keys() & (words | {""}):
            for row in self._anchored[anchor]:
                at, tried = spaced.find(row.key), 0
                while at >= 0 and tried < _TRIED:
                    search_range = (max(at - _AROUND, 0), at + len(row.key) + _AROUND)
                    if match := _compiled(row.text, pattern=row.pattern).search(low, *search_range):
                        yield row, match
                        break
                    at, tried = spaced.find(row.key, at + len(row.key)), tried + 1

    def matches(self, text: str, number: int = 0) -> list[Match]:
        """Return each row that matches a text, at its first position, in that order; `number` is that of the text."""
        whole = "\n".join(lines_of(text))
        low = lowered(whole)
        matches = (
            Match(
                row.cause,
                row.part,
                row.text,
                {
                    name: whole[slice(*match.span(name))].replace("\n", " ")
                    for name in match.re.groupindex
                },
                _quoted(whole, *match.span()),
                row.certain,
                (number, whole.count("\n", 0, match.start()), match.start()),
            )
            for row, match in self._matching_rows(low)
        )
        return sorted(matches, key=lambda match: (match.where, -len(match.row)))


_OF_PLUGINS: dict[MessageRow, None] = {}


def add(rows: Iterable[MessageRow]) -> None:
    """Add rows of a plug-in to those of the package."""
    _OF_PLUGINS.update(dict.fromkeys(rows))
    shipped.cache_clear()
    _in_all.cache_clear()


@cache
def shipped() -> Matcher:
    """Return the matcher of all rows, read at the first error that is asked about."""
    return Matcher([*msgspec.convert(table("messages")["rows"], list[MessageRow]), *_OF_PLUGINS])


def matches(errors: Errors | Unknown | None) -> tuple[Match, ...]:
    """Return the rows that match the errors, in the order of the text."""
    if not isinstance(errors, Errors) or not errors.errors:
        return ()
    return _in_all(tuple(error.text for error in errors.errors))


@lru_cache(maxsize=4)  # every check asks about the same errors
def _in_all(texts: tuple[str, ...]) -> tuple[Match, ...]:
    return tuple(match for n, text in enumerate(texts) for match in shipped().matches(text, n))


def matched_error(errors: Errors | Unknown | None, *keys: str) -> str:
    """Return what an error says, its sentence, that a row of these keys, "id" or "id/part", matches first; or ""."""
    wanted_rows = {tuple(f"{key}/".split("/")[:2]) for key in keys}
    return next(
        (match.line for match in matches(errors) if (match.cause, match.part) in wanted_rows), ""
    )


def sentence(text: str, least: int) -> str:
    """Cut before the first full stop that ends a sentence, after `least` characters."""
    end = _STOP.search(text, max(least - 1, 0))
    cut = (text[: end.start()] if end else text).strip()
    return cut if len(cut) <= LONGEST else cut[: LONGEST - 1].rstrip() + "…"


_compiled = lru_cache(maxsize=2048)(expression)


def _quoted(text: str, start: int, end: int) -> str:
    line = text.find("\n", end)
    sentence_text = text[start : None if line < 0 else line].replace("\n", " ")
    return sentence(sentence_text, end - start)
