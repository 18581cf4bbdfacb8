"""One update: ask the indexes, lay what they say over the table in use, store it in the cache: whole or not at all."""

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec.structs import replace

from tunedoctor.refresh.ask import RefusedError, ask
from tunedoctor.refresh.contracts import learned_contracts
from tunedoctor.refresh.fetch import Client, FetchError
from tunedoctor.refresh.index import Indexes
from tunedoctor.refresh.merge import merged
from tunedoctor.tables.load import WHEELS, shipped, wheel_table_with
from tunedoctor.tables.updated import Overlay, UpdatedError, encoded, laid_over, read

Mode = Literal["due", "now", "show"]


class Outcome(NamedTuple):
    """What an update came to."""

    state: Literal["updated", "shown", "recent"]
    """`shown`: asked, and nothing was written; `recent`: not asked, since a day has not gone by."""
    shipped: str
    """Date of the shipped table."""
    date: str
    """Date of the table in use from now on."""
    before: str
    """Date of the table in use until now."""
    file: str
    changes: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    """Releases that came with this update. Pages don't tell for which GPUs they hold code."""
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class UpdateError(Exception):
    """No update; the cache is as it was. The message is a sentence without its full stop."""


def update(
    file: Path,
    indexes: Indexes,
    now: datetime,
    mode: Mode = "due",
    client: Client = Client(),  # noqa: B008  a tuple
) -> Outcome:
    """Bring the updated table in `file` up to date, unless that was done within a day before `now`.

    `mode`: `now` asks within a day too; `show` tells what would change and writes nothing.

    Raises:
        UpdateError: unreachable, refused, or not to be written.
    """
    own = shipped(WHEELS)
    in_use = wheel_table_with(file)
    today = now.astimezone(UTC).date().isoformat()
    if mode == "due" and _recent(file, now, used=in_use.source == "updated"):
        return Outcome("recent", own["as_of"], in_use.date, in_use.date, str(file))
    if today < in_use.date:
        msg = (
            f"the clock says {today}, and the table in use is of {in_use.date}: set the clock right"
        )
        raise UpdateError(msg)
    try:
        said = ask(indexes, in_use.data, client)
        result = merged(own, in_use.data, said.seen, said.learned, said.files, today)
        learned = learned_contracts(in_use.contracts, indexes, client)
        result = result._replace(overlay=replace(result.overlay, contracts=learned.table))
        laid_over(own, result.overlay)  # what can't be read back is not stored
        if mode != "show":
            write(file, result.overlay, list(said.sources), now)
    except (FetchError, RefusedError, UpdatedError) as error:
        raise UpdateError(str(error)) from None
    return Outcome(
        state="shown" if mode == "show" else "updated",
        shipped=own["as_of"],
        date=in_use.date if mode == "show" else today,
        before=in_use.date,
        file=str(file),
        changes=result.changes + learned.changes,
        new=tuple(v for v in result.overlay.releases if v not in in_use.data["releases"]["items"]),
        left_out=result.left_out,
        kept=result.kept,
        untold=said.untold + learned.untold,
        sources=said.sources,
    )


def _recent(file: Path, now: datetime, *, used: bool) -> bool:
    """Tell whether the index was asked within a day before `now`; a time in the future or unreadable is none."""
    try:
        then = datetime.fromisoformat(read(file).fetched) if used else None
    except ValueError:  # an UpdatedError is one
        return False
    if then is None:
        return False
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return timedelta() <= now - then < timedelta(hours=24)


def write(file: Path, overlay: Overlay, sources: list[str], now: datetime) -> None:
    """Write beside `file`, then rename: whatever fails leaves the old one as it was.

    Raises:
        UpdateError: the folder can't be made or written, or the disk is full.
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
        raise UpdateError(msg) from None
