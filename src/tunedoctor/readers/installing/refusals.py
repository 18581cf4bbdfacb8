"""Requirements for which an index had no usable file: what pip, poetry and conda print of it."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from tunedoctor.facts import Refusal
from tunedoctor.lazy import pattern
from tunedoctor.readers.installing.sentences import Text
from tunedoctor.readers.lists.names import (
    NAME,
    SPECIFIER,
    VERSION,
    compact,
    normalised,
    poetry_specifier,
    version_of_wheel,
)

Installer = Literal["pip", "uv", "poetry", "conda", ""]

_REQUIREMENT = rf"(?P<name>{NAME})(?:\[[\w,\s-]{{0,80}}\])?(?P<spec> ?\(?{SPECIFIER}\)?)?"
_COULD_NOT = pattern(
    rf"Could not find a version that satisfies the requirement {_REQUIREMENT} ?(?:;[^()\n]{{0,120}})?"
    r"(?:\(from (?!versions)[^()\n]{0,200}(?:\([^()\n]{0,80}\)[^()\n]{0,80}){0,3}\) ?)?"
    r"(?:\(from versions: ?(?P<offered>[^()\n]{0,60000}))?"
)
_NO_MATCH = pattern(rf"No matching distribution found for {_REQUIREMENT}(?![\w.])")
_IGNORED = pattern(
    r"Ignored the following versions that require a different python version: (?P<list>[^\n]{0,60000})"
)
_FLOOR = pattern(rf"(?P<version>{VERSION}) Requires-Python (?P<spec>[<>=!~][^;A-Za-z]{{1,80}})")
_INDEXES = pattern(r"Looking in indexes: (?P<urls>https?://\S{3,300}(?:, https?://\S{3,300}){0,9})")
_WHEEL = pattern(
    r"(?<![^\s'\"`])(?P<file>[^\s'\"`]{5,300}\.whl)['\"`]? is not a supported wheel on this platform"
)
_NO_CANDIDATES = pattern(
    rf"Unable to find installation candidates for (?P<name>{NAME}) \((?P<spec>[^()\s]{{1,80}})"
)
_SKIPPED = "were skipped as your project's environment does not support"
"""Of poetry 2: the index has wheels, for other Pythons or systems."""
_NEAR = 400
_POETRY_NO_MATCH = pattern(
    rf"depends on (?P<name>{NAME}) \((?P<spec>[^()]{{1,80}})\) which doesn't match any versions"
)
_CONDA_MISSING = pattern(
    r"following packages are (?:not available from current channels|missing from the target environment)"
    r":?[\s\n]{1,8}(?P<list>(?:- [\w.=<>!~*,\[\]'-]{2,120}[\s\n]{1,4}){1,30})"
)
_CONDA_ITEM = pattern(r"- (?P<name>[\w.-]{1,80}?)(?P<spec>[=<>!~].{0,60})?$")
_MAMBA = pattern(
    rf"(?:nothing provides (?:requested )?|[├└]─ )(?P<name>{NAME}) ?"
    rf"(?P<spec>[=<>!~]?=?{VERSION}\S{{0,40}}|[\d.*]{{1,20}})?(?: \S{{1,60}})?"
    rf"(?: needed by (?P<owner>{NAME})| ?does not exist|,? which does not exist)"
)


def refused_by_pip(text: Text) -> Iterator[Refusal]:
    """Yield what pip could not find, with the versions that it was offered."""
    body = text.text
    index = _indexes(body)
    floors = [
        (f["version"], compact(f["spec"].rstrip(" .,")))
        for ignored in _IGNORED.finditer(body)
        for f in _FLOOR.finditer(ignored["list"])
    ]
    for found in _COULD_NOT.finditer(body):
        name, spec = normalised(found["name"]), _spec(found)
        offered = _offered(found["offered"])
        own = tuple(f for f in floors[:200] if not spec or spec == f"=={f[0]}" or not offered)
        reason: Literal["version", "nothing", "python", "unknown"] = "unknown"
        if offered is not None:
            reason = "version" if offered else "nothing"
        if own and (not offered or any(spec == f"=={f[0]}" for f in own)):
            reason = "python"
        yield Refusal(
            name=name,
            specifier=spec,
            reason=reason,
            offered=offered,
            python_floors=own,
            index=index,
            installer="pip",
        )
    for found in _NO_MATCH.finditer(body):
        yield Refusal(
            name=normalised(found["name"]), specifier=_spec(found), index=index, installer="pip"
        )
    for found in _WHEEL.finditer(body):
        name, version = version_of_wheel(found["file"])
        if name:
            tags = found["file"].removesuffix(".whl").split("-")[-3:]
            yield Refusal(
                name=name,
                specifier=f"=={version}",
                reason="platform",
                wheel_tags=("-".join(tags),),
                installer="pip",
            )


def refused_by_others(text: Text) -> Iterator[Refusal]:
    """Yield what poetry and conda could not find."""
    body = text.text
    for found in _NO_CANDIDATES.finditer(body):
        yield Refusal(
            name=normalised(found["name"]),
            specifier=f"=={found['spec']}",
            reason="abi" if _SKIPPED in body[found.end() :][:_NEAR] else "platform",
            installer="poetry",
        )
    for found in _POETRY_NO_MATCH.finditer(body):
        spec = compact(found["spec"])
        exact = poetry_specifier(spec)
        yield Refusal(
            name=normalised(found["name"]), specifier=exact, reason="version", installer="poetry"
        )
    for found in _CONDA_MISSING.finditer(body):
        for item in re.split(r"[\s\n]+(?=- )", found["list"].strip()):
            if (one := _CONDA_ITEM.match(item.strip())) is not None:
                yield _conda(one["name"], one["spec"] or "")
    for found in _MAMBA.finditer(body):
        yield _conda(found["name"], found["spec"] or "")


def united(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    """Return one refusal for each requirement, what several lines tell of it put together."""
    found: dict[tuple[str, str], Refusal] = {}
    for one in refusals:
        key = (one.name, one.specifier)
        before = found.get(key)
        found[key] = one if before is None else _filled(before, one)
    return tuple(found.values())


def _filled(one: Refusal, other: Refusal) -> Refusal:
    return msgspec.structs.replace(
        one,
        reason=other.reason if one.reason == "unknown" else one.reason,
        offered=other.offered if one.offered is None else one.offered,
        python_floors=one.python_floors or other.python_floors,
        tag=one.tag or other.tag,
        wheel_tags=tuple(dict.fromkeys((*one.wheel_tags, *other.wheel_tags))),
        index=one.index or other.index,
        installer=one.installer or other.installer,
    )


def _spec(found: "re.Match[str]") -> str:
    return compact((found["spec"] or "").strip(" ()"))


def _offered(text: str | None) -> tuple[str, ...] | None:
    """Return the versions of "from versions: 2.0.0, 2.0.1"; () for "none", None where no list was printed."""
    if text is None:
        return None
    return tuple(v for v in (t.strip() for t in text.split(",")) if re.fullmatch(VERSION, v))


def _indexes(body: str) -> str:
    found = _INDEXES.search(body)
    return found["urls"].rstrip(".") if found else ""


def _conda(name: str, spec: str) -> Refusal:
    plain = re.sub(r"\*{2,}$", ".*", compact(spec))
    if plain and plain[0].isdigit():
        plain = f"=={plain}"
    elif plain.startswith("=") and not plain.startswith("=="):
        plain = f"={plain}"
    plain = re.sub(r"(==[^=]*)=.*", r"\1", plain)
    return Refusal(name=normalised(name), specifier=plain, reason="version", installer="conda")
