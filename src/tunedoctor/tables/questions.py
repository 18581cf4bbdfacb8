"""What to ask of an error behind which many things stand, over questions.json."""

import re
from functools import cache

import msgspec

from tunedoctor.tables.load import table


class Question(msgspec.Struct, frozen=True):
    """A text behind which many things can stand."""

    pattern: str
    """Regular expression; case does not count."""
    ask: str
    """What to run or to ask for, and what that tells."""
    source: tuple[str, ...]


@cache
def questions() -> tuple[Question, ...]:
    """Return all questions, read once; the first that a text leads to is the one to ask."""
    return msgspec.convert(tuple(table("questions")["questions"]), tuple[Question, ...])


def question(text: str) -> str:
    """Return what to ask for, of a text that does not tell; "" where no row knows it."""
    return next((row.ask for row in questions() if re.search(row.pattern, text, re.IGNORECASE)), "")
