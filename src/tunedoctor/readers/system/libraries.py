"""Which shared libraries win or are missing, as ldd lists them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tunedoctor.facts import Errors, ErrorText, Fact, LibraryPath, LibraryShadow
from tunedoctor.readers.paste import Paste, search

_MOST = 60
_MOST_ROWS = 4000
_MISSING = "not found"


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
    rows = list(_rows(paste))[:_MOST_ROWS]
    shadows = {
        one.library: LibraryShadow(one.library, one.place, one.number.lstrip("."))
        for one in rows
        if one.of_torch and one.place.startswith("/") and not search("library.site", one.place)
        if search("library.of_wheels", one.library)
    }
    lacking = _lacking(rows)
    facts: list[Fact] = [LibraryPath(shadows=tuple(shadows.values()))] if shadows else []
    return [*facts, Errors(errors=lacking)] if lacking else facts


def _rows(paste: Paste) -> Iterator[_Row]:
    """Yield what ldd lists, each with the file above it that it was asked for."""
    if not paste.has("ldd.row"):
        return
    whose = ""
    commands = {one.line: one.command for one in paste.shown}
    above = {hit.line: hit.found for hit in paste.each("ldd.row")}
    for number in sorted({*commands, *above}):
        if number in above:
            library, version, place = above[number].groups()
            yield _Row(whose, library, version, place, number + 1)
        else:
            whose = commands[number] if search("library.asked", commands[number]) else ""


def _lacking(rows: Sequence[_Row]) -> tuple[ErrorText, ...]:
    """Return what is not found; of extensions only what torch brings under another number.

    What torch brings under the same number it has loaded before an extension is.
    """
    loaded = {r.library: r.number for r in reversed(rows) if r.of_torch and r.place != _MISSING}
    found: dict[str, ErrorText] = {}
    for one in (row for row in rows if row.place == _MISSING):
        text = f"{one.library}.so{one.number} => not found"
        if search("library.site", one.whose) and not one.of_torch:
            own = loaded.get(one.library, one.number)
            files = (word.rpartition("/")[2] for word in one.whose.split() if ".so" in word)
            if own == one.number:
                continue
            text = f"{next(files, 'an extension')}: {text}; torch loads {one.library}.so{own}"
        found.setdefault(text, ErrorText(text=text, where=f"line {one.line}"))
    return tuple(found.values())[:_MOST]
