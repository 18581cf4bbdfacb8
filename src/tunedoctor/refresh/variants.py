"""Wheel variants (PEP 825): the NAME-VERSION-variants.json of an index -> code and CUDA of the builds of a release.

A second source: pages do not tell for which GPUs a wheel holds code, this file does. Its providers are never run.
"""

import re
from typing import NamedTuple

import msgspec

from tunedoctor.refresh.names import VARIANT

_FILE = re.compile(r"torch-(\d{1,4}(?:\.\d{1,4}){1,3})-variants\.json")
_LABEL = re.compile(r"cu(?:da)?_?(\d{2})[._]?(\d)")
_SM = re.compile(r"(\d{2,3})(?:_(real|virtual))?")
_GFX = re.compile(r"gfx[0-9a-f]{3,5}")
MOST = 100
"""Targets of one build."""


class Told(NamedTuple):
    """What the file says of a build."""

    code: str
    """As in the column of the wheel table: "75 80 90 compute_120"."""
    cuda: str = ""
    """Oldest CUDA of the driver: "12.8"; "" where none is named."""


class _File(msgspec.Struct):
    variants: dict[str, dict[str, dict[str, list[str]]]] = {}
    """Label -> namespace -> feature -> values."""


def release_of(name: str) -> str:
    """Return the release of "torch-2.16.0-variants.json"; "" for other files."""
    found = _FILE.fullmatch(name)
    return found[1] if found else ""


def told(data: bytes) -> dict[str, Told]:
    """Return variant (cu132, rocm10.0) -> what is said; one that two labels tell differently is left out.

    Raises:
        ValueError: it is no such file.
    """
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"it is no variants.json: {str(error)[:120]}"
        raise ValueError(msg) from None
    found: dict[str, set[Told]] = {}
    for label, properties in file.variants.items():
        nvidia, amd = properties.get("nvidia", {}), properties.get("amd", {})
        cuda = next(iter(nvidia.get("cuda_version_lower_bound", ())), "")
        cuda = cuda if re.fullmatch(r"\d{2}\.\d", cuda) else ""
        code = [word for value in nvidia.get("sm_arch", ()) for word in _words(value)]
        code += [one for values in amd.values() for one in values if _GFX.fullmatch(one)]
        variant = _variant(label, cuda)
        if variant and code and len(code) <= MOST:
            found.setdefault(variant, set()).add(Told(" ".join(code), cuda))
    return {variant: ones.pop() for variant, ones in found.items() if len(ones) == 1}


def _variant(label: str, cuda: str) -> str:
    """Return the variant that a label names, else the one of its CUDA."""
    if VARIANT.fullmatch(label):
        return label
    named = _LABEL.fullmatch(label)
    return f"cu{named[1]}{named[2]}" if named else f"cu{cuda.replace('.', '')}" if cuda else ""


def _words(value: str) -> list[str]:
    """Return "75" of 75_real, "compute_120" of 120_virtual, both of CMake's bare 120; targets as 90a count not."""
    found = _SM.fullmatch(value)
    if found is None:
        return []
    kinds = {"real": [found[1]], "virtual": [f"compute_{found[1]}"]}
    return kinds.get(found[2] or "", [found[1], f"compute_{found[1]}"])
