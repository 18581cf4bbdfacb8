"""Compare a RECORD with the files that are there.

Measured on torch, transformers and ten more: every folder 27 ms of CPU, folders down to the second level 13 ms.
So the first two levels are listed; of what lies deeper the third folder must be there, and native libraries are
looked at wherever they lie.
"""
# os.listdir on bytes: RECORD is bytes, and thousands of entries are compared
# ruff: noqa: PTH116, PTH118, PTH208

import os
import re

_ENDINGS = re.compile(rb"\.(?=py,|so[,.]|dll,|pyd,|dylib,)")
_LONGEST_SIZE = 18
"""Digits of a size; more is nonsense."""
_OUTSIDE = (b'"', b"/", b"../", b"./")
"""Starts of quoted paths, which hold a comma, and of paths out of the site folder."""
_LONGEST = 4096
"""Bytes of a path; what is longer is none."""
_LEAST = 0.75
"""Part of its recorded size that a library keeps when it is stripped of symbols; less is a cut download."""
_LEFT_OUT = frozenset({"tests", "test", "examples", "benchmarks", "benchmark", "docs"})
"""Folders that people delete to save room, and that nothing imports."""


def expected(record: bytes) -> tuple[dict[bytes, set[bytes]], dict[bytes, int]]:
    """Return what ought to be there: folder -> names in it, and native library -> its size in bytes.

    Byte code, data, headers, and files outside the site folder are left out. Never raises.
    """
    folders: dict[bytes, set[bytes]] = {}
    natives: dict[bytes, int] = {}
    below = b"\n"
    for match in _ENDINGS.finditer(record):
        at = match.start()
        start = record.rfind(b"\n", max(at - _LONGEST, 0), at) + 1
        if not start and at > _LONGEST:
            continue
        python = record.startswith(b"py,", at + 1)
        if record.startswith(below, start) and python:
            continue  # the folder that it lies in is noted already
        end = at + 3 if python else record.find(b",", at, at + _LONGEST)
        if end < 0:
            continue
        path = record[start:end]
        folder, _, name = path.rpartition(b"/")
        if path.startswith(_OUTSIDE) or not (python or _is_native(name)):
            continue
        if not python:
            natives[path] = _size(record, end)
        elif folder.count(b"/") > 1:
            one, two, name, _ = path.split(b"/", 3)
            folder = one + b"/" + two
            below = folder + b"/" + name + b"/"
        folders.setdefault(folder, set()).add(name)
    return folders, natives


def _size(record: bytes, comma: int) -> int:
    text = record[comma : comma + _LONGEST].partition(b"\n")[0].rpartition(b",")[2].strip()
    return int(text) if text.isdigit() and len(text) < _LONGEST_SIZE else 0


def _is_native(name: bytes) -> bool:
    """Tell libx.so, libx.so.9.1 and x.pyd from x.sort.txt."""
    if name.endswith((b".so", b".pyd", b".dll", b".dylib")):
        return True
    _, dot, after = name.rpartition(b".so.")
    return bool(dot) and after.replace(b".", b"").isdigit()


def missing(site: str, record: bytes) -> list[str]:
    """Return files and folders of `record` that `site` lacks, and native libraries that are cut short."""
    root = os.fsencode(site)
    folders, natives = expected(record)
    gone: list[bytes] = []
    for folder, names in folders.items():
        try:
            have = set(os.listdir(os.path.join(root, folder)))
        except FileNotFoundError:
            gone.append(folder + b"/")
            continue
        except OSError:
            continue  # may not be looked into: nothing is known
        if not names <= have:
            lost = names - have
            gone += (folder + b"/" + n if folder else n for n in lost if n + b"c" not in have)
    told = {os.fsdecode(path) for path in gone if not _LEFT_OUT & {*os.fsdecode(path).split("/")}}
    sizes = {path: (_size_there(root, path), size) for path, size in natives.items() if size}
    told |= {
        f"{os.fsdecode(path)} ({have} of {size} bytes)" if have else f"{os.fsdecode(path)} (empty)"
        for path, (have, size) in sizes.items()
        if have is not None and have < size * _LEAST
    }
    return sorted(one for one in told if not any(up in told for up in _above(one)))


def _above(path: str) -> list[str]:
    """Return the folders that a path lies in, each with its slash at the end."""
    names = path.rstrip("/").split("/")
    return ["/".join(names[:count]) + "/" for count in range(1, len(names))]


def _size_there(root: bytes, path: bytes) -> int | None:
    try:
        return os.stat(os.path.join(root, path)).st_size
    except OSError:
        return None
