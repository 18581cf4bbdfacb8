"""Read one folder of sys.path: its distributions, what is wrong with their metadata, and which files are missing.

METADATA headers are parsed here because importlib.metadata takes twenty times as long. For RECORD, measured on torch,
transformers and ten more: checking every folder takes 27 ms of CPU, down to the second level 13 ms. So the first two
levels are listed; deeper, only the third-level folder must exist, and native libraries are checked at any depth.
"""
# RECORD stays bytes, because thousands of entries are compared
# ruff: noqa: PTH110, PTH114, PTH116, PTH118, PTH208

import errno
import os
import re
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import msgspec

from tunedoctor.facts import BrokenDistribution, Distribution
from tunedoctor.model.versions import LONGEST, normalised, parts
from tunedoctor.system.reading import TooLargeError, start

_BLOCK = 32 * 1024
_MOST = 256 * 1024
"""A licence text in the headers makes some of them long."""
_MOST_REQUIRED = 1000
"""Most requirements of one distribution, without extras."""
MOST_ENTRIES = 200_000
MOST_DISTRIBUTIONS = 20_000
MOST_REQUIRED = 8 << 20
"""Most characters of all requirements. A folder that exceeds one of these limits is not a site folder."""
_METADATA = (".dist-info", ".egg-info", "EGG-INFO")
"""Suffixes; EGG-INFO is in an unzipped .egg that easy-install.pth added to the path."""

_HEADER = re.compile(
    r"^(Name|Version|Requires-Dist|Requires-Python):[ \t]*([^\r\n]*)", re.MULTILINE
)
_END = re.compile(rb"\r?\n\r?\n")
_OF_EXTRA = re.compile(r"\bextra\s*(?:==|in\b)")


class Headers(NamedTuple):
    """The values of the headers; empty strings for missing headers."""

    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    """Requires-Dist as written, without those of extras."""
    requires_python: str = ""
    damaged: str = ""
    """Description of a header that is too long, and was left out."""


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
    name, version = single.get("Name", ""), single.get("Version", "")
    kept_requires = tuple(requires[:_MOST_REQUIRED])
    return Headers(name, version, kept_requires, single.get("Requires-Python", ""), damaged)


_EXTRA_CLAUSE = re.compile(r"""\bextra\s*==\s*(?:'([^']{1,100})'|"([^"]{1,100})")""")
_ASKED_EXTRAS = re.compile(r"\s*([A-Za-z0-9][\w.-]{0,100})\s*\[([\w\s,.-]{1,200})\]")
_ALWAYS = "os_name != ''"
"""A marker that is always true."""


class AskedExtra(NamedTuple):
    """An extra that a requirement asks for: fsspec and http of `fsspec[http]>=2023.1; os_name == "nt"`."""

    name: str
    """Normalised name of the distribution."""
    extra: str
    """Normalised."""
    marker: str
    """Condition under which it is requested; "" for always."""


def asked_extras(requirements: Iterable[str]) -> Iterable[AskedExtra]:
    """Yield the extras that requirements ask for."""
    for line in requirements:
        # an environment has thousands of lines, and few name an extra
        if "[" in line and (match := _ASKED_EXTRAS.match(line)):
            marker = line.partition(";")[2].strip()
            for extra in filter(None, map(str.strip, match[2].split(","))):
                yield AskedExtra(normalised(match[1]), normalised(extra), marker)


def extra_requirements(metadata: bytes, extra: str, marker: str = "") -> tuple[str, ...]:
    """Return the requirements that an extra adds, as lines without it; `marker` is a further condition."""
    end = _END.search(metadata)
    head = metadata[: end.start() if end else len(metadata)].decode("utf-8", "replace")
    lines: list[str] = []
    for key, value in _HEADER.findall(head):
        requirement, _, condition = value.partition(";")
        extras = [
            normalised(single or double) for single, double in _EXTRA_CLAUSE.findall(condition)
        ]
        if key != "Requires-Dist" or len(value) > LONGEST or extra not in extras:
            continue
        clause = re.fullmatch(r"\s*\(?" + _EXTRA_CLAUSE.pattern + r"\)?\s*", condition)
        rest = "" if clause else _EXTRA_CLAUSE.sub(_ALWAYS, condition).strip()
        both = " and ".join(
            f"({condition_part})" for condition_part in (rest, marker) if condition_part
        )
        lines.append(f"{requirement.strip()}; {both}" if both else requirement.strip())
    return tuple(lines[:_MOST_REQUIRED])


def parse_requires_txt(text: str) -> tuple[str, ...]:
    """Parse requires.txt of an egg-info: sections are `[extra]` or `[:marker]`; extras are left out."""
    lines: list[str] = []
    marker: str | None = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            extra, _, condition = line[1:-1].partition(":")
            marker = None if extra else condition
        elif line and not line.startswith("#") and marker is not None:
            lines.append(f"{line}; {marker[:LONGEST]}" if marker else line)
        if len(lines) > _MOST_REQUIRED:
            break
    return tuple(lines)


def read_headers(path: str) -> bytes | None:
    """Return the start of a file, at least up to its first blank line; None if it cannot be read."""
    text = start(path, _BLOCK)
    if text is not None and len(text) == _BLOCK and not _END.search(text):
        return start(path, _MOST)
    return text


class SiteFolder(NamedTuple):
    """The contents of one folder."""

    place: str
    names: frozenset[str]
    distributions: tuple[Distribution, ...]
    """For each name, the one that Python uses."""
    broken: tuple[BrokenDistribution, ...]
    linked: tuple[str, ...]
    """Source folders that .egg-link files name."""


def read_folder(place: str) -> SiteFolder | None:
    """Read a folder; None if it can't be read or isn't a folder. TooLargeError: it has more than any real one."""
    try:
        with os.scandir(place) as entries:
            names = frozenset(entry_name.name for entry_name in islice(entries, MOST_ENTRIES + 1))
    except OSError:
        return None
    metadata_count = sum(name.endswith((*_METADATA, ".egg-link")) for name in names)
    if len(names) > MOST_ENTRIES or metadata_count > MOST_DISTRIBUTIONS:
        raise TooLargeError(errno.EFBIG, "more entries than any site folder", place)
    required = 0
    by_name: dict[str, list[Distribution]] = {}
    broken: list[BrokenDistribution] = []
    linked: list[str] = []
    for entry in sorted(names):
        if entry.startswith("~"):
            broken.append(BrokenDistribution(entry, "leftover", entry, place))
        elif entry.endswith(_METADATA):
            distribution = _distribution(place, entry, broken)
            if distribution is not None:
                by_name.setdefault(distribution.name, []).append(distribution)
                required += sum(map(len, distribution.requires))
            if required > MOST_REQUIRED:
                raise TooLargeError(errno.EFBIG, "more requirements than any site folder", place)
        elif entry.endswith(".egg-link"):
            text = (start(f"{place}{os.sep}{entry}", 4096) or b"").decode("utf-8", "replace")
            linked += text.splitlines()[:1]
    for copies in by_name.values():
        copies.sort(key=lambda copy: (copy.version != "", parts(copy.version)))
        broken += _faults(place, copies)
    chosen = tuple(copies[-1] for copies in by_name.values())
    return SiteFolder(place, names, chosen, tuple(broken), tuple(linked))


def _faults(place: str, copies: list[Distribution]) -> Iterable[BrokenDistribution]:
    """Find faults in the metadata folders of one name in one folder."""
    name = copies[0].name
    for copy in copies:
        if not copy.version:
            yield BrokenDistribution(
                name, "no version", f"{copy.metadata} states no version", place
            )
    if len(copies) > 1:
        yield BrokenDistribution(
            name, "doubled", ", ".join(copy.metadata for copy in copies), place
        )


def _distribution(place: str, entry: str, broken: list[BrokenDistribution]) -> Distribution | None:
    """Read one .dist-info or .egg-info (a folder, or a file written by distutils); add its faults to `broken`."""
    folder = f"{place}{os.sep}{entry}"
    egg = not entry.endswith(".dist-info")
    text = read_headers(f"{folder}{os.sep}{'PKG-INFO' if egg else 'METADATA'}")
    if text is None and egg:
        text = read_headers(folder)
    headers = parse(text) if text else Headers()
    name_of_folder = entry.rpartition(".")[0].partition("-")[0]
    name = normalised(headers.name or name_of_folder or entry)
    if text is None:
        broken.append(BrokenDistribution(name, "no metadata", f"{entry} has no METADATA", place))
        return None
    if headers.damaged:
        detail = f"{entry} has {headers.damaged}"
        broken.append(BrokenDistribution(name, "damaged metadata", detail, place))
    requires = headers.requires
    if egg and not requires:
        listed = start(f"{folder}{os.sep}requires.txt", 64 * 1024) or b""
        requires = parse_requires_txt(listed.decode("utf-8", "replace"))
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


def editable_home(metadata_folder: str) -> str:
    """Return the source folder of an editable install, from direct_url.json; "" if it is not one."""
    text = start(f"{metadata_folder}{os.sep}direct_url.json", 16 * 1024)
    return parse_direct_url(text) if text else ""


def parse_direct_url(text: bytes) -> str:
    """Return the folder in an editable direct_url.json (PEP 610), else ""."""
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    match decoded:
        case {"url": str(url), "dir_info": {"editable": True}} if url.startswith("file://"):
            from urllib.parse import unquote  # noqa: PLC0415  few installs are editable

            path = unquote(url.removeprefix("file://"))
            return path[1:] if path[2:3] == ":" else path  # a Windows drive
        case _:
            return ""


def module_there(names: Iterable[str], place: str, module: str) -> bool:
    """Return whether a folder has a regular package, a module or an extension of that name."""
    name_set = frozenset(names)
    inits = (f"{module}/__init__{ending}" for ending in (".py", ".pyc", ".so", ".pyd"))
    if module in name_set and any(os.path.exists(os.path.join(place, init)) for init in inits):
        return True
    return f"{module}.py" in name_set or any(
        name.startswith(f"{module}.") and name.endswith((".so", ".pyd")) for name in name_set
    )


_ENDINGS = re.compile(rb"\.(?=py,|so[,.]|dll,|pyd,|dylib,)")
_LONGEST_SIZE = 18
"""Most digits of a size; more is nonsense."""
_OUTSIDE = (b'"', b"/", b"../", b"./")
"""Prefixes of quoted paths, which contain a comma, and of paths outside the site folder."""
_LONGEST = 4096
"""Most bytes of a path; a longer one is invalid."""
_LEAST = 0.75
"""Share of its recorded size that a library keeps when it is stripped of symbols; less is an incomplete download."""
_LEFT_OUT = frozenset({"tests", "test", "examples", "benchmarks", "benchmark", "docs"})
"""Folders that people delete to save space, and that nothing imports."""


def expected(record: bytes) -> tuple[dict[bytes, set[bytes]], dict[bytes, int]]:
    """Return folder -> names that should be in it (no data or byte code), and native library or package -> size.

    The latter includes the __init__.py of each top-level package.
    """
    folders: dict[bytes, set[bytes]] = {}
    natives: dict[bytes, int] = {}
    below = b"\n"
    for match in _ENDINGS.finditer(record):
        at = match.start()
        begin = record.rfind(b"\n", max(at - _LONGEST, 0), at) + 1
        if not begin and at > _LONGEST:
            continue
        python = record.startswith(b"py,", at + 1)
        if record.startswith(below, begin) and python:
            continue  # its folder is already recorded
        end = at + 3 if python else record.find(b",", at, at + _LONGEST)
        if end < 0:
            continue
        path = record[begin:end]
        folder, _, name = path.rpartition(b"/")
        if path.startswith(_OUTSIDE) or not (python or _is_native(name)):
            continue
        if not python or (name == b"__init__.py" and b"/" not in folder):
            size = record[end : end + _LONGEST].partition(b"\n")[0].rpartition(b",")[2].strip()
            recorded_size = int(size) if size.isdigit() and len(size) < _LONGEST_SIZE else 0
            natives[path] = recorded_size
        elif folder.count(b"/") > 1:
            first, second, name, _ = path.split(b"/", 3)
            folder = first + b"/" + second
            below = folder + b"/" + name + b"/"
        folders.setdefault(folder, set()).add(name)
    return folders, natives


def _is_native(name: bytes) -> bool:
    """Return whether a file is a native library, such as libx.so, libx.so.9.1 or x.pyd, but not x.sort.txt."""
    _, dot, after = name.rpartition(b".so.")
    ends = name.endswith((b".so", b".pyd", b".dll", b".dylib"))
    return ends or (bool(dot) and after.replace(b".", b"").isdigit())


def missing(
    site: str, record: bytes, resized: list[tuple[str, int, int]] | None = None
) -> list[str]:
    """Return the files and folders in `record` that `site` lacks, and libraries that are cut off or dangling links.

    Packages whose __init__.py has another size than in RECORD, which users often change, are added to `resized` with
    the actual and the recorded size.
    """
    root = os.fsencode(site)
    folders, natives = expected(record)
    gone: list[bytes] = []
    for folder, names in folders.items():
        try:
            have = set(os.listdir(os.path.join(root, folder)))
        except FileNotFoundError:
            gone.append(folder + b"/")
            continue
        except OSError:
            continue  # it is not readable, so nothing is known
        if not names <= have:
            lost = names - have
            gone += (folder + b"/" + n if folder else n for n in lost if n + b"c" not in have)
    missing_paths = {
        os.fsdecode(path) for path in gone if not _LEFT_OUT & {*os.fsdecode(path).split("/")}
    }
    missing_paths |= _cut_short(root, natives, resized)
    return sorted(
        path
        for path in missing_paths
        if not any(parent in missing_paths for parent in _above(path))
    )


def _cut_short(
    root: bytes, natives: dict[bytes, int], resized: list[tuple[str, int, int]] | None
) -> set[str]:
    """Return libraries that are cut off or dangling links; add changed packages to `resized`."""
    damaged: set[str] = set()
    for path, size in natives.items():
        try:
            have_bytes = os.stat(os.path.join(root, path)).st_size if size else 0
        except OSError:
            if os.path.islink(os.path.join(root, path)):
                damaged.add(f"{os.fsdecode(path)} (a link to nothing)")
            continue
        if path.endswith(b".py") and have_bytes:
            if have_bytes != size and resized is not None:
                resized.append((os.fsdecode(path), have_bytes, size))
        elif have_bytes < size * _LEAST:
            cut = f"{have_bytes} of {size} bytes" if have_bytes else "empty"
            damaged.add(f"{os.fsdecode(path)} ({cut})")
    return damaged


def _above(path: str) -> list[str]:
    """Return the parent folders of a path, each with a slash at the end."""
    names = path.rstrip("/").split("/")
    return ["/".join(names[:count]) + "/" for count in range(1, len(names))]
