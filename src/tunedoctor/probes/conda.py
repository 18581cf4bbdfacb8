"""Read what conda put into a prefix, which its file names tell, and which tool manages it.

conda-meta/history: docs.conda.io, dev-guide, conda.history; conda-meta/pinned: docs.conda.io, manage-pkgs;
conda-meta/pixi: pixi.prefix.dev, environments.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, cast

import msgspec

from tunedoctor.facts.target import Manager
from tunedoctor.probes.small_file import read

_COMMAND = re.compile(
    r"^# cmd: (?:\S*[\\/])?(conda|mamba|micromamba)(?:\.exe|-script\.py)?(?: |$)", re.MULTILINE
)
_LINES = 1 << 20


def conda_packages(prefix: Path) -> dict[str, str]:
    """Return name -> "version build" of a conda prefix; empty where it is none."""
    try:
        return parse_names(path.name for path in (prefix / "conda-meta").iterdir())
    except OSError:
        return {}


def parse_names(names: Iterable[str]) -> dict[str, str]:
    """Parse names such as pytorch-2.5.1-py3.12_cuda12.4_cudnn9.1.0_0.json; others are passed over."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.removesuffix(".json").rsplit("-", 2)
        if name.endswith(".json") and len(parts) == 3 and all(parts):
            found[parts[0]] = f"{parts[1]} {parts[2]}"
    return found


def manager_of(prefix: Path) -> Manager:
    """Return who manages a conda prefix: pixi by its own file, else whoever ran the last command of the history."""
    meta = prefix / "conda-meta"
    lines = (line.partition("#")[0].strip() for line in (read(meta / "pinned") or "").splitlines())
    pinned = tuple(filter(None, lines))
    if (text := read(meta / "pixi")) is not None:
        try:
            said = msgspec.json.decode(text, type=_Pixi)
        except msgspec.MsgspecError:
            said = _Pixi()
        return Manager("pixi", said.manifest_path, said.environment_name, pinned)
    commands = _COMMAND.findall(read(meta / "history", _LINES) or "")
    return Manager(
        cast("Literal['conda', 'mamba', 'micromamba']", commands[-1] if commands else "conda"),
        pinned=pinned,
    )


class _Pixi(msgspec.Struct, frozen=True):
    manifest_path: str = ""
    environment_name: str = "default"
