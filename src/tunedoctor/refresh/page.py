"""Pages of a package index -> links: HTML as PEP 503 and PEP 658 describe it, JSON as PEP 691."""

import re
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import msgspec

LONGEST = 2000
"""Characters of a link; longer ones are no file names."""


class Link(NamedTuple):
    """A file that a page names."""

    name: str
    """torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl."""
    url: str
    """Absolute, without its fragment."""
    sha256: str
    """Of the file, as the page says; "" where it says none."""
    metadata_sha256: str
    """Of the file's metadata at URL.metadata; "" where there is none, or without a hash."""
    yanked: bool = False
    """Withdrawn by its makers: it counts as a file and is chosen by nobody."""


class Page(NamedTuple):
    """A page as it was read."""

    links: tuple[Link, ...]
    whole: bool
    """It ends as HTML or JSON does: a page that was cut does not."""
    variants: tuple[Link, ...] = ()
    """Files NAME-VERSION-variants.json (PEP 825)."""

    def files(self, project: str) -> int:
        """Return how many wheels of a project the page names."""
        start = f"{project}-"
        return len({one.name for one in self.links if one.name.lower().startswith(start)})


_TAG = re.compile(r"""<(a|base)\s((?:[^<>"']|"[^"<]{0,4000}"|'[^'<]{0,4000}')*+)>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""([a-z][a-z0-9-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?""", re.IGNORECASE
)
_END = re.compile(r"</html\s*>", re.IGNORECASE)


def parsed(data: bytes, base: str) -> Page:
    """Return the wheels that a page links to; never raises. `base`: the URL of the page."""
    rows, whole = _of_json(data) if data.lstrip()[:1] == b"{" else _of_html(data)
    links: list[Link] = []
    variants: list[Link] = []
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
    return Page(tuple(links), whole, tuple(variants))


Rows = list[tuple[str, dict[str, str]]]
"""Tags with their attributes."""


def _of_html(data: bytes) -> tuple[Rows, bool]:
    """Read by patterns, each linear: html.parser takes minutes for 100 kB of hostile HTML ("<a <a <a …")."""
    text = data.decode("utf-8", "replace")
    rows = [(tag, _attributes(inside)) for tag, inside in _TAG.findall(text)]
    return rows, _END.search(text) is not None


class _File(msgspec.Struct, rename="kebab"):
    url: str
    hashes: dict[str, str] = {}
    core_metadata: bool | dict[str, str] = False
    yanked: bool | str = False


class _Project(msgspec.Struct):
    files: tuple[_File, ...]


def _of_json(data: bytes) -> tuple[Rows, bool]:
    """Read the same as attributes of HTML."""
    try:
        found = msgspec.json.decode(data, type=_Project)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [], False
    rows: Rows = []
    for one in found.files:
        values = {"href": f"{one.url}#sha256={one.hashes.get('sha256', '')}"}
        if isinstance(one.core_metadata, dict):
            values["data-core-metadata"] = f"sha256={one.core_metadata.get('sha256', '')}"
        rows.append(("a", values | ({"data-yanked": ""} if one.yanked is not False else {})))
    return rows, True


def _attributes(text: str) -> dict[str, str]:
    """Return the attributes of a tag; of two with one name the first counts, as in HTML."""
    found: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(text[: LONGEST * 4]):
        found.setdefault(name.lower(), unescape("".join(values)))
    return found


def _hash(text: str) -> str:
    name, _, value = text.strip().partition("=")
    good = len(value) == 64 and all(c in "0123456789abcdefABCDEF" for c in value)
    return value.lower() if name == "sha256" and good else ""
