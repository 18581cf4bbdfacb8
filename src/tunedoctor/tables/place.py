"""Where the doctor's own files lie: the cache, state and settings folders of the user."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

NAME = "torch_wheels.json"
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
    return user_folder("CACHE", variables, platform, home) / NAME
