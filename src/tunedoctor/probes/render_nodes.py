"""Render nodes: the device files by which a user reaches a GPU on Linux."""

import os
from collections.abc import Callable
from pathlib import Path

from tunedoctor.probes.small_file import line


def render_nodes(root: Path, vendor: str) -> tuple[Path, ...]:
    """Return /dev/dri/renderD* of one vendor (four hex digits), those of unknown vendor too."""
    found: list[Path] = []
    for node in sorted((root / "dev/dri").glob("renderD*")):
        told = line(root / "sys/class/drm" / node.name / "device/vendor").removeprefix("0x")
        if told in ("", vendor):
            found.append(node)
    return tuple(found)


def may_open(path: Path) -> bool:
    """Tell whether this user may open a device file for reading and writing."""
    return os.access(path, os.R_OK | os.W_OK)


def denied(nodes: tuple[Path, ...], allowed: Callable[[Path], bool] = may_open) -> tuple[str, ...]:
    """Return the nodes that this user may not open."""
    return tuple(str(node) for node in nodes if not allowed(node))
