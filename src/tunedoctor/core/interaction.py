"""How a function of the core reports progress, says something and asks: its caller decides what that does."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Takes what runs now and how far it is."""

    total: int
    """Bytes to read; 0 if that is unknown, or nothing is read."""

    def watch(self, names: list[str]) -> None:
        """Take the names of what runs now."""

    def step(self, names: list[str]) -> None:
        """Take the stage that runs now, or how far it is; the stages before it have ended."""

    def came(self, size: int) -> None:
        """Take the number of bytes that were read since the last call."""


class _NoProgress:
    def __init__(self) -> None:
        self.total = 0

    def watch(self, names: list[str]) -> None:
        pass

    def step(self, names: list[str]) -> None:
        pass

    def came(self, size: int) -> None:
        pass


class Interaction:
    """Receives the messages, questions and progress of a function of the core. This base class ignores all of them.

    The command line overrides all methods: it writes to stderr and asks on the terminal.
    """

    @property
    def can_ask(self) -> bool:
        """True if a person can answer questions."""
        return False

    def say(self, text: str) -> None:
        """Take a line that the user should see, such as which interpreter is started."""

    def confirm(self, question: str) -> bool:  # noqa: ARG002  an override reads it
        """Return whether the user agrees."""
        return False

    def progress(self, verb: str = "") -> AbstractContextManager[Progress]:  # noqa: ARG002  an override reads it
        """Return what takes the progress of a block; `verb` comes before the names that its `watch` takes."""
        return nullcontext(_NoProgress())


SILENT = Interaction()
"""For callers that want only the result."""
