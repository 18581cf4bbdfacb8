"""Read a table of the package; the wheel table with what `doctor update` learned, in the user's cache, laid over it."""

import os
import stat
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")
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


@cache
def rows(name: str, key: str, of: type[T]) -> tuple[T, ...]:
    """Return the rows that a table has under a key, each as a struct, read once."""
    return tuple(msgspec.convert(row, of) for row in table(name)[key])


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
    own = WheelTable(data, date, "shipped")
    try:
        there = stat.S_ISREG(file.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return own
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", "") or str(error)
        return own._replace(problem=f"{file} can't be read: {why}")
    if not there:
        return own._replace(problem=f"{file} is not a file")
    from tunedoctor.tables.updated import UpdatedError, laid_over, read  # noqa: PLC0415  few have it

    try:
        overlay, _ = read(file)
        if overlay.as_of < date:
            return own  # this doctor is newer than the last update
        merged = laid_over(data, overlay)
    except UpdatedError as error:
        return own._replace(problem=f"{file} was ignored: {error}")
    contracts = msgspec.to_builtins(overlay.contracts)
    return WheelTable(merged, overlay.as_of, "updated", contracts=contracts)


_MAC = {"CACHE": "Caches", "STATE": "Application Support", "CONFIG": "Application Support"}
_XDG = {"CACHE": ".cache", "STATE": ".local/state", "CONFIG": ".config"}


def user_folder(
    kind: Literal["CACHE", "STATE", "CONFIG"],
    variables: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    home: str = "",
) -> Path:
    """Return the folder for files of a kind, there or not; `variables`: the environment, this process's by default.

    DOCTOR_CACHE and DOCTOR_STATE name them. XDG Base Directory Specification: a relative path is ignored. platformdirs
    tells the same in 22 ms, which every check would pay.
    """
    variables = os.environ if variables is None else variables
    if named := variables.get(f"DOCTOR_{kind}", ""):
        return Path(named)
    own = Path(home or os.path.expanduser("~"))  # noqa: PTH111  Path.home raises where there is none
    if platform == "win32":
        # settings go along with a user from machine to machine
        data = ("APPDATA", "Roaming") if kind == "CONFIG" else ("LOCALAPPDATA", "Local")
        folder = Path(variables.get(data[0]) or own / "AppData" / data[1])
    elif platform == "darwin":
        folder = own / "Library" / _MAC[kind]
    else:
        named = variables.get(f"XDG_{kind}_HOME", "")
        folder = Path(named) if named.startswith("/") else own / _XDG[kind]
    return folder / "tunedoctor"


def cache_file(
    variables: Mapping[str, str] | None = None, platform: str = sys.platform, home: str = ""
) -> Path:
    """Return the file that `doctor update` writes."""
    return user_folder("CACHE", variables, platform, home) / f"{WHEELS}.json"
