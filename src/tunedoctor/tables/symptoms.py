"""Which checks an error text can mean, over symptoms.json."""

import re
from functools import cache

import msgspec

from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table


class Symptom(msgspec.Struct, frozen=True):
    """A text that programs print."""

    pattern: str
    """Regular expression; case does not count."""
    checks: tuple[str, ...]
    """Ids of the checks whose finding it can mean; several where the text alone does not tell."""
    source: tuple[str, ...]
    verified: bool
    """False: written from memory, and never decides alone."""


class Question(msgspec.Struct, frozen=True):
    """A text behind which many things can stand."""

    pattern: str
    """Regular expression; case does not count."""
    ask: str
    """What to run or to ask for, and what that tells."""
    source: tuple[str, ...]


@cache
def symptoms() -> tuple[Symptom, ...]:
    """Return all rows, read once."""
    return msgspec.convert(tuple(table("symptoms")["rows"]), tuple[Symptom, ...])


def matching(text: str) -> tuple[Symptom, ...]:
    """Return the rows whose text stands in `text`."""
    return tuple(row for row in symptoms() if _expression(row.pattern).search(text))


@cache
def questions() -> tuple[Question, ...]:
    """Return all questions, read once; the first that a text leads to is the one to ask."""
    return msgspec.convert(tuple(table("symptoms")["questions"]), tuple[Question, ...])


def question(text: str) -> str:
    """Return what to ask for, of a text that does not tell; "" where no row knows it."""
    return next((row.ask for row in questions() if _expression(row.pattern).search(text)), "")


@cache
def _expression(source: str) -> re.Pattern[str]:
    return pattern(source, re.IGNORECASE)
