"""Read one folder of sys.path: which distributions it holds, and what is wrong with their metadata."""
# ruff: noqa: PTH208

import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec

from tunedoctor.facts import BrokenDistribution, Distribution
from tunedoctor.probes.metadata import (
    Headers,
    normalised,
    parse,
    parse_requires_txt,
    read_headers,
    read_start,
)

MOST_ENTRIES = 200_000
"""A folder with more is no site folder; the rest of it is not looked at."""

_FOLDER_NAME = re.compile(
    r"(.+?)(?:-([^-]+)(?:-py\d[\d.]*)?(?:-[\w.]+)?)?\.(?:dist-info|egg-info)$"
)
_EMPTY = Headers()


class SiteFolder(msgspec.Struct, frozen=True):
    """What one folder holds."""

    place: str
    names: frozenset[str]
    """Every entry."""
    distributions: tuple[Distribution, ...]
    """The one that counts, for each name."""
    broken: tuple[BrokenDistribution, ...]
    linked: tuple[str, ...]
    """Source folders that .egg-link files name."""


def read_folder(place: str) -> SiteFolder | None:
    """Read a folder; None where it is no folder or may not be read."""
    try:
        names = frozenset(islice(os.listdir(place), MOST_ENTRIES))
    except OSError:
        return None
    found: dict[str, list[Distribution]] = {}
    broken: list[BrokenDistribution] = []
    linked: list[str] = []
    for entry in sorted(names):
        if entry.startswith("~"):
            broken.append(
                BrokenDistribution(name=entry, problem="leftover", detail=entry, location=place)
            )
        elif entry.endswith((".dist-info", ".egg-info")):
            one = _distribution(place, entry)
            if isinstance(one, BrokenDistribution):
                broken.append(one)
            else:
                found.setdefault(one.name, []).append(one)
        elif entry.endswith(".egg-link"):
            text = (read_start(f"{place}{os.sep}{entry}", 4096) or b"").decode("utf-8", "replace")
            linked += text.splitlines()[:1]
    if "EGG-INFO" in names:  # an unzipped .egg that easy-install.pth put on the path
        one = _distribution(place, "EGG-INFO")
        if isinstance(one, Distribution):
            found.setdefault(one.name, []).append(one)
    chosen: list[Distribution] = []
    for copies in found.values():
        copies.sort(key=lambda one: (one.version != "", _order(one.version)))
        chosen.append(copies[-1])
        broken += _faults(place, copies)
    return SiteFolder(
        place=place,
        names=names,
        distributions=tuple(chosen),
        broken=tuple(broken),
        linked=tuple(linked),
    )


def _faults(place: str, copies: list[Distribution]) -> Iterable[BrokenDistribution]:
    """Look at the metadata folders of one name in one place."""
    name = copies[0].name
    for one in copies:
        if not one.version:
            detail = f"{one.metadata} states no version"
            yield BrokenDistribution(name=name, problem="no version", detail=detail, location=place)
    if len(copies) > 1:
        detail = ", ".join(one.metadata for one in copies)
        yield BrokenDistribution(name=name, problem="doubled", detail=detail, location=place)


def _distribution(place: str, entry: str) -> Distribution | BrokenDistribution:
    """Read one .dist-info or .egg-info (a folder, or a file where distutils made it)."""
    folder = f"{place}{os.sep}{entry}"
    egg = not entry.endswith(".dist-info")
    text = read_headers(f"{folder}{os.sep}{'PKG-INFO' if egg else 'METADATA'}")
    if text is None and egg:
        text = read_headers(folder)
    named = _FOLDER_NAME.match(entry)
    headers = parse(text) if text else _EMPTY
    name = normalised(headers.name or (named[1] if named else entry))
    if text is None:
        return BrokenDistribution(
            name=name, problem="no metadata", detail=f"{entry} has no METADATA", location=place
        )
    requires = headers.requires
    if egg and not requires:
        listed = read_start(f"{folder}{os.sep}requires.txt", 64 * 1024)
        requires = parse_requires_txt(listed.decode("utf-8", "replace")) if listed else ()
    installer = read_start(f"{folder}{os.sep}INSTALLER", 64) or b""
    return Distribution(
        name=name,
        version=headers.version,
        location=place,
        metadata=entry,
        requires=requires,
        requires_python=headers.requires_python,
        editable=bool(editable_home(folder)),
        installer=installer.decode("utf-8", "replace").strip(),
    )


def editable_home(metadata_folder: str) -> str:
    """Return the source folder of an editable install, from direct_url.json; "" where it is none."""
    text = read_start(f"{metadata_folder}{os.sep}direct_url.json", 16 * 1024)
    return parse_direct_url(text) if text else ""


def parse_direct_url(text: bytes) -> str:
    """Return the folder of an editable direct_url.json (PEP 610), else ""."""
    try:
        told = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    match told:
        case {"url": str(url), "dir_info": {"editable": True}} if url.startswith("file://"):
            from urllib.parse import unquote  # noqa: PLC0415  few installs are editable

            path = unquote(url.removeprefix("file://"))
            drive = re.match(r"/[A-Za-z]:", path)
            return path[1:] if drive else path
        case _:
            return ""


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number[:9]) for number in re.findall(r"\d+", version))


def module_there(names: Iterable[str], place: str, module: str) -> bool:
    """Tell whether a folder holds a regular package, a module or an extension of that name."""
    held = names if isinstance(names, frozenset) else frozenset(names)
    if module in held and any(
        Path(place, module, f"__init__{ending}").exists()
        for ending in (".py", ".pyc", ".so", ".pyd")
    ):
        return True
    return f"{module}.py" in held or any(
        name.startswith(f"{module}.") and name.endswith((".so", ".pyd")) for name in held
    )
