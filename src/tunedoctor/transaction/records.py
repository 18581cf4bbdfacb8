"""Installed distributions and the files that their RECORD names."""

import base64
import csv
import hashlib
import io
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tunedoctor.transaction.clone import link, replace
from tunedoctor.versions import normalised

_LARGEST = 4 << 20
"""Bytes of a command; what is larger is a program of its own."""


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
    site = info.parent
    for name, digest in _table(info):
        yield Row(Path(os.path.normpath(site / name)), digest, name)


def _table(info: Path) -> Iterator[tuple[str, str]]:
    try:
        with (info / "RECORD").open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                if row:
                    yield row[0], row[1] if len(row) > 1 else ""
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
        have = _digest(path, digest.partition("=")[0])
        if not have:
            found.append(f"{path.name} of {info.name} is not there")
        elif have != digest:
            found.append(f"{path.name} of {info.name} is not what its RECORD says")
    return found


def _digest(path: Path, kind: str = "sha256") -> str:
    """Return the digest of a file as RECORD has it; "" where it cannot be read."""
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
    changed: set[str] = set()
    for path in scripts.iterdir() if scripts.is_dir() else ():
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST:
            text = path.read_bytes()
            if token.encode() in text:
                replace(path, text.replace(token.encode(), b""), stat.S_IMODE(found.st_mode))
                changed.add(path.name)
    for info in infos if changed else ():
        _note(info, scripts, changed)


def _note(info: Path, scripts: Path, changed: set[str]) -> None:
    """Put the digests of commands that changed into a RECORD."""
    record = info / "RECORD"
    if not record.is_file():
        return
    table = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
    touched = False
    for row in table:
        if len(row) == 3 and row[1] and row[0].replace("\\", "/").rpartition("/")[2] in changed:
            path = Path(os.path.normpath(info.parent / row[0]))
            if path.parent == scripts and path.is_file():
                row[1:] = _digest(path), str(path.stat().st_size)
                touched = True
    if touched:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(table)
        replace(record, out.getvalue().encode("utf-8"))


def drop_stale(site: Path, names: Iterable[str]) -> None:
    """Remove byte code that would outlive its source: `names` are .py files relative to `site`, others are passed over.

    It is believed by the time and the size of the source alone, and two versions of a module can share both.

    Raises:
        OSError: a file cannot be removed.
    """
    stems: dict[str, set[str]] = {}
    for name in names:
        folder, _, file = name.replace(os.sep, "/").rpartition("/")
        if file.endswith(".py"):
            stems.setdefault(folder, set()).add(file.removesuffix(".py"))
    for folder, wanted in stems.items():
        cache = site / folder / "__pycache__"
        if cache.is_symlink():  # what it leads to is somebody else's
            cache.unlink()
        for path in cache.glob("*.pyc"):
            # module.cpython-312.opt-1.pyc
            if path.name.partition(".")[0] in wanted:
                path.unlink()


class Shared(NamedTuple):
    """Files that several distributions bring, as nvidia/__init__.py, kept aside while one of them goes."""

    site: Path
    folder: Path
    names: tuple[str, ...]
    """As the RECORD files have them; number n lies in `folder` under that number."""

    @classmethod
    def keep(cls, site: Path, going: Collection[str], folder: Path) -> "Shared":
        """Keep aside, in a new folder of the same file system, what packages that go share with others.

        `going` are normalised names. A RECORD that is missing or unreadable shares nothing.

        Raises:
            OSError: the folder cannot be made, or the disk is full.
        """
        held, taken = set[str](), set[str]()
        for info in site.glob("*.dist-info"):
            (taken if name_of(info) in going else held).update(name for name, _ in _table(info))
        names = tuple(n for n in sorted(taken & held) if (site / n).is_file())
        if names:
            folder.mkdir()
        for number, name in enumerate(names):
            link(os.fspath(site / name), os.fspath(folder / str(number)))
        return cls(site, folder, names)

    def put_back(self) -> None:
        """Put back what is not there any more.

        Raises:
            OSError: a file cannot be written.
        """
        for number, name in enumerate(self.names):
            path = self.site / name
            if not os.path.lexists(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                link(os.fspath(self.folder / str(number)), os.fspath(path))
