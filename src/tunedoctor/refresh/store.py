"""The updated table in the user's cache: written whole or not at all."""

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tunedoctor.tables.updated import Overlay, encoded

DAY = timedelta(hours=24)


class StoreError(Exception):
    """The cache can't be written; the message says where and why."""


def write(file: Path, overlay: Overlay, sources: list[str], now: datetime) -> None:
    """Write beside `file`, then rename: whatever fails leaves the old one as it was.

    Raises:
        StoreError: the folder can't be made or written, or the disk is full.
    """
    data = encoded(overlay, now.astimezone(UTC).isoformat(timespec="seconds"), sources)
    name = ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except OSError as error:
        if name:
            with suppress(OSError):
                Path(name).unlink()
        msg = f"{file} can't be written: {error.strerror or error}"
        raise StoreError(msg) from None


def asked_lately(fetched: str, now: datetime) -> bool:
    """Tell whether the index was asked within a day before `now`; a time in the future or unreadable is none."""
    try:
        then = datetime.fromisoformat(fetched)
    except ValueError:
        return False
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return timedelta() <= now - then < DAY
