"""Pages of a package index: HTML as PEP 503 and PEP 658 describe it -> links."""

from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

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
    requires_python: str
    yanked: bool = False
    """Withdrawn by its makers: it counts as a file and is chosen by nobody."""


class Page(NamedTuple):
    """A page as it was read."""

    links: tuple[Link, ...]
    whole: bool
    """It ends as HTML does: a page that was cut does not."""

    def files(self, project: str) -> int:
        """Return how many wheels of a project the page names."""
        start = f"{project}-"
        return len({one.name for one in self.links if one.name.lower().startswith(start)})


def parsed(data: bytes, base: str) -> Page:
    """Return the wheels that a page links to; never raises. `base`: the URL of the page."""
    text = data.decode("utf-8", "replace")
    reader = _Reader(base)
    try:
        reader.feed(text)
        reader.close()
    except AssertionError:  # of html.parser, for broken declarations
        return Page(tuple(reader.links), whole=False)
    return Page(tuple(reader.links), whole=reader.ended)


class _Reader(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.links: list[Link] = []
        self.ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link; <base href> moves those that follow."""
        values = {name: value or "" for name, value in attrs}
        href = values.get("href", "")
        if not href or len(href) > LONGEST:
            return
        try:
            url, fragment = urldefrag(urljoin(self.base, href))
            path = urlsplit(url).path
        except ValueError:  # a host in broken brackets
            return
        if tag == "base":
            self.base = url
        name = unquote(path.rpartition("/")[2])
        if tag == "a" and name.endswith(".whl"):
            metadata = values.get("data-core-metadata") or values.get("data-dist-info-metadata", "")
            self.links.append(
                Link(
                    name,
                    url,
                    _hash(fragment),
                    _hash(metadata),
                    values.get("data-requires-python", "")[:100],
                    "data-yanked" in values,
                )
            )

    def handle_endtag(self, tag: str) -> None:
        """Note the end of the page."""
        self.ended = self.ended or tag == "html"


def _hash(text: str) -> str:
    name, _, value = text.strip().partition("=")
    good = len(value) == 64 and all(c in "0123456789abcdefABCDEF" for c in value)
    return value.lower() if name == "sha256" and good else ""
