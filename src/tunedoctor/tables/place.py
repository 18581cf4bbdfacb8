"""Where the doctor's own files lie: the cache folder and the state folder of the user."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

NAME = "torch_wheels.json"
_MAC = {"CACHE": "Caches", "STATE": "Application Support"}
_XDG = {"CACHE": ".cache", "STATE": ".local/state"}


def user_folder(
    kind: Literal["CACHE", "STATE"],
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
        folder = Path(variables.get("LOCALAPPDATA") or own / "AppData" / "Local")
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
