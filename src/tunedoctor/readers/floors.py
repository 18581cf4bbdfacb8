"""Requirements that somebody states in words: "wanted by the project: torch>=2.4", "needs transformers >= 4.51"."""

import re

from tunedoctor.facts import Fact, Requirement, Wanted
from tunedoctor.lazy import pattern
from tunedoctor.tables.small import distribution_of

MOST = 50
_VERB = pattern(
    r"\b(?:require[sd]?|wants?|wanted|needs?|asks? for|demands?|depends on)\b", re.IGNORECASE
)
_SPEC = pattern(
    r"\b([A-Za-z][\w.-]{1,40}?)\s{0,2}((?:>=|==|~=|<=|!=|>|<)\s{0,2}\d[\w.*+]{0,20}"
    r"(?:\s{0,2},\s{0,2}(?:>=|==|~=|<=|!=|>|<)\s{0,2}\d[\w.*+]{0,20}){0,3})"
)
_OTHERS = {"python": "python", "pytorch": "torch"}


def read(lines: list[str]) -> list[Fact]:
    """Return what lines with a word of wanting say of packages of the stack; nothing for other lines."""
    found: list[Requirement] = []
    for line in lines:
        if len(line) > 400 or not _VERB.search(line):
            continue
        for name, specifier in _SPEC.findall(line):
            known = _OTHERS.get(name.lower()) or distribution_of(name.lower().replace("-", "_"))
            if known:
                found.append(Requirement(name=known, specifier=re.sub(r"\s", "", specifier)))
        if len(found) >= MOST:
            break
    return [Wanted(requirements=tuple(dict.fromkeys(found)))] if found else []
