"""Requirements that resolvers and checkers say are not met, or exclude each other."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.facts import Requirement
from tunedoctor.lazy import pattern
from tunedoctor.readers.installing.sentences import Text, sentences
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import (
    NAME,
    SPECIFIER,
    VERSION,
    compact,
    normalised,
    poetry_specifier,
)

_OWNER = rf"(?<![\w./-])(?P<owner>{NAME}) (?P<at>{VERSION})"
_NEEDS = (
    rf"(?P<name>{NAME})(?:\[[\w,\s-]{{0,80}}\])? ?\(?(?P<spec>{SPECIFIER})?\)?(?: ?;[^,]{{0,160}})?"
)
_HAVE = rf"(?:you have|you'll have|you will have) (?:{NAME}) (?P<have>{VERSION})"

_INSTALLED = pattern(
    rf"{_OWNER} (?:requires|has requirement) {_NEEDS}, "
    rf"(?:but {_HAVE}(?: which is incompatible)?|(?P<absent>which is not installed))"
)
"""pip after an install, and `pip check`: all wordings since 9."""
_UV_CHECK = pattern(
    rf"[Tt]he package `(?P<owner>{NAME})` requires `{_NEEDS}`, but "
    rf"(?:`(?P<have>{VERSION})` is installed|(?P<absent>it's not installed))"
)
_DEPENDS = pattern(rf"{_OWNER} depends on {_NEEDS}(?![\w.])")
_ASKED = pattern(rf"The user requested (?:\(constraint\) )?{_NEEDS}(?![\w.])")
_UV_DEPENDS = pattern(
    rf"(?<![\w./-])(?P<owner>{NAME})(?P<at>{SPECIFIER}) depends on "
    rf"(?P<name>{NAME})(?:\{{[^{{}}\n]{{0,160}}\}})?(?P<spec>{SPECIFIER})"
)
_UV_ASKED = pattern(rf"you require (?P<name>{NAME})(?P<spec>{SPECIFIER})")
_POETRY = pattern(
    rf"(?<![\w./-])(?P<owner>{NAME})(?: \((?P<at>[^()]{{1,80}})\))? depends on "
    rf"(?P<name>{NAME}) \((?P<spec>[\d^~<>=!][^()]{{0,80}})\)"
)
_VIRTUAL = pattern(
    rf"(?:nothing provides (?:requested )?|[├└]─ )__(?P<name>glibc|cuda|osx) ?(?P<spec>{SPECIFIER})?"
    rf"(?: needed by (?P<owner>{NAME})|[ ,]{{0,3}}which is missing on the system)"
)
"""What conda knows of the machine: glibc, the CUDA release of the driver, macOS."""
_RESOURCES = pattern(
    rf"VersionConflict: \((?P<name>{NAME}) (?P<have>{VERSION}) \((?P<place>[^()]{{1,300}})\), "
    rf"Requirement\.parse\('(?P<full>[^']{{1,160}})'\)(?:, \{{'(?P<owner>{NAME})'\}})?"
)
_NOT_FOUND = pattern(
    rf"The '(?P<name>{NAME})(?P<spec>{SPECIFIER})?' distribution was not found and is required by (?P<owner>{NAME})"
)
_PYTHON = pattern(
    r"(?:Package ['\"]?(?P<owner>[\w.-]{1,100})['\"]?|ERROR: (?P<other>[\w.-]{1,100}))? ?requires a different Python: "
    r"(?P<have>\d[\w.]{1,20}) not in ['\"]?(?P<spec>[^'\"\s]{1,60})"
)
_CHECK_PYTHON = pattern(
    rf"[Tt]he package `(?P<owner>{NAME})` requires Python (?P<spec>{SPECIFIER}), but `(?P<have>{VERSION})` is installed"
)
_UV_PYTHON = pattern(
    r"the (?:current|requested) Python version \((?P<have>[^()]{1,30})\) does not satisfy "
    rf"Python ?(?P<spec>{SPECIFIER})"
)


_THINGS = {"glibc": "glibc", "cuda": "cuda driver", "osx": "macos"}


class Conflicts(NamedTuple):
    """What was read."""

    entries: tuple[Entry, ...]
    wanted: tuple[Requirement, ...]
    python: str
    """The version of the interpreter that was refused, where told."""


def conflicts(text: Text) -> Conflicts:
    """Return what is installed by the word of pip and uv, and what is required."""
    entries: list[Entry] = []
    wanted: list[Requirement] = []
    python = ""
    for wording in (_INSTALLED, _UV_CHECK):
        for line, found in sentences(text, wording, "requires ", "has requirement "):
            entries += _there(line, found)
            wanted.append(_requirement(found, _owner(found)))
    for wording in (_DEPENDS, _UV_DEPENDS):
        owned = sentences(text, wording, "depends on ")
        wanted += [_requirement(found, _owner(found)) for _, found in owned]
    if "version solving failed" in text.text:
        wanted += [
            Requirement(
                name=normalised(found["name"]),
                specifier=poetry_specifier(found["spec"]),
                by=_owner(found),
            )
            for _, found in sentences(text, _POETRY, "depends on ")
        ]
    for wording in (_ASKED, _UV_ASKED):
        asked = sentences(text, wording, "requested", "you require")
        wanted += [_requirement(found, "the user") for _, found in asked]
    wanted += [
        Requirement(
            name=_THINGS[found["name"]],
            specifier=compact(found["spec"] or ""),
            by=_conda_owner(found["owner"] or "conda"),
            missing=found["name"] == "cuda",
        )
        for _, found in sentences(text, _VIRTUAL, "__glibc", "__cuda", "__osx")
    ]
    for line, found in sentences(text, _RESOURCES, "VersionConflict"):
        name = normalised(found["name"])
        spec = compact(found["full"].removeprefix(found["name"]))
        owner = normalised(found["owner"] or "")
        wanted.append(Requirement(name=name, specifier=spec, by=owner, have=found["have"]))
        entries.append(Entry(line, name, found["have"], location=found["place"], weak=True))
    wanted += [
        _requirement(found, normalised(found["owner"]), missing=True)
        for _, found in sentences(text, _NOT_FOUND, "distribution was not found")
    ]
    for wording in (_PYTHON, _CHECK_PYTHON, _UV_PYTHON):
        for _, found in sentences(text, wording, "Python"):
            have = found["have"] if found["have"][:1].isdigit() else ""
            python = have or python
            owner = next(
                (o for o in (found.groupdict().get(k) for k in ("owner", "other")) if o), ""
            )
            spec = compact(found["spec"])
            wanted.append(
                Requirement(name="python", specifier=spec, by=normalised(owner), have=have)
            )
    return Conflicts(tuple(entries), tuple(dict.fromkeys(wanted)), python)


def _owner(found: re.Match[str]) -> str:
    at = compact(found.groupdict().get("at") or "").removeprefix("==").strip()
    return f"{normalised(found['owner'])} {at}".strip()


def _conda_owner(file: str) -> str:
    """Return "pytorch-gpu 2.4.1" of pytorch-gpu-2.4.1-cuda118py311hf8a3b2d_306."""
    pieces = file.rsplit("-", 2)
    return f"{pieces[0]} {pieces[1]}" if len(pieces) == 3 and pieces[1][:1].isdigit() else file


def _requirement(found: re.Match[str], by: str, *, missing: bool = False) -> Requirement:
    groups = found.groupdict()
    return Requirement(
        name=normalised(found["name"]),
        specifier=compact(found["spec"] or ""),
        by=by,
        have=(groups.get("have") or "").rstrip("."),
        missing=missing or bool(groups.get("absent")),
    )


def _there(line: int, found: re.Match[str]) -> Iterator[Entry]:
    """Yield the two packages of a conflict: who requires, and what is there."""
    name = normalised(found["name"])
    requires = (f"{name}{compact(found['spec'] or '')}",)
    at = found.groupdict().get("at") or ""
    yield Entry(line, normalised(found["owner"]), at, requires=requires)
    if found["have"]:
        yield Entry(line, name, found["have"].rstrip("."))
