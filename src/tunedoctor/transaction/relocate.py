"""Let what was installed into a clone name the environment that the clone will become.

Installers write the interpreter's path into commands, and the hash of the command into RECORD. Both are put right:
the clone's name is that of the environment and a token, which is taken out again.
"""

import base64
import csv
import hashlib
import io
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_LARGEST = 4 << 20
"""Bytes of a command; what is larger is a program of its own."""


def relocate(scripts: Path, token: str, records: Iterable[Path]) -> tuple[str, ...]:
    """Take the token out of the commands in `scripts`, and note it in the RECORD files; return the commands' names."""
    changed = tuple(_commands(scripts, token.encode()))
    if changed:
        for record in records:
            _note(record, scripts, changed)
    return changed


def _commands(scripts: Path, token: bytes) -> Iterable[str]:
    try:
        entries = sorted(os.scandir(scripts), key=lambda e: e.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if not entry.is_file(follow_symlinks=False):
            continue
        found = entry.stat(follow_symlinks=False)
        if found.st_size > _LARGEST:
            continue
        path = Path(entry.path)
        text = path.read_bytes()
        if token in text:
            replace(path, text.replace(token, b""), stat.S_IMODE(found.st_mode))
            yield entry.name


def replace(path: Path, text: bytes, mode: int = 0o644) -> None:
    """Write a file beside its old self and put it in its place: other states keep theirs."""
    temporary = path.with_name(f"{path.name}.doctor-tmp")
    temporary.unlink(missing_ok=True)  # a link of this name would be written through
    with temporary.open("xb") as file:
        file.write(text)
    temporary.chmod(mode)
    temporary.replace(path)


def _note(record: Path, scripts: Path, changed: tuple[str, ...]) -> None:
    text = record.read_text(encoding="utf-8")
    if not any(name in text for name in changed):
        return
    site = record.parent.parent
    rows = list(csv.reader(io.StringIO(text, newline="")))
    touched = False
    for row in rows:
        if len(row) == 3 and row[1] and row[0].replace("\\", "/").rpartition("/")[2] in changed:
            path = Path(os.path.normpath(site / row[0]))
            if path.parent == scripts and path.is_file():
                row[1:] = _fingerprint(path)
                touched = True
    if touched:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(rows)
        replace(record, out.getvalue().encode("utf-8"))


def _fingerprint(path: Path) -> tuple[str, str]:
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}", str(len(data))
