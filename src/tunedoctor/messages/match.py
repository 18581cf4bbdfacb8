"""Match texts against all rows at once: an index of words tells which rows can match, and those alone are compiled."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import msgspec

from tunedoctor.facts import Errors, Unknown
from tunedoctor.messages.row import Row, expression, lines_of, lowered, words_of
from tunedoctor.tables.load import table

LONGEST = 160
"""Characters of a quoted message."""
_AROUND = 1000
"""Characters before and behind its key that a row can take."""
_TRIED = 50
"""Places of a key, at most, that are looked at."""
_STOP = re.compile(r"(?<!\be\.g)(?<!\bi\.e)[.!](?:\s|$)")


class Match(NamedTuple):
    """A row that a text holds."""

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

    def __init__(self, rows: Iterable[Row]) -> None:
        """Index rows; none is compiled."""
        self._anchored: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self._anchored[row.anchor].append(row)
        # every check asks about the same errors
        self._of = lru_cache(maxsize=4)(self._in_all)

    def of(self, errors: Errors) -> tuple[Match, ...]:
        """Return what errors hold, in the order of the text; of those that were just asked about, at once."""
        return self._of(tuple(error.text for error in errors.errors))

    def _in_all(self, texts: tuple[str, ...]) -> tuple[Match, ...]:
        return tuple(one for n, text in enumerate(texts) for one in self.matches(text, n))

    def _found(self, low: str) -> Iterator[tuple[Row, re.Match[str]]]:
        """Yield the rows that a flat text holds, looked for around their keys."""
        words, spaced = words_of(low), low.replace("\n", " ")
        for anchor in self._anchored.keys() & (words | {""}):
            for row in self._anchored[anchor]:
                at, tried = spaced.find(row.key), 0
                while at >= 0 and tried < _TRIED:
                    around = (max(at - _AROUND, 0), at + len(row.key) + _AROUND)
                    if found := _compiled(row.text, pattern=row.pattern).search(low, *around):
                        yield row, found
                        break
                    at, tried = spaced.find(row.key, at + len(row.key)), tried + 1

    def matches(self, text: str, number: int = 0) -> list[Match]:
        """Return each row that a text holds, where it stands first, in that order; `number` is that of the text."""
        whole = "\n".join(lines_of(text))
        low = lowered(whole)
        found = (
            Match(
                row.cause,
                row.part,
                row.text,
                {
                    name: whole[slice(*found.span(name))].replace("\n", " ")
                    for name in found.re.groupindex
                },
                _quoted(whole, *found.span()),
                row.certain,
                (number, whole.count("\n", 0, found.start()), found.start()),
            )
            for row, found in self._found(low)
        )
        return sorted(found, key=lambda one: (one.where, -len(one.row)))


@cache
def shipped() -> Matcher:
    """Return the matcher of the package's rows, read at the first error that is asked about."""
    return Matcher(msgspec.convert(table("messages")["rows"], list[Row]))


def matches(errors: Errors | Unknown | None) -> tuple[Match, ...]:
    """Return what the errors hold of the package's rows, in the order of the text."""
    if not isinstance(errors, Errors) or not errors.errors:
        return ()
    return shipped().of(errors)


def heard(errors: Errors | Unknown | None, *keys: str) -> str:
    """Return what an error says that a row of these keys, "id" or "id/part", matches first; "" where none does.

    It goes to the end of the sentence.
    """
    wanted = {tuple(f"{key}/".split("/")[:2]) for key in keys}
    return next((one.line for one in matches(errors) if (one.cause, one.part) in wanted), "")


def sentence(text: str, least: int) -> str:
    """Cut before the first full stop that ends a sentence, after `least` characters."""
    end = _STOP.search(text, max(least - 1, 0))
    cut = (text[: end.start()] if end else text).strip()
    return cut if len(cut) <= LONGEST else cut[: LONGEST - 1].rstrip() + "…"


@lru_cache(maxsize=2048)
def _compiled(text: str, *, pattern: bool) -> re.Pattern[str]:
    return expression(text, pattern=pattern)


def _quoted(text: str, start: int, end: int) -> str:
    line = text.find("\n", end)
    said = text[start : None if line < 0 else line].replace("\n", " ")
    return sentence(said, end - start)
