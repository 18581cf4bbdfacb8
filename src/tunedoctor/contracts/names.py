"""Answer an error that names what a library lacks: which of its releases have it, over import_names.json.

The errors are rows of library-version-clash: "cannot import name", "has no attribute", "No module named" and "got an
unexpected keyword argument". Who asked stands in the frames.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

import msgspec

from tunedoctor.contracts.shipped import places
from tunedoctor.facts import Errors, ErrorText, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.messages.match import Match, matches
from tunedoctor.tables.load import table
from tunedoctor.tables.small import distribution_of, first_transformers

ASKS = ("library-version-clash", "asks")
"""Cause and part of the rows that name what was asked for."""

Runs = tuple[tuple[int, int], ...]
"""First and last places, in the releases of a library, of neighbours that have a name."""
Rows = dict[str, tuple[tuple[Runs, str], ...]]
"""Place -> the releases that have names, and these."""


class History(msgspec.Struct, frozen=True):
    """What is known of one library."""

    releases: tuple[str, ...]
    """Oldest first."""
    names: Rows
    """By module; "" names the module itself."""
    keywords: Rows
    """By function or class."""


class Lacking(NamedTuple):
    """A name that the installed release of a library does not have, and another has."""

    library: str
    name: str
    place: str
    """The module that it was asked of, or what was called."""
    have: str
    """Installed release; "" where nothing tells."""
    fits: str
    """Specifier of the nearest releases that have it."""
    too_new: bool
    """Releases before the installed one have it: it was given up."""
    asker: str
    """Distribution whose code asked; "" for the user's own, or where nothing tells."""
    said: str

    @property
    def found(self) -> str:
        """Return what is wrong, in words."""
        has = f"{self.library} {self.have}" if self.have else f"the installed {self.library}"
        whose = f" in the code of {self.asker}" if self.asker else ""
        way = "gave it up" if self.too_new else "does not have it yet"
        return f"the error '{self.said}'{whose}; {self.library}{self.fits} has it, {has} {way}"

    @property
    def means(self) -> str:
        """Return what goes wrong."""
        return f"{self.asker or 'the script'} stops there"

    @property
    def fix(self) -> dict[str, str]:
        """Return what to install: a newer one of the library that lags, "" for the newest."""
        return {self.asker: ""} if self.too_new and self.asker else {self.library: self.fits}

    @property
    def note(self) -> str:
        """Return the other way; "" where there is none."""
        if not self.too_new:
            return ""
        if self.asker:
            return f"or, to keep {self.asker}: {self.library}{self.fits}"
        return f"or change the script: {self.library} no longer has {self.name or self.place}"


def lacking(errors: Errors | Unknown | None, versions: Mapping[str, str]) -> Iterator[Lacking]:
    """Yield what errors name, in their order; `versions`: name -> installed release.

    Nothing is claimed of a name that no release, or each one, is known to have, nor of a release that has it.
    """
    for match in matches(errors):
        if (match.cause, match.part) == ASKS and isinstance(errors, Errors):
            found = _lacking(match, errors.errors[match.where[0]], versions)
            if found is not None:
                yield found


def _lacking(match: Match, error: ErrorText, versions: Mapping[str, str]) -> Lacking | None:
    if _elsewhere(error.text):
        return None
    for library, place, runs in _having(match.slots):
        releases = _history(library).releases
        have = versions.get(library, "")
        around = [n for n in places(releases, have) if 0 <= n < len(releases)]
        if around and all(any(a <= one <= b for a, b in runs) for one in around):
            continue  # the release that is told of has it: something else hides it
        called = "keyword" in match.slots
        asker = next((o for o in owners(error) if not (called and o == library)), "")
        if asker == library:
            continue  # a library that lacks a part of its own is broken
        if library == "transformers" and first_transformers(match.slots.get("name", "")):
            continue  # a model that is too young has a check of its own
        at = max(around, default=-1)
        first, last = next((run for run in runs if around and run[0] >= at), runs[-1])
        after = releases[last + 1 : last + 2]
        bounds = ([f">={releases[first]}"] if first else []) + [f"<{one}" for one in after]
        return Lacking(
            library=library,
            name=match.slots.get("name", "") or match.slots.get("keyword", ""),
            place=place,
            have=have,
            fits=",".join(bounds),
            too_new=last < at if around else bool(after),
            asker=asker,
            said=match.line,
        )
    return None


def _having(slots: Mapping[str, str]) -> Iterator[tuple[str, str, Runs]]:
    """Yield library, place and the releases that have what an error names."""
    if keyword := slots.get("keyword", ""):
        called = slots["called"].removesuffix(".__init__")
        for library in table("import_names")["libraries"]:
            if runs := _runs(_history(library).keywords, called, keyword):
                yield library, called, runs
        return
    module, name = slots["module"].strip("."), slots.get("name", "")
    library = distribution_of(module)
    if library in table("import_names")["libraries"]:
        names = _history(library).names
        if runs := _runs(names, module, name) or _runs(names, module, ""):
            yield library, module, runs


@cache
def _history(library: str) -> History:
    return msgspec.convert(table("import_names")["libraries"][library], History)


def _runs(rows: Rows, place: str, name: str) -> Runs:
    return next((runs for runs, names in rows.get(place, ()) if name in names.split(" ")), ())


def _elsewhere(text: str) -> bool:
    """Tell what is no matter of releases: a circle of imports, or a file that no installer put there."""
    file = text.partition("' (")[2].partition(")")[0]
    return "circular import" in text or (bool(file) and "-packages" not in file)


def owners(error: ErrorText) -> Iterator[str]:
    """Yield the distributions of the frames, innermost first, up to the first frame of the user's own."""
    for frame in reversed(error.frames):
        if frame.file.startswith("<"):
            continue
        place = _installed().search(frame.file)
        if place is None:
            return
        yield named_by(place["top"])


def named_by(module: str) -> str:
    """Return the distribution of a module, by its own name where nobody knows another."""
    top = module.partition(".")[0]
    return distribution_of(module) or top.lower().replace("_", "-")


@cache
def _installed() -> re.Pattern[str]:
    return pattern(table("misfits")["shapes"]["installed"])
