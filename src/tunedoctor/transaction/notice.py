"""Tell that a fix is open, to commands that change nothing: what they see can be half of a change. Light to import."""

import os
from collections.abc import Iterable
from pathlib import Path

from tunedoctor.state.state_folder import entry_of


def open_fix(prefix: str, sites: Iterable[str]) -> str:
    """Return a sentence where a doctor works on an environment, or was killed there; "" where none did."""
    for folder in map(Path, map(os.path.realpath, filter(None, (prefix, *sites)))):
        entry = entry_of(folder)
        if entry is None or not any(entry.glob("*.journal")):
            continue
        from tunedoctor.transaction.journal import known  # noqa: PLC0415  only who fixed something pays
        from tunedoctor.transaction.undoing import is_open  # noqa: PLC0415

        if any(map(is_open, known(folder))):
            return (
                "a fix of this environment is at work, or was broken off: what is shown can be half of it. "
                "doctor fix finishes it, or takes it back, before anything else"
            )
    return ""
