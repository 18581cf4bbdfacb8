"""Installed distributions and the files that their RECORD names."""

import base64
import csv
import hashlib
import io
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tunedoctor.reading import read_regular
from tunedoctor.transaction.clone import link, remove_tree, replace
from tunedoctor.versions import normalised

_LARGEST = 4 << 20
"""Bytes of a command; what is larger is a program of its own."""
_LARGEST_RECORD = 64 << 20
"""Bytes."""


class Row(NamedTuple):
    """One file of a RECORD."""

    path: Path
    digest: str
    """"sha256=…"; "" where there is none, as of RECORD itself."""
    name: str
    """As it is written, relative to the site folder."""


def name_of(info: Path) -> str:
    """Return the normalised name of a distribution, by its .dist-info folder."""
    return normalised(info.name.removesuffix(".dist-info").rpartition("-")[0])


def info_folders(site: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield the .dist-info folders of normalised names in a site folder."""
    return (path for path in site.glob("*.dist-info") if name_of(path) in names)


def rows(info: Path) -> Iterator[Row]:
    """Yield the files of a distribution; none where it has no RECORD."""
    try:
        text = read_regular(info / "RECORD", _LARGEST_RECORD).decode()
        for name, digest, *_ in ((*row, "") for row in csv.reader(io.StringIO(text)) if row):
            yield Row(Path(os.path.normpath(info.parent / name)), digest, name)
    except (OSError, UnicodeDecodeError, csv.Error):
        return


def faults(info: Path) -> list[str]:
    """Return what a distribution lacks or holds otherwise than its RECORD says, one sentence each."""
    found: list[str] = []
    if not (info / "RECORD").is_file():
        return [f"{info.name} has no RECORD"]
    for path, digest, _ in rows(info):
        have = _digest(path, digest.partition("=")[0]) if digest else ""
        if digest and not have:
            found.append(f"{path.name} of {info.name} is not there")
        elif have != digest:
            found.append(f"{path.name} of {info.name} is not what its RECORD says")
    return found


def _digest(path: Path, kind: str = "sha256") -> str:
    """Return the digest of a file as RECORD has it; "" where it cannot be read."""
    if not path.is_file():  # a pipe would be waited for
        return ""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, kind).digest()
    except (OSError, ValueError, TypeError):
        return ""
    return f"{kind}={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def relocate(scripts: Path, token: str, infos: Iterable[Path]) -> None:
    """Let what was installed into a clone name the environment that the clone will become.

    Installers write the interpreter's path into commands, and the hash of the command into RECORD. The clone's name
    is that of the environment and a token, which is taken out of the commands in `scripts` and of files of `infos`.
    """
    changed: set[Path] = set()
    for path in scripts.iterdir() if scripts.is_dir() else ():
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST:
            text = path.read_bytes()
            if token.encode() in text:
                replace(path, text.replace(token.encode(), b""))
                changed.add(path)
    for record in (info / "RECORD" for info in infos if changed):
        if not record.is_file():
            continue
        table = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
        for row in (row for row in table if len(row) == 3 and row[1]):
            path = Path(os.path.normpath(record.parents[1] / row[0]))
            if path in changed:
                row[1:] = _digest(path), str(path.stat().st_size)
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(table)
        replace(record, out.getvalue().encode("utf-8"))


def drop_stale(site: Path, names: Iterable[str]) -> None:
    """Remove the byte code of folders that modules come into: `names` are files relative to `site`.

    It is believed by the time and the size of the source alone, and two versions of a module can share both.

    Raises:
        OSError: a file cannot be removed.
    """
    for folder in {os.path.dirname(name) for name in names if name.endswith(".py")}:  # noqa: PTH120
        remove_tree(site / folder / "__pycache__")


def keep_shared(site: Path, old: Path, names: Collection[str]) -> None:
    """Put back files that distributions which went had in common with others, as nvidia/__init__.py.

    `names` are the normalised names of those that went, `old` is where their site folder is as it was. A RECORD that is
    missing or unreadable shares nothing.

    Raises:
        OSError: a file cannot be written.
    """
    taken = {row.name for info in info_folders(old, names) for row in rows(info)}
    for info in site.glob("*.dist-info") if taken else ():
        for row in rows(info) if name_of(info) not in names else ():
            if row.name in taken and not os.path.lexists(row.path) and (old / row.name).is_file():
                row.path.parent.mkdir(parents=True, exist_ok=True)
                link(os.fspath(old / row.name), os.fspath(row.path))
