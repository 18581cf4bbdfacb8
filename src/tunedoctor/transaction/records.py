"""Hold installed distributions against their RECORD."""

import base64
import csv
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tunedoctor.versions import normalised

_BLOCK = 1 << 20


class Row(NamedTuple):
    """One file of a RECORD."""

    path: Path
    digest: str
    """"sha256=…"; "" where there is none, as of RECORD itself."""
    name: str
    """As it is written, relative to the site folder."""


def info_folders(site: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield the .dist-info folders of normalised names in a site folder."""
    wanted = set(names)
    for path in site.glob("*.dist-info"):
        if normalised(path.name.removesuffix(".dist-info").rpartition("-")[0]) in wanted:
            yield path


def rows(info: Path) -> Iterator[Row]:
    """Yield the files of a distribution; none where it has no RECORD."""
    site = info.parent
    try:
        with (info / "RECORD").open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                if row:
                    digest = row[1] if len(row) > 1 else ""
                    yield Row(Path(os.path.normpath(site / row[0])), digest, row[0])
    except (OSError, UnicodeDecodeError, csv.Error):
        return


def faults(info: Path) -> list[str]:
    """Return what a distribution lacks or holds otherwise than its RECORD says, one sentence each."""
    found: list[str] = []
    if not (info / "RECORD").is_file():
        return [f"{info.name} has no RECORD"]
    for path, digest, _ in rows(info):
        if not digest:
            continue
        kind, _, wanted = digest.partition("=")
        have = _digest(path, kind)
        if have is None:
            found.append(f"{path.name} of {info.name} is not there")
        elif have != wanted:
            found.append(f"{path.name} of {info.name} is not what its RECORD says")
    return found


def _digest(path: Path, kind: str) -> str | None:
    try:
        with path.open("rb") as file:
            value = hashlib.new(kind)
            while block := file.read(_BLOCK):
                value.update(block)
    except (OSError, ValueError):
        return None
    return base64.urlsafe_b64encode(value.digest()).decode().rstrip("=")
