"""What uv says where it finds no wheel for an interpreter: its sentences and hints, of all releases since 0.1."""

import re
from collections.abc import Iterator
from typing import Literal

from tunedoctor.facts import Refusal
from tunedoctor.lazy import pattern
from tunedoctor.readers.installing.sentences import Text
from tunedoctor.readers.lists.names import NAME, SPECIFIER, VERSION, compact, normalised

Reason = Literal["version", "nothing", "python", "abi", "platform", "unknown"]

_WHAT = rf"(?P<name>{NAME})(?:\{{[^{{}}\n]{{0,160}}\}})?(?P<spec>{SPECIFIER})?"
_NO_WHEELS = pattern(
    rf"(?<![\w./`-]){_WHAT} (?:has|have|is unusable because|are unusable because) no "
    r"(?:usable )?wheels (?:are available )?with a matching "
    r"(?P<what>Python ABI|Python implementation|Python version|platform)(?: tag)?"
    r"(?: \(e\.g\., `(?P<tag>[\w.-]{1,60})`\))?"
)
_NOT_THERE = pattern(rf"there (?:is no version|are no versions) of {_WHAT}(?![\w.])")
_NOT_FOUND = pattern(
    rf"(?<![\w./`-])(?P<name>{NAME}) was not found in the (?:package registry|provided package locations|cache)"
)
_ONLY = pattern(
    rf"only the following versions of (?P<name>{NAME}) are available: (?P<list>(?:{NAME}{SPECIFIER} ){{1,600}})"
)
_ONLY_ONE = pattern(rf"only (?P<name>{NAME})(?P<spec>{SPECIFIER}) is available")
_DISTRIBUTION = pattern(
    rf"(?:Distribution|Package) `(?P<name>{NAME})(?:==(?P<version>{VERSION}) @ (?:registry\+)?"
    r"(?P<index>[^`\s]{0,300}))?` can't be installed because (?P<why>[^\n]{0,160})"
)
_YOURS = pattern(
    r"You(?:'re on|'re using| require) (?:[\w.-]{1,20} ){0,3}"
    r"\(?`(?P<tag>[\w.-]{1,60})`\)?, but (?:we only found wheels for )?"
    rf"`(?P<name>{NAME})`(?: \(v(?P<version>{VERSION})\))? "
    r"(?:only has wheels )?(?:for|with) the following (?P<what>platform|Python ABI tag|Python implementation tag)s?: "
    r"(?P<tags>`[\w.-]{1,60}`(?:, `[\w.-]{1,60}`){0,60})"
)
_AVAILABLE = pattern(
    rf"Wheels are available for `(?P<name>{NAME})`(?: \(v(?P<version>{VERSION})\))? (?:on|with) the following "
    r"(?P<what>platform|Python ABI tag|Python implementation tag)s?: (?P<tags>`[\w.-]{1,60}`(?:, `[\w.-]{1,60}`){0,60})"
)
_ELSEWHERE = pattern(
    rf"`(?P<name>{NAME})` was found on (?P<index>https?://\S{{3,300}}?),? but not at the requested version "
    rf"\((?P<full>[^()\n]{{1,120}})\)"
)
_WORDS = ("wheels", "Because ", "registry", "package locations", "at the requested version")
"""Of each sentence of uv one; texts without are passed over."""
_REASONS: dict[str, Reason] = {
    "Python ABI": "abi",
    "Python ABI tag": "abi",
    "Python implementation": "abi",
    "Python implementation tag": "abi",
    "Python version": "python",
    "platform": "platform",
}


def refused_by_uv(text: Text) -> Iterator[Refusal]:
    """Yield what uv found no wheel for, what it was offered, and the tags on both sides."""
    body = text.text
    if not any(word in body for word in _WORDS):
        return
    offered = _offers(body)
    for found in _NO_WHEELS.finditer(body):
        name = normalised(found["name"])
        yield Refusal(
            name=name,
            specifier=compact(found["spec"] or ""),
            reason=_REASONS[found["what"]],
            offered=offered.get(name),
            tag=found["tag"] or "",
            installer="uv",
        )
    for found in _NOT_THERE.finditer(body):
        name = normalised(found["name"])
        yield Refusal(
            name=name,
            specifier=compact(found["spec"] or ""),
            reason="version" if found["spec"] else "nothing",
            offered=offered.get(name),
            installer="uv",
        )
    for found in _NOT_FOUND.finditer(body):
        yield Refusal(name=normalised(found["name"]), reason="nothing", installer="uv")
    for found in _DISTRIBUTION.finditer(body):
        yield Refusal(
            name=normalised(found["name"]),
            specifier=f"=={found['version']}" if found["version"] else "",
            # "the current platform" is said of a Python that has no wheel as well: the hint tells which
            reason="platform" if found["why"].startswith("the binary") else "unknown",
            index=found["index"] or "",
            installer="uv",
        )
    yield from _hints(body)


def _hints(body: str) -> Iterator[Refusal]:
    for shape in (_YOURS, _AVAILABLE):
        for found in shape.finditer(body):
            yield Refusal(
                name=normalised(found["name"]),
                specifier=f"=={found['version']}" if found["version"] else "",
                reason=_REASONS[found["what"]],
                tag=found.groupdict().get("tag") or "",
                wheel_tags=tuple(t.strip(" `") for t in found["tags"].split(",")),
                installer="uv",
            )
    for found in _ELSEWHERE.finditer(body):
        full = re.match(rf"{NAME}(?P<spec>{SPECIFIER})", found["full"])
        yield Refusal(
            name=normalised(found["name"]),
            specifier=compact(full["spec"]) if full else "",
            reason="version",
            index=found["index"],
            installer="uv",
        )


def _offers(body: str) -> dict[str, tuple[str, ...]]:
    """Return the versions that uv lists as available, as it prints them: "2.0.1", "<=2.0.1" for ranges."""
    found: dict[str, tuple[str, ...]] = {}
    for one in _ONLY.finditer(body):
        name = normalised(one["name"])
        rows = re.findall(rf"{NAME}?({SPECIFIER})(?= |$)", one["list"])
        found.setdefault(name, tuple(compact(r).removeprefix("==") for r in rows))
    for one in _ONLY_ONE.finditer(body):
        spec = compact(one["spec"]).removeprefix("==")
        found.setdefault(normalised(one["name"]), (spec,))
    return found
