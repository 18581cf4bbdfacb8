"""What lies in a folder, byte for byte, and whether it is what the installers noted down.

Targets share the files of the base. Those are read once, and at the end again: a target's file that is the base's own,
by its inode, is not read anew.
"""

import base64
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tunedoctor.transaction.records import rows

BLOCK = 1 << 20
Known = Mapping[int, str]
"""Inode -> sha256 of a file of the base."""
NOTHING: Known = {}


def read(folder: Path) -> dict[int, str]:
    """Return the digest of every file below a folder."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    return {path.stat().st_ino: _digest(path) for path in files}


def contents(folder: Path, known: Known = NOTHING) -> dict[str, str]:
    """Return relative path -> kind, mode, owner and digest of all that lies below a folder, the folder included."""
    found = {".": _told(folder, known)}
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(here, name)
            found[str(path.relative_to(folder))] = _told(path, known)
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the paths that differ, with both sides."""
    return [
        f"{p}: {before.get(p, 'not there')} -> {after.get(p, 'not there')}"
        for p in sorted(before.keys() | after.keys())
        if before.get(p) != after.get(p)
    ]


def record_faults(site: Path, known: Known = NOTHING) -> list[str]:
    """Return where files are not what the RECORD of their distribution says.

    Commands are left out: copies of an environment name their own interpreter in them.
    """
    found: list[str] = []
    for info in sorted(site.glob("*.dist-info")):
        wanted = [(p, d) for p, d, _ in rows(info) if d and p.parent.name != "bin"]
        found += [] if (info / "RECORD").is_file() else [f"{info.name} has no RECORD"]
        for path, digest in wanted:
            if not path.is_file():
                found.append(f"{path} of {info.name} is not there")
            elif f"sha256={_coded(_of(path, known))}" != digest:
                found.append(f"{path} of {info.name} is not what its RECORD says")
    return found


def _told(path: Path, known: Known) -> str:
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return f"link to {path.readlink()}"
    kind = f"{stat.filemode(about.st_mode)} {about.st_uid}"
    return f"{kind} {_of(path, known)}" if stat.S_ISREG(about.st_mode) else kind


def _of(path: Path, known: Known) -> str:
    return known.get(path.stat().st_ino) or _digest(path)


def _digest(path: Path) -> str:
    value = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value.update(block)
    return value.hexdigest()


def _coded(digest: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
