"""Room on the disk, and getting what was written onto it."""

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

from tunedoctor.state.failure import FailureError
from tunedoctor.wording import megabytes


def hold_room(folder: Path, wanted: int) -> None:
    """Hold the disk of a folder to the bytes that a plan takes.

    Raises:
        FailureError: there is less.
    """
    free = shutil.disk_usage(folder).free
    if free < wanted:
        why = f"{folder} has {megabytes(free)} free; this takes {megabytes(wanted)}"
        raise FailureError(why, refused=True, number=errno.ENOSPC)


def to_disk(folder: Path) -> None:
    """Put what was written on the disk: a power cut after the switch must not find the new state half there.

    Raises:
        OSError: the folder is not there.
    """
    if sys.platform == "linux":
        handle = os.open(folder, os.O_RDONLY)
        try:
            ctypes.CDLL(None).syncfs(handle)
        finally:
            os.close(handle)
    elif sys.platform != "win32":
        os.sync()
