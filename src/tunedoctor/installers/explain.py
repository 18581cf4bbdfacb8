"""Why there is no solution, in one sentence, out of uv's explanation.

uv derives: "Because A==1 depends on B>=2 and you require B<2, we can conclude that …". The premises that speak of one
package with two ranges are the clash. A text of another form is given as it is, cut.
"""

import re
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from tunedoctor.versions import normalised, parts, within

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_EXTRA = r"(?:\[[^\]\s]*\])?(?:\{[^}]*\})?"
_RANGE = r"(?:(?:[<>=!~]=?)[^\s,|]+(?:,(?=[<>=!~]))?)*"
_DEPENDS = re.compile(
    rf"(?:all versions of )?(?P<owner>{_NAME}){_EXTRA}(?P<at>{_RANGE}) (?:depends|depend) on "
    rf"(?P<name>{_NAME}){_EXTRA}(?P<range>{_RANGE})"
)
_REQUIRE = re.compile(rf"you require (?P<name>{_NAME}){_EXTRA}(?P<range>{_RANGE})")
_ONLY = re.compile(rf"only (?P<name>{_NAME}){_EXTRA}(?P<range>{_RANGE}) (?:is|are) available")
_PYTHON = re.compile(
    r"the requested Python version \((?P<have>[^)]+)\) does not satisfy Python(?P<want>[<>=!~][^\s]*)"
    rf"(?: and (?:all versions of |all of: )?(?P<owner>{_NAME}){_EXTRA}(?P<at>{_RANGE})"
    rf"(?P<more>(?: {_NAME}{_EXTRA}{_RANGE})*?) depends? on Python)?"
)
_NO_WHEEL = re.compile(
    rf"(?:all versions of )?(?P<name>{_NAME}){_EXTRA}(?P<at>{_RANGE}) (?:has|have) no (?:usable wheels|wheels? )"
)
_ABSENT = re.compile(
    rf"(?P<name>{_NAME}){_EXTRA}(?P<at>{_RANGE}) was not found in the "
    "(?:package registry|provided package locations|cache)"
)
_NONE = re.compile(rf"there (?:is|are) no versions? of (?P<name>{_NAME}){_EXTRA}(?P<at>{_RANGE})")

LONGEST = 400
"""Characters of uv's own text that stand in for a sentence."""


class Premise(NamedTuple):
    """A statement of the explanation: who wants which range of a package."""

    owner: str
    """ "" for the user, or for a pin."""
    at: str
    """Range of the owner's versions that want it."""
    name: str
    range: str


def premises(text: str) -> tuple[Premise, ...]:
    """Return the statements of an explanation, in its order; () where none is understood."""
    return tuple(dict.fromkeys(_premises(_flat(text))))


def blamed(text: str) -> tuple[str, ...]:
    """Return the packages that an explanation names, in its order."""
    names = [n for one in premises(text) for n in (one.owner, one.name) if n]
    flat = _flat(text)
    for form in (_NO_WHEEL, _ABSENT, _NONE, _ONLY):
        names += [found["name"] for found in form.finditer(flat)]
    return tuple(dict.fromkeys(map(normalised, names)))


def lacked(text: str) -> tuple[str, ...]:
    """Return the packages of which the sources lack what is wanted, as far as an explanation tells."""
    flat = _flat(text)
    forms = (_NO_WHEEL, _ABSENT, _NONE, _ONLY)
    return tuple(dict.fromkeys(one["name"] for form in forms for one in form.finditer(flat)))


def without_wheels(text: str) -> tuple[str, ...]:
    """Return the packages of which no wheel fits the platform and Python, or that nobody has."""
    flat = _flat(text)
    found = [one["name"] for form in (_NO_WHEEL, _ABSENT) for one in form.finditer(flat)]
    return tuple(dict.fromkeys(found))


def sentence(
    text: str, installed: Mapping[str, str] | None = None, asked: Container[str] = ()
) -> str:
    """Return the clash in one sentence; uv's own text, cut, where it is not understood. Never raises.

    `installed` are versions that stand in the question as pins; a clash about a package that was `asked` for is told
    before others.
    """
    flat = _flat(text)
    return (
        _clash(premises(text), installed or {}, asked)
        or _python(flat)
        or _missing(flat)
        or _cut(flat)
        or "uv found no solution and did not say why"
    )


def _premises(flat: str) -> Iterator[Premise]:
    for found in _DEPENDS.finditer(flat):
        yield Premise(found["owner"], found["at"], found["name"], found["range"].rstrip(".,"))
    for found in _REQUIRE.finditer(flat):
        yield Premise("", "", found["name"], found["range"].rstrip(".,"))


def _clash(found: tuple[Premise, ...], installed: Mapping[str, str], asked: Container[str]) -> str:
    """Join two premises about one package whose ranges share no version; what the user wants comes second."""
    pairs = [
        (one, other)
        for one in found
        for other in found
        if one.owner
        and one.range
        and other.name == one.name
        and other.range not in ("", one.range)
        and other.owner != one.owner
        and not _overlap(one.range, other.range)
    ]
    if not pairs:
        return ""
    one, other = min(pairs, key=lambda pair: (bool(pair[1].owner), pair[0].name not in asked))
    return f"{_wants(one, installed)}, and {_wants(other, installed)}"


def _overlap(one: str, other: str) -> bool:
    """Tell whether two ranges surely share a version that one of them names."""
    versions = re.findall(r"[<>=!~]=?\s*([^\s,]+)", f"{one},{other}")
    return any(within(v, one) and within(v, other) for v in versions)


def _wants(one: Premise, installed: Mapping[str, str]) -> str:
    if one.owner:
        here = installed.get(one.owner, "")
        at = f" {here}" if here and within(here, one.at) else one.at.replace("==", " ")
        return f"{one.owner}{at} needs {one.name}{one.range}"
    have = installed.get(one.name)
    if have and one.range == f"=={have}":
        return f"{one.name} {have} is installed"
    return f"{one.name}{one.range} is wanted"


def _python(flat: str) -> str:
    """Name the package that asks for the least of the Pythons that are too new or too old here."""
    found = min(
        _PYTHON.finditer(flat), key=lambda one: parts(one["want"].lstrip("<>=!~")), default=None
    )
    if found is None:
        return ""
    at = "" if found["more"] else (found["at"] or "").replace("==", " ")
    return f"{found['owner'] or 'a package'}{at} needs Python {found['want']}, and this is {found['have'].lstrip('>=')}"


def _missing(flat: str) -> str:
    if found := _NO_WHEEL.search(flat):
        return f"{found['name']}{found['at'].replace('==', ' ')} has no wheel for this platform and Python"
    if found := _ABSENT.search(flat):
        return f"no package source has {found['name']}"
    if found := _NONE.search(flat):
        return f"there is no {found['name']}{found['at']}"
    if found := _ONLY.search(flat):
        return f"of {found['name']} there is only {found['range']}"
    return ""


def _flat(text: str) -> str:
    """Return the explanation on one line, without its head and hints."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("hint"):
            break
        lines.append(line.strip())
    flat = " ".join(lines)
    flat = flat.partition("cause: ")[2] or flat.partition("resolving dependencies:")[2] or flat
    return " ".join(flat.replace("╰─▶", " ").replace("\u00d7", " ").split())


def _cut(flat: str) -> str:
    return flat if len(flat) <= LONGEST else f"{flat[:LONGEST].rsplit(' ', 1)[0]} …"
