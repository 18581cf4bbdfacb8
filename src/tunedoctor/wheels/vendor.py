"""PyTorch builds that are not in the wheel table: AMD's own index, and Windows on ARM."""

from collections.abc import Iterable

import msgspec

from tunedoctor.model.versions import at_least, within
from tunedoctor.tables.load import rows, table
from tunedoctor.wheels.rules import index_of

GLIBC = "2.28"
"""Oldest glibc for the Linux wheels of this index, by the tag in their names (manylinux_2_28)."""


class VendorBuild(msgspec.Struct, frozen=True):
    """A PyTorch build that is not in the wheel table."""

    vendor: str
    """Who publishes it: AMD, PyTorch."""
    index: str
    requirements: tuple[str, ...]
    """torch first; the extra device-gfxNNNN installs the code for a GPU."""
    rocm: str = ""
    """ROCm release that it includes: "10.0.0"; "" for a nightly build."""


class VendorRelease(msgspec.Struct, frozen=True):
    """A release on an AMD index, for some platforms."""

    rocm: str
    index: str
    torch: str
    """"" for a nightly build, which is not pinned."""
    torchvision: str
    torchaudio: str
    platforms: tuple[str, ...]
    pythons: tuple[str, ...]
    gfx: tuple[str, ...]
    source: str


def amd_build(
    gfx: Iterable[str], platform: str, python: str = "", *, torch: str = "", glibc: str = ""
) -> VendorBuild | None:
    """Return AMD's build for GPUs ("gfx1201"), platform and Python ("3.12"); None if AMD has none.

    `torch` is the requested range. An unknown Python or glibc ("") excludes nothing.
    """
    targets = tuple(dict.fromkeys(gfx))
    if not targets or (glibc and not at_least(glibc, GLIBC)):
        return None
    for row in rows("amd_wheels", "rows", VendorRelease):
        runs = platform in row.platforms and (not python or python in row.pythons)
        in_range = not torch or bool(row.torch and within(row.torch, torch))
        if runs and in_range and set(targets) <= set(row.gfx):
            return VendorBuild("AMD", row.index, tuple(_requirements(row, targets)), row.rocm)
    return None


def amd_pythons(platform: str) -> tuple[str, ...]:
    """Return the Pythons for which AMD has wheels, oldest first; () for a platform without AMD builds."""
    pythons = (
        row.pythons
        for row in rows("amd_wheels", "rows", VendorRelease)
        if platform in row.platforms
    )
    return next(pythons, ())


def windows_arm_build(python: str, torch: str = "") -> VendorBuild | None:
    """Return PyTorch's newest CPU build for Windows on ARM in a requested range; None if it has none."""
    rows_of_table = table("windows_arm")
    fits = (version for version in rows_of_table["torch"] if not torch or within(version, torch))
    release = next(fits, "") if python in rows_of_table["pythons"] else ""
    if not release:
        return None
    return VendorBuild("PyTorch", index_of("cpu"), (f"torch=={release}+cpu",))


def _requirements(row: VendorRelease, gfx: tuple[str, ...]) -> Iterable[str]:
    extras = ",".join(f"device-{target}" for target in gfx)
    if not row.torch:
        return [f"torch[{extras}]", f"torchvision[{extras}]", "torchaudio"]
    local = f"+rocm{row.rocm}"
    with_code = {"torch": row.torch, "torchvision": row.torchvision}
    pinned = [f"{name}[{extras}]=={version}{local}" for name, version in with_code.items()]
    return [*pinned, *([f"torchaudio=={row.torchaudio}{local}"] if row.torchaudio else [])]
