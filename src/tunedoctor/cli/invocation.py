"""The command as the user typed it, for hints that repeat it with other options."""

from collections.abc import Sequence
from contextvars import ContextVar

_WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


def remember(argv: Sequence[str]) -> None:
    """Keep the words of this command, without the program's name."""
    _WORDS.set(tuple(argv))


def typed_words() -> tuple[str, ...]:
    """Return the words of this command, "doctor" first."""
    return ("doctor", *_WORDS.get())
