"""Tell that a fix is open, to commands that change nothing: what they see can be half of a change. Light to import."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def open_fix(prefix: str, sites: Iterable[str]) -> str:
    """Return a sentence where a doctor works on an environment, or was killed there; "" where none did."""
    for folder in map(Path, map(os.path.realpath, filter(None, (prefix, *sites)))):
        if _is_open(folder):
            return (
                "a fix of this environment is at work, or was broken off: what is shown can be half of it. "
                "doctor fix finishes it, or takes it back, before anything else"
            )
    return ""


def _is_open(folder: Path) -> bool:
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(folder.parent)  # noqa: PTH208
    # whether such a folder is a doctor's is told by the state alone
    if not any(name.startswith(f"{folder.name}.doctor-") for name in names):
        return False
    from tunedoctor.transaction.journal import known  # noqa: PLC0415  only who fixed something pays
    from tunedoctor.transaction.undoing import is_open  # noqa: PLC0415

    return any(map(is_open, known(folder)))
