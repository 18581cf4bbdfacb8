"""Package indexes: which are asked, their pages (HTML as in PEP 503 and 658, JSON as in PEP 691), and the wheels."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import msgspec
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from tunedoctor.model.versions import at_least, parts
from tunedoctor.refresh.fetch import host_of
from tunedoctor.system.child import run
from tunedoctor.tables.updated import RELEASE
from tunedoctor.tables.wheel_rows import VARIANT, in_order
from tunedoctor.tables.wheels import cuda_of
from tunedoctor.wheels.rules import FAMILIES, index_of

HOSTS = frozenset({"download.pytorch.org", "download-r2.pytorch.org"})
"""PyTorch's index links to files on the second host."""
LONGEST = 2000
"""Most characters of a link; longer ones are not file names."""
OLDEST = "2.0.0"
"""First release in the table."""
_TAG = re.compile(r"""<(a|base)\s((?:[^<>"']|"[^"<]{0,4000}"|'[^'<]{0,4000}')*+)>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""([a-z][a-z0-9-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?""", re.IGNORECASE
)
_LABELS = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
"""Old names of platform tags -> glibc: PEP 513, 571, 599."""


class Indexes(NamedTuple):
    """The indexes with wheels."""

    torch: str
    """URL of PyTorch's index or a mirror, with a trailing slash."""
    default: str
    """URL of the default index; "" if unknown."""

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts that PyTorch's pages may come from."""
        own = frozenset({host_of(self.torch)})
        return own | HOSTS if own <= HOSTS else own


def indexes(requested: str, default: str) -> Indexes:
    """Return the indexes: `asked` or PyTorch's own, and the default one, else pip's and uv's. Raises ValueError."""
    torch = requested.strip() or index_of()
    if not _is_url(torch) or "?" in torch or "#" in torch:
        raise ValueError(f"{torch[:100]!r} is not the URL of an index")
    default = default or standard_index()
    # a local folder instead of an index has no pages
    default = f"{default.rstrip('/')}/" if _is_url(default) else ""
    return Indexes(torch.rstrip("/") + "/", default)


def _is_url(text: str) -> bool:
    scheme, _, rest = text.partition("://")
    return scheme in ("http", "https") and bool(rest.partition("/")[0]) and text.split() == [text]


def standard_index(uv: str = "uv") -> str:
    """Return the standard index from the help of uv, else pip: the one that an installer without settings uses."""
    of_pip = (sys.executable, "-m", "pip", "help", "install")
    for argv in ((uv, "pip", "install", "--help"), of_pip):
        text = run(argv, timeout=20).out
        if match := re.search(r"default:?\s+<?(https?://[^\s>)\]]+)[>)]", text):
            return match[1].rstrip("/") + "/"
    return ""


class Link(NamedTuple):
    """A file that a page lists."""

    name: str
    """torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl."""
    url: str
    """Absolute, without its fragment."""
    sha256: str
    """Hash of the file on the page; "" if it has none."""
    metadata_sha256: str
    """Hash of the file's metadata at URL.metadata; "" if there is none."""
    yanked: bool = False
    """Withdrawn by its makers: it counts as a file but is never chosen."""


class Page(NamedTuple):
    """A parsed page."""

    links: tuple[Link, ...]
    whole: bool
    """It ends like complete HTML or JSON; a page that was cut off does not."""
    variants: tuple[Link, ...] = ()
    """Files NAME-VERSION-variants.json (PEP 825)."""
    sources: tuple[str, ...] = ()
    """Names of source files: flash_attn-2.8.3.tar.gz."""

    def files(self, project: str) -> int:
        """Return the number of a project's wheels on the page."""
        start = f"{project}-"
        return len({link.name for link in self.links if link.name.lower().startswith(start)})


SOURCE = (".tar.gz", ".zip")
"""Suffixes of source distributions."""


def parsed(data: bytes, base: str) -> Page:
    """Return the wheels and the source files that a page links to; never raises. `base`: the URL of the page."""
    rows, whole = _of_json(data) if data.lstrip()[:1] == b"{" else _of_html(data)
    links: list[Link] = []
    variants: list[Link] = []
    sources: list[str] = []
    for tag, values in rows:
        href = values.get("href", "")
        if not href or len(href) > LONGEST:
            continue
        try:
            url, fragment = urldefrag(urljoin(base, href))
            path = urlsplit(url).path
        except ValueError:  # a host in broken brackets
            continue
        if tag.lower() == "base":
            base = url
            continue
        name = unquote(path.rpartition("/")[2])
        if name.endswith((".whl", "-variants.json")):
            into = links if name.endswith(".whl") else variants
            metadata = values.get("data-core-metadata") or values.get("data-dist-info-metadata", "")
            into.append(Link(name, url, _hash(fragment), _hash(metadata), "data-yanked" in values))
        elif name.endswith(SOURCE):
            sources.append(name)
    return Page(tuple(links), whole, tuple(variants), tuple(sources))


_Tags = tuple[list[tuple[str, dict[str, str]]], bool]
"""Tags with their attributes, and whether the page is complete."""


def _of_html(data: bytes) -> _Tags:
    """Parse with patterns that are all linear: html.parser takes minutes for 100 kB of hostile HTML ("<a <a <a …")."""
    text = data.decode("utf-8", "replace")
    rows: list[tuple[str, dict[str, str]]] = []
    for tag, attributes_text in _TAG.findall(text):
        attributes: dict[str, str] = {}
        for name, *values in _ATTRIBUTE.findall(attributes_text[: LONGEST * 4]):
            attributes.setdefault(
                name.lower(), unescape("".join(values))
            )  # the first of two counts
        rows.append((tag, attributes))
    _, end, after = text.lower().partition("</html")
    return rows, bool(end) and after.lstrip()[:1] == ">"


class _IndexFile(msgspec.Struct, rename="kebab"):
    url: str
    hashes: dict[str, str] = {}
    core_metadata: bool | dict[str, str] = False
    yanked: bool | str = False


class _Project(msgspec.Struct):
    files: tuple[_IndexFile, ...]


def _of_json(data: bytes) -> _Tags:
    try:
        parsed_project = msgspec.json.decode(data, type=_Project)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [], False
    rows: list[tuple[str, dict[str, str]]] = []
    for file in parsed_project.files:
        values = {"href": f"{file.url}#sha256={file.hashes.get('sha256', '')}"}
        if isinstance(file.core_metadata, dict):
            values["data-core-metadata"] = f"sha256={file.core_metadata.get('sha256', '')}"
        rows.append(("a", values | ({"data-yanked": ""} if file.yanked is not False else {})))
    return rows, True


def _hash(text: str) -> str:
    name, _, value = text.strip().partition("=")
    good = len(value) == 64 and all(c in "0123456789abcdefABCDEF" for c in value)
    return value.lower() if name == "sha256" and good else ""


class Wheel(NamedTuple):
    """A wheel on a page, and what its name says."""

    link: Link
    project: str
    release: str
    variant: str
    """cu132, rocm7.2, xpu, cpu; "cpu" for wheels without a label, such as those for macOS."""
    family: str
    """linux_x86_64 ...; "any" for wheels without compiled code."""
    python: str
    """3.12, 3.14t, "any"."""
    floor: str
    """Oldest glibc or macOS in a platform tag; "" if there is none, as for Windows and plain linux_x86_64."""


Builds = Mapping[tuple[str, str, str], tuple[str, ...]]
"""(platform family, variant, floor) -> Python tags, oldest first."""


def wheel_of(link: Link) -> Wheel | None:
    """Parse a file name; None if it is not a wheel, is a pre-release, or has an unknown label, platform or Python.

    A file for Linux on aarch64 without a label belongs to the variant of its folder (torch 2.5 cu124).
    """
    try:
        project, version, _, tags = parse_wheel_filename(link.name)
    except (InvalidWheelFilename, InvalidVersion, ValueError):
        return None
    supported_tags = [tag for tag in tags if _family(tag.platform) and _python(tag)]
    if version.is_prerelease or not RELEASE.fullmatch(version.public) or not supported_tags:
        return None
    tag = min(
        supported_tags,
        key=lambda supported_tag: (parts(_floor(supported_tag.platform)), supported_tag.platform),
    )
    family = _family(tag.platform)
    folders = unquote(link.url).split("/")[:-1] if family == "linux_aarch64" else []
    variant = version.local or ["cpu", *filter(cuda_of, folders)][-1]
    if not VARIANT.fullmatch(variant):
        return None
    python, floor = _python(tag), _floor(tag.platform)
    return Wheel(link, project, version.public, variant, family, python, floor)


def wheels_of(project: str, files: Iterable[str]) -> Iterator[tuple[str, Version, set[str]]]:
    """Yield the file names that are wheels of a project, with their version and platforms ("any", "win_amd64" …)."""
    canonical = canonicalize_name(project)
    for file in files:
        if file[:1].lower() == canonical[:1]:
            try:
                name, version, _, tags = parse_wheel_filename(file)
            except (InvalidWheelFilename, InvalidVersion):
                continue
            if name == canonical:
                yield file, version, {tag.platform for tag in tags}


def sources_of(project: str, files: Iterable[str]) -> Iterator[Version]:
    """Yield the versions whose source the page has: NAME-VERSION.tar.gz or .zip."""
    canonical = canonicalize_name(project)
    for file in files:
        if file[:1].lower() == canonical[:1] and file.endswith(SOURCE):
            try:
                name, version = parse_sdist_filename(file)
            except (InvalidSdistFilename, InvalidVersion):
                continue
            if name == canonical:
                yield version


def _family(platform: str) -> str:
    if platform in ("any", "win_amd64"):
        return platform
    arch = next(
        (suffix for suffix in ("x86_64", "aarch64", "arm64") if platform.endswith(suffix)), "none"
    )
    name, *numbers = platform.removesuffix(arch).rstrip("_").split("_")
    floored = len(numbers) == 2 and all(
        number.isdecimal() and len(number) < 4 for number in numbers
    )
    plain = name in ("linux", *_LABELS) and not numbers
    if not (floored if name in ("manylinux", "macosx") else plain):
        return ""
    family = f"{'macos' if name == 'macosx' else 'linux'}_{arch}"
    return family if family in FAMILIES else ""


def _python(tag: Tag) -> str:
    """Return "3.12" for cp312-cp312, "3.14t" for cp314-cp314t, "any" for py3-none; "" for others."""
    if tag.interpreter in ("py3", "py2.py3") and tag.abi == "none":
        return "any"
    digits = tag.interpreter.removeprefix("cp")
    numbers = digits.isascii() and digits.isdigit() and 1 < len(digits) < 5
    if not numbers or tag.abi not in (f"cp{digits}", f"cp{digits}t"):
        return ""
    return f"{digits[0]}.{int(digits[1:])}{'t' * tag.abi.endswith('t')}"


def _floor(platform: str) -> str:
    name, *numbers = platform.split("_")
    return ".".join(numbers[:2]) if name in ("manylinux", "macosx") else _LABELS.get(name, "")


def releases(
    links: Iterable[Link], project: str = "torch", oldest: str = OLDEST
) -> dict[str, tuple[Wheel, ...]]:
    """Return release -> its wheels, oldest first; withdrawn files and old releases are left out."""
    by_release: dict[str, tuple[Wheel, ...]] = {}
    for link in links:
        wheel = None if link.yanked else wheel_of(link)
        if wheel and wheel.project == project and at_least(wheel.release, oldest):
            by_release[wheel.release] = (*by_release.get(wheel.release, ()), wheel)
    return {version: by_release[version] for version in in_order(by_release)}


def builds_of(wheels: Iterable[Wheel]) -> Builds:
    """Return the builds of one release.

    The floor is the highest glibc in the names of the variant's files, or each Python's own macOS; "" if the names
    have none. Each Python appears once, under the lowest floor.
    """
    every = [wheel for wheel in wheels if wheel.family != "any"]
    pythons_by_build: dict[tuple[str, str, str], list[str]] = {}
    for family, variant in dict.fromkeys((wheel.family, wheel.variant) for wheel in every):
        mine = [wheel for wheel in every if (wheel.family, wheel.variant) == (family, variant)]
        highest = max((wheel.floor for wheel in mine), key=parts)
        own = "mps" if family == "macos_arm64" else variant
        for python in sorted({wheel.python for wheel in mine} - {"any"}, key=python_order):
            lowest = min((wheel.floor for wheel in mine if wheel.python == python), key=parts)
            floor = lowest if family.startswith("macos") else highest
            pythons_by_build.setdefault((family, own, floor), []).append(python)
    return {key: tuple(pythons) for key, pythons in pythons_by_build.items()}


def python_order(python: str) -> tuple[bool, tuple[int, ...]]:
    """Return a sort key for Python tags, in the order of the table: 3.9, 3.10, 3.13t."""
    return (python.endswith("t"), parts(python.rstrip("t")))
