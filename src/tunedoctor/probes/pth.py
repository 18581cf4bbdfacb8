"""Read the path lines of .pth files. Lines that start with import are code, and are never run."""
# paths stay the strings that sys.path would hold
# ruff: noqa: PTH110, PTH208

import os
from pathlib import Path

from tunedoctor.reading import read_start

_MOST = 2000
"""Places that are looked at; each costs a question to the file system."""


def added_by_pth(site: Path) -> tuple[str, ...]:
    """Return the existing places that the .pth files of a site folder add to sys.path."""
    try:
        names = sorted(n for n in os.listdir(site) if n.endswith(".pth") and not n.startswith("."))
    except OSError:
        return ()
    found: list[str] = []
    for name in names:
        try:
            text = read_start(site / name, 1_000_000).decode("utf-8-sig", "replace")
        except OSError:
            continue
        found += (os.path.normpath(site / line) for line in path_lines(text)[:_MOST])
    return tuple(place for place in dict.fromkeys(found[:_MOST]) if os.path.exists(place))


def path_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a .pth file that name places, neither comments nor code."""
    lines = (line.rstrip() for line in text.splitlines())
    return tuple(
        line
        for line in lines
        if line and not line.startswith(("#", "import ", "import\t")) and "\0" not in line
    )
