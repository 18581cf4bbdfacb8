"""Tell that a fix is open, to commands that change nothing: what they see can be half of a change. Light to import."""

import os
from collections.abc import Iterable

_LOCK = ".doctor-lock"
"""The end of a lock's name; it stays where its holder was killed."""


def open_fix(prefix: str, sites: Iterable[str]) -> str:
    """Return a sentence where a doctor works on an environment, or was killed there; "" where none did."""
    for folder in filter(None, (prefix, *sites)):
        if os.path.lexists(f"{os.path.realpath(folder)}{_LOCK}"):
            return (
                "a fix of this environment is at work, or was broken off: what is shown can be half of it. "
                "doctor fix finishes it, or takes it back, before anything else"
            )
    return ""
