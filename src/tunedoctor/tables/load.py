"""Read a table of the package; the wheel table with what `doctor update` learned laid over it."""

import stat
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from tunedoctor.tables.place import cache_file

WHEELS = "torch_wheels"
CONTRACTS = "import_contracts"
CARRIED = "carried"
"""How the basis of a list of code begins that was taken over from an older release of the same variant."""


class WheelTable(NamedTuple):
    """The wheel table in use."""

    data: Any
    date: str
    """What it says was seen on that day: 2026-11-24."""
    source: Literal["shipped", "updated"]
    problem: str = ""
    """Why an updated table that is there isn't used; a sentence without its full stop."""
    contracts: Any = None
    """The table of import contracts that an update learned; None where it learned none."""


@cache
def table(name: str) -> Any:  # noqa: ANN401  the loaders beside this file give it types
    """Return the parsed JSON of `tables/NAME.json`, read once."""
    if name == WHEELS:
        return wheel_table().data
    data = shipped(name)
    learned = wheel_table().contracts if name == CONTRACTS else None
    return learned if learned and learned["as_of"] >= data["as_of"] else data


def shipped(name: str) -> Any:  # noqa: ANN401
    """Return a table as the package brings it, read anew."""
    return msgspec.json.decode((Path(__file__).parent / f"{name}.json").read_bytes())


@cache
def wheel_table() -> WheelTable:
    """Return the wheel table in use, read once. An updated one that is damaged or outdated is left out."""
    return wheel_table_with(cache_file())


def wheel_table_with(file: Path) -> WheelTable:
    """Return the shipped wheel table with the updated one of `file` over it, if that can be used."""
    data = shipped(WHEELS)
    date = str(data["as_of"])
    try:
        there = stat.S_ISREG(file.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return WheelTable(data, date, "shipped")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", "") or str(error)
        return WheelTable(data, date, "shipped", f"{file} can't be read: {why}")
    if not there:
        return WheelTable(data, date, "shipped", f"{file} is no file")
    from tunedoctor.tables.updated import UpdatedError, laid_over, read  # noqa: PLC0415  few have it

    try:
        updated = read(file)
        if updated.overlay.as_of < date:
            return WheelTable(data, date, "shipped")  # this doctor is newer than the last update
        rows = laid_over(data, updated.overlay)
        contracts = msgspec.to_builtins(updated.overlay.contracts)
        return WheelTable(rows, updated.overlay.as_of, "updated", contracts=contracts)
    except UpdatedError as error:
        return WheelTable(data, date, "shipped", f"{file} is left out: {error}")
