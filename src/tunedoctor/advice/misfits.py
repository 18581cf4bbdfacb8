"""Find in an error that two libraries are of releases that do not fit each other: over misfits.json."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tunedoctor.advice.told import raised, told
from tunedoctor.contracts.shipped import owners
from tunedoctor.facts import Errors, ErrorText, Packages, Typed, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table
from tunedoctor.tables.small import brought_by, distribution_of, gave_up
from tunedoctor.versions import at_least, normalised


class Misfit(NamedTuple):
    """Code of one installed library missed a name, or a keyword, of another."""

    owner: str
    """Distribution whose code failed; "" where nothing tells."""
    other: str
    """Distribution that lacks the name or keyword."""
    module: str
    name: str
    said: str


class Compared(NamedTuple):
    """What a library says that compares the version of its neighbour itself."""

    owner: str
    """Library that refuses; "" where it is not named."""
    name: str
    """Distribution that it refuses."""
    said: str


class GivenUp(NamedTuple):
    """Code asked for a name which this release of torch no longer has."""

    said: str
    owner: str
    """Distribution whose code asked; "" for the user's own, or where nothing tells."""
    since: str
    """First release of torch without the name."""


class Gone(NamedTuple):
    """Whose metadata were looked for and are gone."""

    name: str
    version: str
    said: str


class TokenizerFile(NamedTuple):
    """A tokenizer.json that is written in a newer format than the installed tokenizers reads."""

    said: str
    tokenizers: str
    """First release that reads it."""
    transformers: str
    """First release that requires that tokenizers."""
    have: str
    """What is installed: "tokenizers 0.19.1", else "transformers 4.44.2"."""


def misfits(errors: Errors | Unknown | None, *, loosely: bool = False) -> Iterator[Misfit]:
    """Yield them in the order of the text; `loosely`: those whose caller is not known, instead.

    Not what the user's own code asks for, nor a package that misses a part of itself, nor a file outside of where
    packages are installed.
    """
    for error in raised(errors):
        if found := _loose(error) if loosely else _misfit(error):
            yield found


def compares(errors: Errors | Unknown | None) -> Compared | None:
    """Return the first such sentence of a log; None where there is none."""
    for error in raised(errors):
        if error.type.endswith("Warning") and error.type != "ImportWarning":  # datasets raises it
            continue
        for own in _rows("compares"):
            found = own.search(error.text)
            if found and "torch" not in {found["name"].lower(), found["owner"].lower()}:
                return Compared(found["owner"], found["name"].lower().replace(" ", "-"), found[0])
    return None


def given_up(errors: Errors | Unknown | None, torch: str) -> GivenUp | None:
    """Return the first of them; `torch` is the installed release, "" where it is not known."""
    for error in raised(errors):
        for shape in _rows("given_up"):
            found = shape.search(error.text)
            since = gave_up(found["module"], found["name"], torch) if found else ""
            if found and since:
                owner = next(owners(error), "")
                return GivenUp(found[0], "" if owner == "torch" else owner, since)
    return None


def metadata_gone(
    errors: Errors | Unknown | None, typed: Typed | Unknown | None, *, replaced: bool
) -> Gone | None:
    """Return the first package that an error misses the metadata of; None where there is none.

    `replaced`: only where a cell of the same notebook installed the package, so that the running process remembers the
    release before; else only where none did.
    """
    for error in raised(errors):
        if found := _shape("metadata gone").search(error.text):
            name = normalised(found["name"])
            if _in_notebook(name, typed) == replaced:
                return Gone(name, found["version"], found[0])
    return None


def tokenizer_file(
    errors: Errors | Unknown | None, packages: Packages | None
) -> TokenizerFile | None:
    """Return what an error and a version prove; None without a version: a file that is damaged gives the same words."""
    library = packages.version("transformers") if packages else ""
    reader = packages.version("tokenizers") if packages else ""
    for words, first, since in table("misfits")["tokenizer_formats"]:
        old = not at_least(reader, first) if reader else library and not at_least(library, since)
        if old and (said := told(errors, words)):
            have = f"tokenizers {reader}" if reader else f"transformers {library}"
            return TokenizerFile(said, first, since, have)
    return None


@cache
def _shape(name: str) -> re.Pattern[str]:
    return _pattern(table("misfits")["shapes"][name])


@cache
def _rows(name: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(_pattern, table("misfits")[name]))


@cache
def _of_classes() -> dict[str, re.Pattern[str]]:
    return {name: _pattern("|".join(some)) for name, some in table("misfits")["of_classes"].items()}


def _pattern(text: str) -> re.Pattern[str]:
    return pattern(filled(text))


def filled(text: str) -> str:
    """Return an expression of the table with what its names stand for."""
    known = table("misfits")
    text = text.replace("<place>", known["place"])
    text = text.replace("<library>", f"(?P<library>{'|'.join(known['libraries'])})")
    return text.replace("<any>", f"(?P<library>{known['any']})")


def _in_notebook(name: str, typed: Typed | Unknown | None) -> bool:
    word = pattern(rf"(?<![\w-]){re.escape(name).replace('-', '[-_.]')}(?![\w-])", re.IGNORECASE)
    return any(
        command.startswith(("!", "%")) and "install" in command and word.search(command)
        for command in (typed.commands if isinstance(typed, Typed) else ())
    )


def _misfit(error: ErrorText) -> Misfit | None:
    if any(_shape(one).search(error.text) for one in ("not whole", "left out of a build")):
        return None
    keyword = _shape("keyword").search(error.text)
    named = _shape("name").search(error.text) or _shape("attribute").search(error.text)
    found = named or keyword
    if found is None and (pydantic := _shape("pydantic").search(error.text)):
        owner = next((o for o in owners(error) if not o.startswith("pydantic")), "")
        name = pydantic["name"] or pydantic["bare"]
        said = error.text.partition("\n")[0][:120]
        return Misfit(owner, "pydantic", "pydantic", name, said) if owner else None
    if found is None:
        return None
    file = found.groupdict().get("file")
    if file and not _shape("installed").search(file):
        return None
    other = brought_by(found["module"]) if named else _brings(found["module"])
    owner = next((o for o in owners(error) if not keyword or o != other), "")
    if not owner or not other or owner == other:
        return None
    return Misfit(owner, other, found["module"], found["name"], found[0].partition(" (")[0])


def _loose(error: ErrorText) -> Misfit | None:
    """Judge an error whose caller is not known; warnings tell of nothing that stopped."""
    text = error.text
    hidden = "(unknown location)" in text or "partially initialized" in text
    if hidden or error.type.endswith("Warning"):
        return None
    found = next((f for one in _rows("named") if (f := one.search(text)) and error.type), None)
    placeless = _shape("placeless").search(text)
    if _shape("quoted").match(text) or (error.type and not error.frames):
        found = found or placeless
    if found:
        library = distribution_of(found["library"]) or found["library"].replace("_", "-")
        return Misfit("", library, "", "", _line(found[0]))
    for library, known in _of_classes().items():
        if call := known.search(text):
            return Misfit("", library, "", "", _line(call[0]))
    return None


def _line(text: str) -> str:
    return text.partition(" (/")[0].partition(" (C:")[0].strip(" '\n")[:140]


def _brings(name: str) -> str:
    """Return the distribution of a class that others call; "" for others."""
    classes = table("misfits")["classes"].items()
    return next((library for library, names in classes if name in names), "")
