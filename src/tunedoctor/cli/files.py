"""Files that the doctor writes for the user: whole or not at all, and never over what is not its own."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tunedoctor.cli.options import misuse


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
    place, data = Path(name), text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    if place.exists() and not place.is_file() and not place.is_dir():
        place.write_bytes(data)
        return
    handle, part = tempfile.mkstemp(dir=place.parent, prefix=place.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(part).chmod(0o600 if private else 0o644)
        Path(part).replace(place)
    except BaseException:
        with suppress(OSError):
            Path(part).unlink()
        raise


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
