"""What the index holds: a few releases of each library with the ranges that the real ones declare."""

import json
from pathlib import Path
from typing import NamedTuple


class Release(NamedTuple):
    """One release of a library."""

    name: str
    version: str
    day: str
    """Of its upload; "" where the index does not tell."""
    requires: tuple[str, ...] = ()
    python: str = ""
    tag: str = "py3-none-any"
    body: str = ""
    """What its module runs at import, after it has told its version."""


RELEASES = tuple(
    Release(**{**row, "requires": tuple(row.get("requires", ()))})
    for row in map(json.loads, Path(__file__).with_name("catalogue.jsonl").open(encoding="utf-8"))
)


def release(name: str, version: str) -> Release:
    """Return a release of the catalogue; one that it lacks has no requirements."""
    return next(
        (one for one in RELEASES if (one.name, one.version) == (name, version)),
        Release(name, version, ""),
    )
