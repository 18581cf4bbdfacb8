"""What the scripts in the target print, line by line."""

from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True):
    """A sign of life inside a stage."""

    number: int = 0
    loss: float | None = None
    waits: str = ""
    minutes: float | None = None
    """Of a long load."""


class Line(msgspec.Struct, frozen=True):
    """One line of a script."""

    begin: str = ""
    limit: float = 0.0
    """Seconds of silence that the stage may take."""
    step: Step | None = None
    end: str = ""
    done: bool = False
    ok: bool = False
    skipped: bool = False
    error: str = ""
    type: str = ""
    seconds: float = 0.0
    rank: int = 0
    warnings: tuple[str, ...] = ()
    data: dict[str, Any] = {}
    """What the stage found; each fills other keys."""


def line_of(text: str) -> Line | None:
    """Read a line; None where it is none of the script's (faulthandler writes to the same stream)."""
    try:
        return msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, RecursionError):
        return None
