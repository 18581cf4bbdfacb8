"""The NVIDIA driver, from what a report says of it."""

import re

from tunedoctor.facts import Fact, NvidiaDriver
from tunedoctor.lazy import pattern
from tunedoctor.readers.values.said import Collected, Said, told

SOURCE = "report"
_VERSION = pattern(r"(?:\A|[\s_(v])(\d{3}\.\d{1,3}(?:\.\d{1,3})?)(?=\Z|[\s_,;)(/|-])")
_BRANCH = pattern(
    r"\W{0,2}(?:v|nvidia[ -]?(?:driver)?\s*)?(\d{3})(?:-open|-server)?\W{0,2}", re.IGNORECASE
)
_CUDA = pattern(r"CUDA(?: version)?:?\s*(\d{1,2}\.\d)", re.IGNORECASE)
_OTHERS = pattern(r"adrenalin|amdgpu|intel|radeon|\brocm|mesa", re.IGNORECASE)
_BUNDLED = pattern(r"\A\D{0,3}\d{1,2}\.\d\.\d{1,3}_(\d{3}\.\d{2,3}(?:\.\d{2})?)_(?:win|linux)")
"""In the file name of a CUDA installer: "11.0.3_451.82_win10"."""
_FIRST_BRANCH = 300
_LONGEST_TYPED = 40


def driver(said: Collected, *, other_vendor: bool) -> list[Fact]:
    """Take numbers as NVIDIA gives them to drivers: three digits, a dot; none where the GPU is of another vendor."""
    if other_vendor:
        return []
    for one in said.all("driver"):
        if found := _of(one):
            return [found]
    bundled = said.find(_of_installer, "cuda_plain", "nvcc")
    return [NvidiaDriver(version=bundled, source="name of the CUDA installer")] if bundled else []


def _of(one: Said) -> NvidiaDriver | None:
    value = told(one.value)
    if _OTHERS.search(value) or (one.typed and len(value) > _LONGEST_TYPED):
        return None
    if found := _VERSION.search(value[:200]):
        cuda = _CUDA.search(value[:200])
        return NvidiaDriver(version=found[1], source=SOURCE, cuda=cuda[1] if cuda else "")
    branch = _BRANCH.fullmatch(value)
    if branch and int(branch[1]) >= _FIRST_BRANCH:
        return NvidiaDriver(version=branch[1], source=SOURCE)
    return None


def _of_installer(value: str) -> str | None:
    found = _BUNDLED.match(value[:100])
    return found[1] if found else None
