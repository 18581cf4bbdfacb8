"""Compilers and Apple's GPU, as nvcc, gcc and system_profiler tell of them."""

from collections.abc import Sequence

from tunedoctor.facts import AppleGpu, Compilers
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST

_NVCC = pattern(r"Cuda compilation tools, release (\d{1,2}\.\d)|\bBuild cuda_(\d{1,2}\.\d)\.r")
_GCC = pattern(r"^\s{0,4}(gcc|g\+\+|cc|c\+\+|clang)(?:-\d{1,2})? \([^)]{1,80}\) \d{1,2}\.\d")
_NO_GCC = pattern(r"\b(gcc|cc): (?:command )?not found|command not found: gcc\b")
_CHIP = pattern(r"^\s{0,20}Chipset Model: (Apple M\d\S{0,4}(?: \w{2,6})?)\s*$")


def compilers(lines: Sequence[str]) -> Compilers | None:
    """Return what the compilers say of themselves; one that is not asked is None, not absent."""
    release, cc, cxx = "", None, None
    for whole in lines:
        line = whole[:LONGEST]
        if "cuda" in line.lower() and (nvcc := _NVCC.search(line)):
            release = release or nvcc[1] or nvcc[2]
        elif gcc := _GCC.match(line):
            if "+" in gcc[1]:
                cxx = gcc[1]
            else:
                cc = gcc[1]
        elif "not found" in line and _NO_GCC.search(line):
            cc = cc or ""
    if not release and cc is None and cxx is None:
        return None
    return Compilers(cc=cc, cxx=cxx, nvcc="nvcc" if release else "", nvcc_version=release)


def apple(lines: Sequence[str]) -> AppleGpu | None:
    """Return the GPU that `system_profiler SPDisplaysDataType` names."""
    found = (_CHIP.match(line[:LONGEST]) for line in lines if "Chipset" in line)
    name = next((one[1] for one in found if one), "")
    return AppleGpu(name=name) if name else None
