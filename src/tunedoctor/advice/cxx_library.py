"""Find in an error that the C++ library which was loaded is older than a binary needs, and whose it is."""

import re
from typing import Literal, NamedTuple

from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern

Whose = Literal["system", "conda", "system before conda"]

_NEEDED = pattern(
    r"(?P<library>[^\s`'\"]{0,300}libstdc\+\+\.so\.6): version [`'\"](?P<version>(?:GLIBCXX|CXXABI)_[\d.]{3,12})['`\"] "
    r"not found(?: \(required by (?P<by>[^)\n]{1,400})\))?"
)
_CONDA = pattern(
    r"[\\/](?:\.?(?:ana|mini|micro)?(?:conda|mamba|forge)\d?|envs)[\\/]", re.IGNORECASE
)
_SYSTEM = pattern(r"^/(?:usr/)?lib(?:64|/|$)")
_GCC = {
    "GLIBCXX_3.4.20": "4.9",
    "GLIBCXX_3.4.21": "5",
    "GLIBCXX_3.4.22": "6",
    "GLIBCXX_3.4.24": "7",
    "GLIBCXX_3.4.25": "8",
    "GLIBCXX_3.4.26": "9",
    "GLIBCXX_3.4.28": "9.3",
    "GLIBCXX_3.4.29": "11",
    "GLIBCXX_3.4.30": "12",
    "GLIBCXX_3.4.31": "13",
    "GLIBCXX_3.4.32": "13.2",
    "GLIBCXX_3.4.33": "14",
    "CXXABI_1.3.8": "4.9",
    "CXXABI_1.3.9": "5",
    "CXXABI_1.3.11": "7",
    "CXXABI_1.3.13": "11",
    "CXXABI_1.3.15": "14",
}
"""First GCC whose libstdc++ has a version of the interface. Source: GCC, ABI Policy and Guidelines, History."""


class CxxTooOld(NamedTuple):
    """One such error."""

    whose: Whose
    """Whose library was loaded: "system before conda" where an environment of conda, which brings one, failed."""
    found: str
    said: str


def cxx_too_old(errors: Errors | Unknown | None, *, conda: bool = False) -> CxxTooOld | None:
    """Return the first such error; `conda`: the interpreter is one of conda."""
    for error in errors.errors if isinstance(errors, Errors) else ():
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
        gcc = _GCC.get(found["version"], "")
        needs = f"{name} needs {found['version']}" + (f", of GCC {gcc} or newer" if gcc else "")
        loaded = library.rpartition("/")[0] or "the system"
        return CxxTooOld(whose, f"{needs}; the C++ library in {loaded} is older", found[0])
    return None
