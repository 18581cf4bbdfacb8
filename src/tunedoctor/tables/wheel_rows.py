"""The form of the rows of the wheel table, as it is stored, without what follows from other tables."""

from collections.abc import Iterable

import msgspec
from packaging.version import Version

from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import pep440

CARRIED = "carried"
"""Prefix of the basis of a code list that was copied from an older release of the same variant."""
VARIANT = pattern(r"(?:cpu|xpu|mps|cu\d{2,3}|rocm\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)")


class StoredBuild(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row: the wheels of one variant for one platform, and their requirements."""

    variant: str
    platform: str
    python: str
    """Tags: "3.13 3.14 3.14t"."""
    floor: str
    """Oldest glibc or macOS; "" on Windows."""
    driver: str
    """Oldest drivers for Linux and for Windows and WSL; "" for builds without CUDA."""
    code: str
    """Names of code sets and single targets, doubtful ones with a ?."""
    source: str
    seen: bool


class StoredRelease(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A torch release with its builds, as the file has them."""

    date: str | None
    pypi_default: dict[str, str]
    """Platform family -> variant of the wheel on the default index."""
    torchvision: str
    """The release that belongs to it; "" if unknown."""
    torchaudio: str
    numpy_abi: dict[str, int]
    unverified: list[str]
    builds: tuple[StoredBuild, ...]


def in_order(versions: Iterable[str]) -> list[str]:
    """Return releases sorted from oldest to newest."""
    return sorted(versions, key=lambda version: pep440(version) or Version("0"))
