"""Tell that a fix is open, to commands that change nothing: what they see can be half of a change. Light to import."""

import os
from collections.abc import Iterable
from pathlib import Path

from tunedoctor.transaction.state_folder import state_folder


def open_fix(prefix: str, sites: Iterable[str]) -> str:
    """Return a sentence where a doctor works on an environment, or was killed there; "" where none did."""
    if not state_folder().is_dir():
        return ""
    from tunedoctor.transaction.places import known  # noqa: PLC0415  only who fixed something pays
    from tunedoctor.transaction.recovery import is_open  # noqa: PLC0415

    for folder in map(os.path.realpath, filter(None, (prefix, *sites))):
        if any(map(is_open, known(Path(folder).parent, Path(folder).name))):
            return (
                "a fix of this environment is at work, or was broken off: what is shown can be half of it. "
                "doctor fix finishes it, or takes it back, before anything else"
            )
    return ""
