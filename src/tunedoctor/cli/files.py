"""Files that the user names: read whole and bounded, written whole or not at all and never over what is not ours."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tunedoctor.cli.options import misuse
from tunedoctor.model.snapshot import LARGEST, Snapshot, SnapshotError, from_json
from tunedoctor.system.reading import open_regular

if TYPE_CHECKING:
    from tunedoctor.readers.digest import Digest

_HANDED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
"""Names of what a shell or a caller has opened, as `<(command)` does: pipes as often as files."""


def opened(source: str) -> AbstractContextManager[BinaryIO]:
    """Open a file, or stdin for "-". Raises OSError, for a pipe or a device in a folder too: they may never end."""
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    if source.startswith(_HANDED):
        return os.fdopen(os.open(source, os.O_RDONLY), "rb")
    return open_regular(source)


def read_input(source: str, limit: int = LARGEST) -> bytes:
    """Return the bytes of a file, or of stdin for "-"; exits with 2 where that can't be."""
    try:
        with opened(source) as file:
            data = file.read(limit + 1)
    except OSError as error:
        misuse(f"{source} can't be read: {error.strerror or error}", "name a file, or - for stdin")
    if len(data) > limit:
        misuse(f"{source} has more than {limit >> 20} MiB", "cut it down to the part that matters")
    return data


def read_log(source: str) -> "Digest":
    """Return the text of a report of any length, or of stdin for "-"; exits with 2 where that can't be read.

    A long one is read in a stream and comes as a digest.
    """
    from tunedoctor.readers.digest import from_stream  # noqa: PLC0415  other commands read no report

    try:
        with opened(source) as file:
            return from_stream(file)
    except OSError as error:
        misuse(f"{source} can't be read: {error.strerror or error}", "name a file, or - for stdin")


def read_snapshot(source: str, writer: str = "doctor snapshot -o FILE") -> Snapshot:
    """Return the snapshot of a file, or of stdin for "-"; exits with 2 where it is none."""
    try:
        return from_json(read_input(source))
    except SnapshotError as error:
        misuse(f"{source} is no snapshot: {error}", f"{writer} writes one")


def refusal(name: str, mark: str, *, force: bool) -> str:
    """Return why a file is not written over; "" where it is not there, begins with `mark`, or `force` is said."""
    place = Path(name)
    try:
        if force or not place.exists():
            return "" if place.parent.is_dir() else "is in a folder that is not there"
        with place.open("rb") as file:
            own = file.read(len(mark)).decode("utf-8", "replace") == mark
    except OSError as error:
        return f"can't be read: {error.strerror or error}"
    return "" if own else "is there, and the doctor did not write it"


def write_whole(name: str, text: str | bytes, *, private: bool = False) -> None:
    """Write beside the place, then rename: a full disk leaves the old file as it was. Raises OSError.

    A device or a FIFO is written to. `private`: for the user alone to read.
    """
    from tunedoctor.state.folder import keep  # noqa: PLC0415  a check writes none

    place, data = Path(name), text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    if place.exists() and not place.is_file() and not place.is_dir():
        place.write_bytes(data)
    else:
        keep(place, data, 0o600 if private else 0o644, alone=False)


def write_or_exit(
    name: str,
    text: str | bytes,
    way_out: str = "name a file in a folder of yours",
    *,
    private: bool = False,
) -> None:
    """Write as `write_whole` does; exits with 2 where that can't be."""
    try:
        write_whole(name, text, private=private)
    except OSError as error:
        misuse(f"{name} can't be written: {error.strerror or error}", way_out)
