"""Read which packages a lock file installs on one platform and Python."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from tunedoctor.facts.clean import clean_text
from tunedoctor.model.versions import normalised, within
from tunedoctor.system.reading import toml

_MOST_PACKAGES = 20_000
_LONGEST_MARKER = 20_000
"""Characters; those of a project with five extras that exclude each other have 10,000."""
_BUILD_IN_URL = re.compile(r"/(cu\d{2,3}|rocm\d[\d.]*|xpu|cpu)(?=/|$)")
"""PyTorch's indexes, and mirrors of them, end with the name of a build: .../whl/cu128."""
_CONFLICT_ITEM = re.compile(r"extra (==|!=) ['\"]([^'\"]{1,300})['\"]")
"""Part of a marker of uv.lock: whether an extra or a group that excludes others is chosen."""

Row = Mapping[str, Any]


class LockError(ValueError):
    """A lock file cannot be read; the message says why."""


class PlatformNotLockedError(LockError):
    """A lock is made for other platforms; the message says for which."""


class LockedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package as a lock installs it."""

    name: str
    """Normalised."""
    version: str
    build: str = ""
    """Name of the build in the URL of its index or file: "cu128", "rocm6.4", "cpu"; "" if there is none."""
    conda_build: str = ""
    """For a conda package its build: "cuda126_py312h0"."""


class Selection(NamedTuple):
    """Which part of a lock is installed, and where."""

    environment: Mapping[str, str]
    """Values of the variables that markers compare, as `packaging` names them."""
    extras: Collection[str] = ()
    groups: Collection[str] = ()
    """Dependency groups in addition to the ones that are installed by default."""
    default_groups: Collection[str] = ("dev",)
    """Dependency groups that uv installs by default."""
    conda_platform: str = ""
    """Name of the platform in pixi.lock: "linux-64"."""


class Locked(NamedTuple):
    """What a lock installs."""

    packages: tuple[LockedPackage, ...]
    extras_with_torch: tuple[str, ...] = ()
    """Extras and groups that were not chosen and would bring torch."""


def read_locked_packages(file: str, text: str, selection: Selection) -> Locked:
    """Return the packages that a lock installs, sorted by name.

    `file`: the lock's name, which tells its format. Raises LockError if it cannot be read.
    """
    if file == "pixi.lock":
        return Locked(_unique(_pixi_packages(text, selection.conda_platform)))
    try:
        document = toml(text)
    except (ValueError, RecursionError) as error:
        raise LockError(f"{file} is not valid TOML: {clean_text(str(error))[:200]}") from error
    try:
        if file == "uv.lock":
            return _UvLock(document, selection).locked()
        return Locked(_unique(_FLAT[file](document, selection)))
    except (KeyError, TypeError, AttributeError) as error:
        raise LockError(f"{file} does not have the expected form") from error


def _rows(table: Row, key: str) -> list[Row]:
    rows = table.get(key) or []
    if not isinstance(rows, list):
        raise TypeError(key)
    return [row for row in islice(rows, _MOST_PACKAGES) if isinstance(row, dict)]


def _unique(packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    found: dict[str, LockedPackage] = {}
    for one in packages:
        found.setdefault(one.name, one)
    return tuple(found[name] for name in sorted(found))


def marker_holds(marker: str, environment: Mapping[str, str], chosen: Collection[str] = ()) -> bool:
    """Return whether a marker is true; one that cannot be read counts as true.

    `chosen`: names of extras and groups as uv.lock writes them in markers, such as "extra-4-demo-cpu".
    """
    if not marker or len(marker) > _LONGEST_MARKER:
        return True

    def decided(match: re.Match[str]) -> str:
        true = (match[2] in chosen) == (match[1] == "==")
        return f"python_version {'>=' if true else '<'} '0'"

    try:
        parsed = Marker(_CONFLICT_ITEM.sub(decided, marker))
        return parsed.evaluate(dict(environment))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        return True


class _UvLock:
    """A uv.lock: a graph, walked from the project and the members of its workspace."""

    def __init__(self, document: Row, selection: Selection) -> None:
        self._selection = selection
        self._packages: dict[str, list[Row]] = {}
        for row in _rows(document, "package"):
            self._packages.setdefault(normalised(str(row["name"])), []).append(row)
        members = document.get("manifest", {}).get("members", [])
        names = {normalised(str(one)) for one in members}
        rows = [row for rows in self._packages.values() for row in rows]
        # without a project at the root, uv installs all members of the workspace
        self._roots = [row for row in rows if _is_root(row)] or [
            row for row in rows if normalised(str(row["name"])) in names or _is_local(row)
        ]
        if not self._roots:
            raise LockError("uv.lock names no project whose packages it locks")
        supported = [str(one) for one in document.get("supported-markers", [])]
        environment = selection.environment
        if supported and not any(marker_holds(one, environment) for one in supported):
            raise PlatformNotLockedError(f"uv.lock is made only for {' or '.join(supported)[:300]}")

    def locked(self) -> Locked:
        """Return what is installed, and which other extras and groups would bring torch."""
        extras = {*self._selection.extras}
        groups = {*self._selection.groups, *self._selection.default_groups}
        packages = self._installed(extras, groups)
        if any(one.name == "torch" for one in packages):
            return Locked(packages)
        others = dict[str, None]()
        for root in self._roots:
            for name in root.get("optional-dependencies", {}):
                if self._has_torch(extras | {name}, groups):
                    others[name] = None
            for name in root.get("dev-dependencies", {}):
                if self._has_torch(extras, groups | {name}):
                    others[name] = None
        return Locked(packages, tuple(others))

    def _has_torch(self, extras: set[str], groups: set[str]) -> bool:
        return any(one.name == "torch" for one in self._installed(extras, groups))

    def _installed(self, extras: set[str], groups: set[str]) -> tuple[LockedPackage, ...]:
        chosen: set[str] = set()
        for root in self._roots:
            name = str(root["name"])
            chosen |= {f"extra-{len(name)}-{name}-{extra}" for extra in extras}
            chosen |= {f"group-{len(name)}-{name}-{group}" for group in groups}
        seen: set[tuple[int, str]] = set()
        found: dict[int, Row] = {}
        waiting: list[tuple[Row, str]] = []
        for root in self._roots:
            waiting.append((root, ""))
            optional, dev = root.get("optional-dependencies", {}), root.get("dev-dependencies", {})
            for table, names in ((optional, extras), (dev, groups)):
                for name in names & table.keys():
                    waiting += self._followed(table[name], chosen)
        while waiting:
            row, extra = waiting.pop()
            if (id(row), extra) in seen:
                continue
            seen.add((id(row), extra))
            found[id(row)] = row
            table = row.get("optional-dependencies", {}).get(extra, []) if extra else []
            waiting += self._followed([*row.get("dependencies", []), *table], chosen)
        installed = [row for row in found.values() if "version" in row and not _is_local(row)]
        for row in installed:
            if row["name"] == "torch" and not _has_wheel(row, self._selection.environment):
                version, platform = row["version"], self._selection.environment["sys_platform"]
                raise PlatformNotLockedError(
                    f"the torch {version} of uv.lock has no wheel for {platform}"
                )
        return _unique(
            _package(row, _source(row).get("registry"), _source(row).get("url"))
            for row in installed
        )

    def _followed(self, dependencies: Iterable[Row], chosen: set[str]) -> list[tuple[Row, str]]:
        """Return the packages that a list of dependencies leads to, each with an extra of it or ""."""
        found: list[tuple[Row, str]] = []
        for one in dependencies:
            if not marker_holds(str(one.get("marker", "")), self._selection.environment, chosen):
                continue
            for row in self._packages.get(normalised(str(one["name"])), []):
                if "version" in one and row.get("version") != one["version"]:
                    continue
                if "source" in one and row.get("source") != one["source"]:
                    continue
                if not self._row_applies(row, chosen, named="version" in one):
                    continue
                found.append((row, ""))
                found += [(row, str(extra)) for extra in one.get("extra", ())]
        return found

    def _row_applies(self, row: Row, chosen: set[str], *, named: bool) -> bool:
        """Return whether a package that is locked for some platforms is for this one."""
        markers = row.get("resolution-markers", ())
        several = len(self._packages[normalised(str(row["name"]))]) > 1
        if not markers or named or not several:
            return True
        environment = self._selection.environment
        return any(marker_holds(str(one), environment, chosen) for one in markers)


_WHEEL_PLATFORMS = {"linux": "linux", "win32": "win", "darwin": "macosx"}


def _has_wheel(row: Row, environment: Mapping[str, str]) -> bool:
    """Return whether one of the wheels of a package, if the lock names any, is for the platform."""
    platform = _WHEEL_PLATFORMS.get(environment.get("sys_platform", ""), "")
    files = [
        str(one.get("url") or one.get("path") or one.get("filename") or "")
        for one in row.get("wheels", ())
    ]
    tags = [file.removesuffix(".whl").rpartition("-")[2] for file in files if file.endswith(".whl")]
    return not tags or not platform or any(platform in tag or tag == "any" for tag in tags)


def _source(row: Row) -> Row:
    source = row.get("source")
    return source if isinstance(source, dict) else {}


def _is_root(row: Row) -> bool:
    return any(_source(row).get(key) == "." for key in ("virtual", "editable"))


def _is_local(row: Row) -> bool:
    return any(key in _source(row) for key in ("virtual", "editable"))


def build_in_url(*places: object) -> str:
    """Return the name of a PyTorch build that an index or a file's address ends with."""
    found = _BUILD_IN_URL.search(" ".join(str(place)[:2000] for place in places if place))
    return found[1] if found else ""


def _applies(row: Row, selection: Selection, markers: object, python_key: str) -> bool:
    """Return whether a package is for the platform and the Python. `markers`: a text, or texts by group."""
    texts = markers.values() if isinstance(markers, dict) else [markers or ""]
    if not any(marker_holds(str(one), selection.environment) for one in texts):
        return False
    specifier = str(row.get(python_key, ""))
    if specifier in ("", "*"):
        return True
    return within(selection.environment.get("python_full_version", ""), specifier) is not False


def _poetry_packages(document: Row, selection: Selection) -> Iterable[LockedPackage]:
    extras = document.get("extras", {})
    asked = {
        normalised(str(name).split(" ")[0].split("[")[0])
        for extra in selection.extras
        for name in extras.get(extra, [])
    }
    unneeded = _unneeded(document, selection.environment)
    for row in _rows(document, "package"):
        groups = row.get("groups")
        if groups is not None and not {*groups} & {"main", "dev", *selection.groups}:
            continue
        if groups is None and normalised(str(row["name"])) in unneeded:
            continue
        if row.get("optional") and normalised(str(row["name"])) not in asked:
            continue
        if _applies(row, selection, row.get("markers"), "python-versions"):
            yield _package(row, _source(row).get("url"))


def _unneeded(document: Row, environment: Mapping[str, str]) -> set[str]:
    """Return the packages of a poetry.lock that are required on other platforms alone.

    Before Poetry 2 the condition stands only in the requirements of the packages that need them.
    """
    rows = {normalised(str(row["name"])): row for row in _rows(document, "package")}
    gone: set[str] = set()
    while True:
        needed: dict[str, bool] = {}
        for name, row in rows.items():
            for required, value in row.get("dependencies", {}).items() if name not in gone else ():
                several = value if isinstance(value, list) else [value]
                markers = [
                    str(one.get("markers", "")) if isinstance(one, dict) else "" for one in several
                ]
                holds = any(marker_holds(one, environment) for one in markers)
                key = normalised(str(required))
                needed[key] = needed.get(key, False) or holds
        more = {name for name, holds in needed.items() if not holds}
        if more == gone:
            return gone
        gone = more


def _pdm_packages(document: Row, selection: Selection) -> Iterable[LockedPackage]:
    wanted = {"default", "dev", *selection.groups, *selection.extras}
    for row in _rows(document, "package"):
        groups = row.get("groups")
        if groups is not None and not {*groups} & wanted:
            continue
        if "version" in row and _applies(row, selection, row.get("marker"), "requires_python"):
            yield _package(row)


def _pylock_packages(document: Row, selection: Selection) -> Iterable[LockedPackage]:
    for row in _rows(document, "packages"):
        if "version" in row and _applies(row, selection, row.get("marker"), "requires-python"):
            yield _package(row, row.get("index"))


def _package(row: Row, *places: object) -> LockedPackage:
    """Return the package of a row; `places`: URLs that can name its build."""
    return LockedPackage(
        name=normalised(str(row["name"])),
        version=str(row["version"]),
        build=build_in_url(*places),
    )


_FLAT: dict[str, Callable[[Row, Selection], Iterable[LockedPackage]]] = {
    "poetry.lock": _poetry_packages,
    "pdm.lock": _pdm_packages,
    "pylock.toml": _pylock_packages,
}
"""Locks in which each package says when it is installed."""

_PIXI_ENVIRONMENT = re.compile(r"^  ([\w-]{1,100}):\s*$")
_PIXI_PLATFORM = re.compile(r"^      ([\w-]{1,40}):\s*$")
_PIXI_PACKAGE = re.compile(r"^      - (conda|pypi): (\S{1,2000})\s*$")
_CONDA_FILE = re.compile(r"^(.+)-([^-]+)-([^-]+)\.(?:conda|tar\.bz2)$")
_WHEEL_FILE = re.compile(
    r"^([A-Za-z0-9][A-Za-z0-9._]*)-([^-]+)-(?:\d[^-]*-)?[^-]+-[^-]+-[^-]+\.whl$"
)
_SDIST_FILE = re.compile(r"^(.+)-(\d[^-]*)\.(?:tar\.gz|zip)$")


def _pixi_packages(text: str, platform: str) -> Iterable[LockedPackage]:
    """Yield the packages of pixi's environment "default"; the file is YAML that pixi writes, one package a line."""
    environment = current = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            environment = ""
            if line.startswith("packages:"):
                return
        elif match := _PIXI_ENVIRONMENT.match(line):
            environment = match[1]
        elif match := _PIXI_PLATFORM.match(line):
            current = match[1]
        elif environment == "default" and current == platform:
            match = _PIXI_PACKAGE.match(line)
            yield from _of_url(match[1], match[2]) if match else ()


def _of_url(kind: str, url: str) -> Iterable[LockedPackage]:
    file = unquote(url.partition("#")[0].partition("?")[0].rpartition("/")[2])
    if kind == "conda":
        if match := _CONDA_FILE.match(file):
            yield LockedPackage(name=match[1].lower(), version=match[2], conda_build=match[3])
        return
    match = _WHEEL_FILE.match(file) or _SDIST_FILE.match(file)
    if match:
        yield LockedPackage(name=normalised(match[1]), version=match[2], build=build_in_url(url))
