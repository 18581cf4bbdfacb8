"""Shared memory between processes: /dev/shm."""

import os
import sys
from pathlib import Path

from tunedoctor.facts import Absent, SharedMemory, Unknown
from tunedoctor.probing import probe


@probe(SharedMemory)
def shared_memory() -> SharedMemory | Absent | Unknown:
    """Measure /dev/shm."""
    if sys.platform == "linux":
        return measure(Path("/dev/shm"))  # noqa: S108  it is measured, not written to
    return Absent(why="this system has no /dev/shm")


def measure(folder: Path) -> SharedMemory | Absent | Unknown:
    """Ask the file system that `folder` lies on for its size."""
    if sys.platform == "win32":
        return Absent(why="this system has no /dev/shm")
    try:
        size = os.statvfs(folder)
    except FileNotFoundError:
        return Absent(why=f"there is no {folder}")
    except OSError as error:
        return Unknown(why=f"{folder} cannot be asked: {error.strerror}")
    return SharedMemory(total=size.f_blocks * size.f_frsize, free=size.f_bavail * size.f_frsize)
