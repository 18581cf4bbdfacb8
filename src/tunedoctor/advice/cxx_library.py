"""Find in an error that the C++ library which was loaded is older than a binary needs, and whose it is."""

import re
from typing import Literal, NamedTuple

from tunedoctor.advice.told import raised
from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table

Whose = Literal["system", "conda", "system before conda"]

_NEEDED = pattern(
    r"(?P<library>[^\s`'\"]{0,300}libstdc\+\+\.so\.6): version [`'\"](?P<version>(?:GLIBCXX|CXXABI)_[\d.]{3,12})['`\"] "
    r"not found(?: \(required by (?P<by>[^)\n]{1,400})\))?"
)
_CONDA = pattern(
    r"[\\/](?:\.?(?:ana|mini|micro)?(?:conda|mamba|forge)\d?|envs)[\\/]", re.IGNORECASE
)
_SYSTEM = pattern(r"^/(?:usr/)?lib(?:64|/|$)")


class CxxTooOld(NamedTuple):
    """One such error."""

    whose: Whose
    """Whose library was loaded: "system before conda" where an environment of conda, which brings one, failed."""
    found: str
    said: str


def cxx_too_old(errors: Errors | Unknown | None, *, conda: bool = False) -> CxxTooOld | None:
    """Return the first such error; `conda`: the interpreter is one of conda."""
    for error in raised(errors):
        found = _NEEDED.search(error.text)
        if found is None:
            continue
        library, by = found["library"], found["by"] or ""
        whose: Whose = "system"
        if _CONDA.search(library):
            whose = "conda"
        elif (conda or _CONDA.search(by)) and (not library or _SYSTEM.search(library)):
            whose = "system before conda"
        name = by.replace("\\", "/").rpartition("/")[2] or "a binary"
        gcc = table("misfits")["gcc"].get(found["version"], "")
        needs = f"{name} needs {found['version']}" + (f", of GCC {gcc} or newer" if gcc else "")
        loaded = library.rpartition("/")[0] or "the system"
        return CxxTooOld(whose, f"{needs}; the C++ library in {loaded} is older", found[0])
    return None
