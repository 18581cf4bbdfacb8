"""Read the user's files up to a limit, and write files completely, never over a file that doctor did not write."""

import os
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.model.snapshot import LARGEST, Snapshot, SnapshotError, from_json
from tunedoctor.system.reading import open_regular

if TYPE_CHECKING:
    from tunedoctor.readers.digest import Digest

_HANDED = ("/dev/fd/", "/dev/stdin", "/dev/stderr", "/proc/self/fd/")
"""Names of what a shell or a caller has opened, as `<(command)` does: pipes as often as files."""
_EMPTY = ("", "[]")
"""Of a file in which nothing can be lost: a list without entries too."""


def opened(source: str) -> AbstractContextManager[BinaryIO]:
    """Open a file, or stdin for "-". Raises OSError, for a pipe or a device in a folder too: they may never end."""
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    if source.startswith(_HANDED):
        return os.fdopen(os.open(source, os.O_RDONLY), "rb")
    return open_regular(source)


def read_input(source: str, limit: int = LARGEST, way_out: str = "") -> bytes:
    """Return the bytes of a file, or of stdin for "-". Raises DoctorError if that cannot be."""
    with _readable(source, way_out), opened(source) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        misuse(f"{source} has more than {limit >> 20} MiB", "cut it down to the part that matters")
    return data


def read_log(source: str) -> "Digest":
    """Return the text of a report of any length, or of stdin for "-". Raises DoctorError if that cannot be read.

    A long one is read in a stream and comes as a digest.
    """
    from tunedoctor.readers.digest import from_stream  # noqa: PLC0415  other commands read no report

    with _readable(source), opened(source) as file:
        return from_stream(file)


def _readable(source: str, way_out: str = "") -> AbstractContextManager[None]:
    way_out = way_out or "name a file, or - for stdin"
    return refusing(OSError, way_out, f"{source} can't be read: ")


def read_snapshot(source: str, writer: str = "doctor snapshot -o FILE") -> Snapshot:
    """Return the snapshot of a file, or of stdin for "-". Raises DoctorError if it is none."""
    with refusing(SnapshotError, f"{writer} writes one", f"{source} is not a snapshot: "):
        return from_json(read_input(source))


def refusal(name: str, mark: str, *, force: bool) -> str:
    """Return why a file is not overwritten; "" if it is new or empty, begins with `mark`, or with `force`."""
    place = Path(name)
    try:
        if not os.access(f"{place.parent}/", os.W_OK):
            there = "can't be written" if place.parent.is_dir() else "does not exist"
            return f"is in a folder that {there}"
        if force or not place.exists():
            return ""
        with open_regular(place) as file:  # a FIFO would be waited for
            start = file.read(len(mark) + 8).decode("utf-8", "replace")
    except OSError as error:
        return f"can't be read: {error.strerror or error}"
    own = start.startswith(mark) or start.strip() in _EMPTY
    return "" if own else "already exists, and doctor did not write it"


def require_writable(
    name: str, mark: str, way: str = "name another file", *, force: bool = False
) -> None:
    """Raise DoctorError if a file that is named may not be written, as `refusal` says; "-" is standard output."""
    if name not in ("", "-") and not is_stream(name) and (why := refusal(name, mark, force=force)):
        parent = Path(name).parent
        make = f"mkdir -p {shlex.quote(str(parent))} creates it"
        misuse(f"{name} {why}", way if parent.is_dir() else make)


def is_stream(name: str) -> bool:
    """Return whether a path can only be written to, not replaced: a device, a FIFO, or a file that a shell opened."""
    place = Path(name)
    there = os.path.exists(name) and not place.is_file() and not place.is_dir()  # noqa: PTH110  never raises
    return there or name.startswith(_HANDED)


def write_whole(name: str, text: str | bytes, *, private: bool = False) -> None:
    """Write a new file next to it and rename it, so that a full disk leaves the old file unchanged. Raises OSError.

    A stream is written directly. `private`: only the user can read it.
    """
    from tunedoctor.state.folder import keep  # noqa: PLC0415  a check writes none

    place, data = Path(name), text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    if is_stream(name):
        with place.open("ab") as stream:
            stream.write(data)
    else:
        keep(place, data, 0o600 if private else 0o644, alone=False)


def write_file(  # noqa: PLR0913  each is of one command
    name: str,
    text: str | bytes,
    way_out: str = "name your own file",
    *,
    private: bool = False,
    said: str | None = None,
    interaction: Interaction = SILENT,
) -> None:
    """Write as `write_whole` does, and say so with `said` after it. Raises DoctorError if it cannot be written."""
    with refusing(OSError, way_out, f"{name} can't be written: "):
        write_whole(name, text, private=private)
    if said is not None:
        interaction.say(f"wrote {name}{said}")
