"""Find NVIDIA's user-space libraries where the loader would, without loading them."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tunedoctor.probes.small_file import start

NVML = "libnvidia-ml.so.1"
CUDA = "libcuda.so.1"
WSL_FOLDER = "usr/lib/wsl/lib"

_TRUSTED = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib64",
    "usr/lib64",
    "lib",
    "usr/lib",
    WSL_FOLDER,
)
"""Folders that loaders search by themselves; the last one holds the driver in WSL."""
_WIDE = b"\2"
"""Fifth byte of a 64-bit ELF file."""
_CACHE_LARGEST = 32 << 20


def find_library(name: str, root: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the file that a 64-bit program would load for `name`; None: the loader finds none.

    Looks through LD_LIBRARY_PATH, the loader's cache and its own folders, in that order.
    """
    folders = environ.get("LD_LIBRARY_PATH", "").split(":")
    named = [Path(one) / name for one in folders if one.startswith("/")]
    trusted = [root / one / name for one in _TRUSTED]
    for path in (*named, *_cached(name, root), *trusted):
        if _is_wide(path):
            return path
    return None


def library_version(path: Path | None) -> str:
    """Return the version in the name of the real file: "550.144.03"; "" where it has none, as in WSL."""
    if path is None:
        return ""
    try:
        name = path.resolve().name
    except (OSError, RuntimeError):
        return ""
    found = re.search(r"\.so\.(\d+(?:\.\d+)+)$", name)
    return found[1] if found else ""


def find_nvml(root: Path, environ: Mapping[str, str]) -> bool:
    """Tell whether NVML can be loaded here."""
    if sys.platform == "win32":
        system = Path(environ.get("WINDIR", "C:\\Windows")) / "System32" / "nvml.dll"
        programs = Path(environ.get("ProgramFiles", "C:\\Program Files"))
        old = programs / "NVIDIA Corporation" / "NVSMI" / "nvml.dll"
        return system.is_file() or old.is_file()
    if find_library(NVML, root, environ):
        return True
    preloaded = environ.get("LD_PRELOAD") or (root / "etc/ld.so.preload").exists()
    if root != Path("/") or ((root / "etc/ld.so.cache").exists() and not preloaded):
        return False
    # preloaded, or a system whose loader keeps no cache: only the loader itself can tell
    import ctypes  # noqa: PLC0415  1.6 ms

    try:
        ctypes.CDLL(NVML)
    except OSError:
        return False
    return True


def _cached(name: str, root: Path) -> list[Path]:
    """Return the paths of a library in /etc/ld.so.cache, which holds them as strings."""
    cache = start(root / "etc/ld.so.cache", _CACHE_LARGEST) or b""
    # the plain search first: where nothing of NVIDIA is installed it is all that is needed
    if name.encode() not in cache:
        return []
    pattern = rb"\0(/[^\0]{0,300}/" + re.escape(name.encode()) + rb")(?=\0)"
    return [root / os.fsdecode(one)[1:] for one in dict.fromkeys(re.findall(pattern, cache))]


def _is_wide(path: Path) -> bool:
    return (start(path, 5) or b"")[4:] == _WIDE
