"""Names of wheel files -> release, variant, platform family, Python tag, floor of the system."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from tunedoctor.refresh.page import Link
from tunedoctor.versions import parts

VARIANT = re.compile(r"cpu|xpu|cu\d{2,3}|rocm\d{1,3}\.\d{1,3}(?:\.\d{1,3})?")
_LINUX = r"(?:linux|manylinux(?:1|2010|2014|_2_\d{1,3}))"
_RELEASE = re.compile(r"\d{1,4}(?:\.\d{1,4}){1,3}(?:\.post\d{1,3})?")
_FAMILIES = (
    (re.compile(rf"{_LINUX}_x86_64"), "linux_x86_64"),
    (re.compile(rf"{_LINUX}_aarch64"), "linux_aarch64"),
    (re.compile(r"win_amd64"), "win_amd64"),
    (re.compile(r"macosx_\d{1,3}_\d{1,3}_arm64"), "macos_arm64"),
    (re.compile(r"macosx_\d{1,3}_\d{1,3}_x86_64"), "macos_x86_64"),
)
_LABELS = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
"""Old names of platform tags -> glibc: PEP 513, 571, 599."""


class Wheel(NamedTuple):
    """A wheel of a page, and what its name says."""

    link: Link
    project: str
    release: str
    variant: str
    """cu132, rocm7.2, xpu, cpu; "cpu" for wheels without a label, those of macOS too."""
    family: str
    """linux_x86_64 …; "any" for wheels without compiled code."""
    python: str
    """3.12, 3.14t, "any"."""
    floor: str
    """Oldest glibc, or macOS, that a platform tag names; "" where none does: Windows, plain linux_x86_64."""


def wheel_of(link: Link) -> Wheel | None:
    """Read a file name; None where it is none, a pre-release, or of a label, platform or Python that isn't known.

    A file for Linux on aarch64 without a label is of the variant whose folder it lies in (torch 2.5 cu124).
    """
    try:
        project, version, _, tags = parse_wheel_filename(link.name)
    except (InvalidWheelFilename, InvalidVersion, ValueError):
        return None
    if version.is_prerelease or not _RELEASE.fullmatch(version.public):
        return None
    known = [tag for tag in tags if _family(tag.platform) and _python(tag)]
    if not known:
        return None
    tag = min(known, key=lambda one: (parts(_floor(one.platform)), one.platform))
    family = _family(tag.platform)
    variant = version.local or _of_folder(link.url, family)
    if not VARIANT.fullmatch(variant):
        return None
    python, floor = _python(tag), _floor(tag.platform)
    return Wheel(link, project, version.public, variant, family, python, floor)


def wheels_of(project: str, files: Iterable[str]) -> Iterator[tuple[str, Version, set[str]]]:
    """Yield the file names that are wheels of a project, with their version and platforms ("any", "win_amd64" …)."""
    wanted = canonicalize_name(project)
    for file in files:
        if file[:1].lower() == wanted[:1]:
            try:
                name, version, _, tags = parse_wheel_filename(file)
            except (InvalidWheelFilename, InvalidVersion):
                continue
            if name == wanted:
                yield file, version, {tag.platform for tag in tags}


def _family(platform: str) -> str:
    if platform == "any":
        return "any"
    return next((family for shape, family in _FAMILIES if shape.fullmatch(platform)), "")


def _python(tag: Tag) -> str:
    """Return "3.12" of cp312-cp312, "3.14t" of cp314-cp314t, "any" of py3-none; "" for others."""
    if tag.interpreter in ("py3", "py2.py3") and tag.abi == "none":
        return "any"
    found = re.fullmatch(r"cp(\d)(\d{1,3})", tag.interpreter)
    if not found or tag.abi not in (tag.interpreter, f"{tag.interpreter}t"):
        return ""
    return f"{found[1]}.{int(found[2])}{'t' * tag.abi.endswith('t')}"


def _floor(platform: str) -> str:
    found = re.match(r"(?:manylinux|macosx)_(\d+)_(\d+)_", platform)
    if found:
        return f"{found[1]}.{found[2]}"
    return _LABELS.get(platform.partition("_")[0], "")


def _of_folder(url: str, family: str) -> str:
    if family != "linux_aarch64" or not url:
        return "cpu"
    try:
        folders = unquote(urlsplit(url).path).split("/")[:-1]
    except ValueError:
        return "cpu"
    named = [one for one in folders if re.fullmatch(r"cu\d{2,3}", one)]
    return named[-1] if named else "cpu"
