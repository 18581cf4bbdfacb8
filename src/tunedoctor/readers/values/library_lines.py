"""Lines of packages under "Versions of relevant libraries" of collect_env: [pip3] name==1.0, [conda] name 1.0 build."""

from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.facts import Distribution
from tunedoctor.lazy import pattern
from tunedoctor.versions import normalised

_LINE = pattern(
    r"\[(?P<how>pip3?|conda|uv)\]\s{0,4}(?P<name>[A-Za-z0-9][\w.-]{0,80}?)\s*(?:===?|=|\s)\s*\(?(?P<version>\d[\w.+!-]{0,80})\)?"
    r"(?P<rest>[^\[]{0,200})"
)
_HOW = ("[pip", "[conda]", "[uv]")


class Libraries(NamedTuple):
    """What such lines tell."""

    distributions: dict[str, Distribution]
    conda: dict[str, str]
    """conda packages: name -> "version build"."""


def libraries(lines: Iterable[str]) -> Libraries:
    """Read every such line, wherever it stands; the first of a name has the word."""
    found = Libraries({}, {})
    for line in lines:
        if "[" not in line or not any(how in line for how in _HOW):
            continue
        for one in _LINE.finditer(line[:2000]):
            name, version, conda = normalised(one["name"]), one["version"], one["how"] == "conda"
            if conda:
                build = (one["rest"].split() or [""])[0]
                found.conda.setdefault(name, f"{version} {build}".strip())
                name = "torch" if name == "pytorch" else name
            installer = "conda" if conda else "pip"
            one_ = Distribution(name=name, version=version, installer=installer)
            found.distributions.setdefault(name, one_)
    return found
