"""Read one folder of sys.path: which distributions it holds, and what is wrong with their metadata.

Headers of METADATA are read here: importlib.metadata takes twenty times as long.
"""

import errno
import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec

from tunedoctor.facts import BrokenDistribution, Distribution
from tunedoctor.probes.small_file import start
from tunedoctor.reading import TooLargeError
from tunedoctor.versions import LONGEST, normalised

_BLOCK = 32 * 1024
_MOST = 256 * 1024
"""A licence text among the headers makes some of them long."""
_MOST_REQUIRED = 1000
"""Requirements that one distribution can have, extras left out."""

_HEADER = re.compile(
    r"^(Name|Version|Requires-Dist|Requires-Python):[ \t]*([^\r\n]*)", re.MULTILINE
)
_END = re.compile(rb"\r?\n\r?\n")
_OF_EXTRA = re.compile(r"\bextra\s*(?:==|in\b)")


class Headers(msgspec.Struct, frozen=True):
    """What the headers say; empty strings for headers that are not there."""

    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    """Requires-Dist as written, those of extras left out."""
    requires_python: str = ""
    damaged: str = ""
    """What is longer than any such header is: it is left out."""


def parse(text: bytes) -> Headers:
    """Parse headers up to the first blank line. Never raises."""
    end = _END.search(text)
    single: dict[str, str] = {}
    requires: list[str] = []
    damaged = "" if end or len(text) < _MOST else f"headers of more than {_MOST >> 10} KiB"
    head = text[: end.start() if end else len(text)].decode("utf-8", "replace")
    for key, value in _HEADER.findall(head):
        if len(value) > LONGEST:
            damaged = f"{key} of {len(value)} characters"
        elif key != "Requires-Dist":
            single.setdefault(key, value.strip())
        elif ";" not in value or not _OF_EXTRA.search(value.partition(";")[2]):
            requires.append(value.strip())
    if len(requires) > _MOST_REQUIRED:
        damaged = f"{len(requires)} lines of Requires-Dist"
    return Headers(
        name=single.get("Name", ""),
        version=single.get("Version", ""),
        requires=tuple(requires[:_MOST_REQUIRED]),
        requires_python=single.get("Requires-Python", ""),
        damaged=damaged,
    )


def parse_requires_txt(text: str) -> tuple[str, ...]:
    """Parse requires.txt of an egg-info: sections are `[extra]` or `[:marker]`; extras are left out."""
    found: list[str] = []
    marker: str | None = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            extra, _, condition = line[1:-1].partition(":")
            marker = None if extra else condition
        elif line and not line.startswith("#") and marker is not None:
            found.append(f"{line}; {marker[:LONGEST]}" if marker else line)
        if len(found) > _MOST_REQUIRED:
            break
    return tuple(found)


def read_headers(path: str) -> bytes | None:
    """Return the start of a file down to its first blank line, or more; None where it cannot be read."""
    text = start(path, _BLOCK)
    if text is not None and len(text) == _BLOCK and not _END.search(text):
        return start(path, _MOST)
    return text


MOST_ENTRIES = 200_000
MOST_DISTRIBUTIONS = 5_000
MOST_REQUIRED = 8 << 20
"""Characters of all requirements. A folder with more of any of them is no site folder."""

_FOLDER_NAME = re.compile(
    r"(.+?)(?:-([^-]+)(?:-py\d[\d.]*)?(?:-[\w.]+)?)?\.(?:dist-info|egg-info)$"
)
_METADATA = (".dist-info", ".egg-info", "EGG-INFO")
"""Endings; EGG-INFO lies in an unzipped .egg that easy-install.pth put on the path."""
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
    """Read a folder; None where it is no folder or may not be read. TooLargeError: it holds more than any has."""
    names = _names(place)
    if names is None:
        return None
    required = 0
    found: dict[str, list[Distribution]] = {}
    broken: list[BrokenDistribution] = []
    linked: list[str] = []
    for entry in sorted(names):
        if entry.startswith("~"):
            broken.append(
                BrokenDistribution(name=entry, problem="leftover", detail=entry, location=place)
            )
        elif entry.endswith(_METADATA):
            one = _distribution(place, entry, broken)
            if one is not None:
                found.setdefault(one.name, []).append(one)
                required += sum(map(len, one.requires))
            if required > MOST_REQUIRED:
                raise TooLargeError(errno.EFBIG, "more requirements than any site folder", place)
        elif entry.endswith(".egg-link"):
            text = (start(f"{place}{os.sep}{entry}", 4096) or b"").decode("utf-8", "replace")
            linked += text.splitlines()[:1]
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


def _names(place: str) -> frozenset[str] | None:
    try:
        with os.scandir(place) as entries:
            names = frozenset(one.name for one in islice(entries, MOST_ENTRIES + 1))
    except OSError:
        return None
    told = sum(name.endswith((*_METADATA, ".egg-link")) for name in names)
    if len(names) > MOST_ENTRIES or told > MOST_DISTRIBUTIONS:
        raise TooLargeError(errno.EFBIG, "more entries than any site folder", place)
    return names


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


def _distribution(place: str, entry: str, broken: list[BrokenDistribution]) -> Distribution | None:
    """Read one .dist-info or .egg-info (a folder, or a file where distutils made it); add what is wrong with it."""
    folder = f"{place}{os.sep}{entry}"
    egg = not entry.endswith(".dist-info")
    text = read_headers(f"{folder}{os.sep}{'PKG-INFO' if egg else 'METADATA'}")
    if text is None and egg:
        text = read_headers(folder)
    named = _FOLDER_NAME.match(entry)
    headers = parse(text) if text else _EMPTY
    name = normalised(headers.name or (named[1] if named else entry))
    if text is None:
        broken.append(
            BrokenDistribution(
                name=name, problem="no metadata", detail=f"{entry} has no METADATA", location=place
            )
        )
        return None
    if headers.damaged:
        broken.append(damaged(name, place, f"{entry} has {headers.damaged}"))
    requires = headers.requires
    if egg and not requires:
        listed = start(f"{folder}{os.sep}requires.txt", 64 * 1024)
        requires = parse_requires_txt(listed.decode("utf-8", "replace")) if listed else ()
    installer = start(f"{folder}{os.sep}INSTALLER", 64) or b""
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


def damaged(name: str, place: str, detail: str) -> BrokenDistribution:
    """Make the fault of metadata that nobody can read."""
    return BrokenDistribution(name=name, problem="damaged metadata", detail=detail, location=place)


def editable_home(metadata_folder: str) -> str:
    """Return the source folder of an editable install, from direct_url.json; "" where it is none."""
    text = start(f"{metadata_folder}{os.sep}direct_url.json", 16 * 1024)
    return parse_direct_url(text) if text else ""


def parse_direct_url(text: bytes) -> str:
    """Return the folder of an editable direct_url.json (PEP 610), else ""."""
    try:
        told = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
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
