"""Read which packages conda put into a prefix, by their file names; which tool keeps it; and what its user pinned."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Literal

from tunedoctor.facts import CondaPrefix
from tunedoctor.lazy import pattern
from tunedoctor.probes.small_file import read

_COMMAND = pattern(
    r"^# cmd: (?:.*[/\\])?(conda|mamba|micromamba)(?:\.exe|-script\.py)?\s", re.MULTILINE
)
_MOST = 1 << 20
"""Bytes of a history."""
_MOST_PINS = 200


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


def conda_prefix(prefix: Path) -> CondaPrefix | None:
    """Return what keeps a prefix; None where it is none of conda's. pixi's lie in .pixi/envs of their workspace."""
    meta = prefix / "conda-meta"
    if not meta.is_dir():
        return None
    pins = tuple(
        line.strip()
        for line in (read(meta / "pinned") or "").splitlines()[:_MOST_PINS]
        if line.strip() and not line.lstrip().startswith("#")
    )
    *_, above, folder, name = ("", "", *PurePath(prefix).parts)
    if (above, folder) == (".pixi", "envs"):
        workspace = prefix.parents[2]
        files = (workspace / "pixi.toml", workspace / "pyproject.toml")
        manifest = next((str(file) for file in files if file.is_file()), str(files[0]))
        return CondaPrefix(tool="pixi", manifest=manifest, environment=name, pins=pins)
    commands = _COMMAND.findall(read(meta / "history", _MOST) or "")
    tool: Literal["conda", "mamba", "micromamba"] = commands[-1] if commands else "conda"
    return CondaPrefix(tool=tool, pins=pins)
