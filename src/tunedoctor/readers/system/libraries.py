"""Which shared libraries win: ldd and ldconfig -p."""

from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.facts import Errors, ErrorText, Fact, LibraryPath, LibraryShadow
from tunedoctor.probes.library_path import version_of
from tunedoctor.readers.paste import Paste, search

_MOST = 60
_MOST_ROWS = 4000


class _Row(NamedTuple):
    """One library that a file wants."""

    whose: str
    """The file, or the command that asked for it."""
    library: str
    number: str
    place: str
    line: int

    @property
    def of_torch(self) -> bool:
        """The file names the folders of its own wheels; others count on torch to have loaded what they need."""
        return bool(search("library.own", self.whose))


def libraries(paste: Paste) -> list[Fact]:
    """Return LibraryPath with foreign libraries that a wheel's library would load, and Errors for those not found."""
    rows = _rows(paste)
    # the cache is searched from its top; a stub has no driver behind it, a compat library is often meant
    cached = paste.first("ldd.cache")
    shadows = {"libcuda": LibraryShadow("libcuda", cached)} if "/stubs/" in cached else {}
    for one in rows:
        foreign = one.place.startswith("/") and not search("library.site", one.place)
        if foreign and one.of_torch and search("library.of_wheels", one.library):
            version = version_of(one.place) or one.number.lstrip(".")
            shadows.setdefault(one.library, LibraryShadow(one.library, one.place, version))
    lacking = _lacking(rows)
    facts: list[Fact] = [LibraryPath(shadows=tuple(shadows.values()))] if shadows else []
    return [*facts, Errors(errors=lacking)] if lacking else facts


def _rows(paste: Paste) -> list[_Row]:
    """Return what ldd lists, each with the file above it that it was asked for."""
    found = paste.each("ldd.row")
    if not found:
        return []
    heads = {hit.line: hit.found[1] for hit in paste.each("ldd.head")}
    for one in paste.shown:
        heads[one.line] = one.command if search("library.asked", one.command) else ""
    above = iter(sorted(heads.items()))
    whose, following = "", next(above, None)
    rows: list[_Row] = []
    for hit in found[:_MOST_ROWS]:
        while following and following[0] <= hit.line:
            whose, following = following[1], next(above, None)
        library, number, place = hit.found.groups()
        rows.append(_Row(whose, library, number, place, hit.line + 1))
    return rows


def _lacking(rows: Sequence[_Row]) -> tuple[ErrorText, ...]:
    """Return what is not found; of extensions only what torch brings under another number.

    What torch brings under the same number it has loaded before an extension is.
    """
    missing = "not found"
    loaded = {r.library: r.number for r in reversed(rows) if r.of_torch and r.place != missing}
    found: dict[str, ErrorText] = {}
    for one in rows:
        if one.place != missing or len(found) >= _MOST:
            continue
        text = f"{one.library}.so{one.number} => not found"
        if search("library.site", one.whose) and not one.of_torch:
            own = loaded.get(one.library, one.number)
            files = (word.rpartition("/")[2] for word in one.whose.split() if ".so" in word)
            file = next(files, "")
            if not file or own == one.number:
                continue
            text = f"{file}: {text}; torch loads {one.library}.so{own}"
        found.setdefault(text, ErrorText(text=text, where=f"line {one.line}"))
    return tuple(found.values())
