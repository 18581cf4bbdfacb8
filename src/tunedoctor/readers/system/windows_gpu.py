"""NVIDIA's driver by the numbers of Windows: wmic, Get-CimInstance, dxdiag, the device manager."""

import re
from collections.abc import Sequence

from tunedoctor.facts import NvidiaDriver
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST

_NVIDIA = pattern(r"\bNVIDIA\b|\bGeForce\b|\bQuadro\b", re.IGNORECASE)
_NUMBER = pattern(r"\b(?:2[0-9]|3[0-9])\.\d{1,2}\.1(\d)\.(\d{4})\b")
_NEAR = 12
"""Lines below the name in which dxdiag and lists of properties give the version."""


def windows_driver(lines: Sequence[str]) -> NvidiaDriver | None:
    """Return driver 536.23 for 31.0.15.3623: the last five digits, the way NVIDIA numbers it for Windows."""
    last = -_NEAR - 1
    for number, whole in enumerate(lines):
        line = whole[:LONGEST]
        if _NVIDIA.search(line):
            last = number
        elif re.search(r"\b(?:Intel|AMD|Radeon)\b", line):
            last = -_NEAR - 1
        if number - last > _NEAR:
            continue
        if found := _NUMBER.search(line):
            digits = found[1] + found[2]
            return NvidiaDriver(version=f"{digits[:3]}.{digits[3:]}", source="Windows")
    return None
