"""Read the package's tables; the wheel table includes what `doctor update` stored in the user's cache."""

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


class WheelTable(NamedTuple):
    """The wheel table in use."""

    data: Any
    date: str
    """Date of its data: 2026-11-24."""
    source: Literal["shipped", "updated"]
    problem: str = ""
    """Why an existing updated table isn't used; a sentence without its full stop."""
    contracts: Any = None
    """The updated table of import contracts; None if there is none."""


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
    """Return a table's rows under a key as structs, read once."""
    return tuple(msgspec.convert(row, of) for row in table(name)[key])


def shipped(name: str) -> Any:  # noqa: ANN401
    """Return a table as shipped, read again each time."""
    return msgspec.json.decode((Path(__file__).parent / f"{name}.json").read_bytes())


@cache
def wheel_table() -> WheelTable:
    """Return the wheel table in use, read once. A damaged or outdated update is ignored."""
    return wheel_table_with(cache_file())


def wheel_table_with(file: Path) -> WheelTable:
    """Return the shipped wheel table with the update in `file` applied, if that is valid."""
    data = shipped(WHEELS)
    date = str(data["as_of"])
    own = WheelTable(data, date, "shipped")
    try:
        is_file = stat.S_ISREG(file.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return own
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", "") or str(error)
        return own._replace(problem=f"{file} can't be read: {why}")
    if not is_file:
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
    """Return doctor's cache or state folder, which may not exist; `variables`: default os.environ.

    DOCTOR_CACHE and DOCTOR_STATE override it. By the XDG specification a relative path is ignored. platformdirs
    gives the same result but takes 22 ms in every check.
    """
    variables = os.environ if variables is None else variables
    if folder_name := variables.get(f"DOCTOR_{kind}", ""):
        return Path(folder_name)
    own = Path(home or os.path.expanduser("~"))  # noqa: PTH111  Path.home raises where there is none
    if platform == "win32":
        # settings follow a user from machine to machine
        data = ("APPDATA", "Roaming") if kind == "CONFIG" else ("LOCALAPPDATA", "Local")
        folder = Path(variables.get(data[0]) or own / "AppData" / data[1])
    elif platform == "darwin":
        folder = own / "Library" / _MAC[kind]
    else:
        folder_name = variables.get(f"XDG_{kind}_HOME", "")
        folder = Path(folder_name) if folder_name.startswith("/") else own / _XDG[kind]
    return folder / "tunedoctor"


def cache_file(
    variables: Mapping[str, str] | None = None, platform: str = sys.platform, home: str = ""
) -> Path:
    """Return the file that `doctor update` writes."""
    return user_folder("CACHE", variables, platform, home) / f"{WHEELS}.json"
