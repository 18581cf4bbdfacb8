"""Where the updated wheel table lies: in the cache folder of the user."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

NAME = "torch_wheels.json"


def cache_file(
    variables: Mapping[str, str] | None = None, platform: str = sys.platform, home: str = ""
) -> Path:
    """Return the file that `doctor update` writes; `variables`: the environment, this process's by default.

    DOCTOR_CACHE names the folder. XDG Base Directory Specification: a relative XDG_CACHE_HOME is ignored.
    """
    variables = os.environ if variables is None else variables
    if variables.get("DOCTOR_CACHE"):
        return Path(variables["DOCTOR_CACHE"]) / NAME
    own = Path(home or os.path.expanduser("~"))  # noqa: PTH111  Path.home raises where there is none
    if platform == "win32":
        folder = Path(variables.get("LOCALAPPDATA") or own / "AppData" / "Local")
    elif platform == "darwin":
        folder = own / "Library" / "Caches"
    else:
        named = variables.get("XDG_CACHE_HOME", "")
        folder = Path(named) if named.startswith("/") else own / ".cache"
    return folder / "tunedoctor" / NAME
