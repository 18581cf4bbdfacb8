"""Write the files and folders that a test needs.

    plant(tmp_path, {"etc/os-release": "ID=debian\\n", "bin/python": Link("/usr/bin/python3")})

A value is the text or the bytes of a file, None for a folder, or one of the special files below.
"""

import gzip
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Link:
    """A symbolic link; "@self" in the goal is its own name, "@root" the folder of `plant`."""

    goal: str

    def create(self, path: Path, root: Path) -> None:
        path.symlink_to(self.goal.replace("@self", path.name).replace("@root", str(root)))


@dataclass(frozen=True)
class Copy:
    """A copy of a file of this machine."""

    source: str

    def create(self, path: Path, _root: Path) -> None:
        shutil.copy(self.source, path)


@dataclass(frozen=True)
class Fifo:
    """A named pipe."""

    def create(self, path: Path, _root: Path) -> None:
        os.mkfifo(path)


@dataclass(frozen=True)
class Socket:
    """A Unix socket on which nobody listens."""

    def create(self, path: Path, _root: Path) -> None:
        # the path of a socket must be short
        socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))


@dataclass(frozen=True)
class SparseFile:
    """A file of `size` zero bytes that takes no space on the disk."""

    size: int

    def create(self, path: Path, _root: Path) -> None:
        path.touch(0o755)
        os.truncate(path, self.size)


@dataclass(frozen=True)
class PackedZeros:
    """A gzip file that unpacks to `mebibytes` MiB of zeros."""

    mebibytes: int

    def create(self, path: Path, _root: Path) -> None:
        path.write_bytes(gzip.compress(bytes(1 << 20)) * self.mebibytes)


SPECIAL = Link | Copy | Fifo | Socket | SparseFile | PackedZeros


def plant(root: Path, files: Mapping[str, Any]) -> Path:
    """Write files below a folder, and return the folder.

    "@root" in a text stands for the folder. Files are executable. JSON that tests keep as data names special files
    by an object such as {"link": "goal"}.
    """
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        value = _from_json(content) if isinstance(content, dict) else content
        if value is None:
            path.mkdir(exist_ok=True)
        elif isinstance(value, SPECIAL):
            value.create(path, root)
        else:
            data = value if isinstance(value, bytes) else value.replace("@root", str(root)).encode()
            path.write_bytes(data)
            path.chmod(0o755)
    return root


def numbered(text: str, times: int) -> str:
    """Return `text` that many times, "#" replaced by the number."""
    return "".join(text.replace("#", str(n)) for n in range(times))


def _from_json(content: dict[str, Any]) -> Any:  # noqa: PLR0911
    match content:
        case {"link": goal}:
            return Link(goal)
        case {"copy": source}:
            return Copy(source)
        case {"fifo": _}:
            return Fifo()
        case {"socket": _}:
            return Socket()
        case {"hole": size}:
            return SparseFile(size)
        case {"bytes": text}:
            return text.encode("latin-1")
        case {"zeros": mebibytes}:
            return PackedZeros(mebibytes)
        case {"text": text, "times": times, **ends}:
            repeated = numbered(text, times) if "#" in text else text * times
            return f"{ends.get('before', '')}{repeated}{ends.get('after', '')}"
    raise ValueError(content)
