"""Carry out a plan so that the environment is completely old or completely new, whenever it is interrupted.

Other rooms call `apply.apply` and `undoing.undo`. A failure raises FailureError, which says why, or the system's
OSError. `open_fix` is for commands that change nothing; it imports little.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from tunedoctor.state.folder import entry_of


def open_fix(prefix: str, sites: Iterable[str]) -> str:
    """Return a sentence if a doctor is changing the environment or was killed while it did; else ""."""
    for folder in map(Path, map(os.path.realpath, filter(None, (prefix, *sites)))):
        entry = entry_of(folder)
        if entry is None or not any(entry.glob("*.journal")):
            continue
        from tunedoctor.transaction.undoing import open_in  # noqa: PLC0415  only who fixed something pays

        if open_in(folder):
            return (
                "a fix of this environment is running or was interrupted, so this may show a half-changed state. "
                "doctor fix first finishes or undoes it"
            )
    return ""
