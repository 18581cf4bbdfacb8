"""Lines of packages under "Versions of relevant libraries" of collect_env: [pip3] name==1.0, [conda] name 1.0 build."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.facts import Distribution
from tunedoctor.lazy import pattern
from tunedoctor.versions import normalised

_LINE = pattern(
    r"\[(?P<how>pip3?|conda|uv)\]\s{0,4}(?P<name>[A-Za-z0-9][\w.-]{0,80}?)\s*(?:===?|=|\s)\s*\(?(?P<version>\d[\w.+!-]{0,80})\)?(?P<rest>.{0,200})"
)


class Libraries(NamedTuple):
    """What such lines tell."""

    distributions: dict[str, Distribution]
    conda: dict[str, str]
    """conda packages: name -> "version build"."""


def libraries(lines: Iterable[str]) -> Libraries:
    """Read every such line, wherever it stands; the first of a name has the word."""
    found = Libraries({}, {})
    for line in lines:
        if "[pip" not in line and "[conda]" not in line and "[uv]" not in line:
            continue
        for one in (
            _LINE.search(piece)
            for piece in re.split(r"(?<=\S)\s+(?=\[(?:pip3?|conda)\])", line[:2000])
        ):
            if one is not None:
                _add(one, found)
    return found


def _add(one: "re.Match[str]", found: Libraries) -> None:
    name = normalised(one["name"])
    conda = one["how"] == "conda"
    if conda:
        build = one["rest"].split()
        found.conda.setdefault(name, f"{one['version']} {build[0] if build else ''}".strip())
        name = {"pytorch": "torch"}.get(name, name)
    found.distributions.setdefault(
        name,
        Distribution(name=name, version=one["version"], installer="conda" if conda else "pip"),
    )
