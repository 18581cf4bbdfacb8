"""Read from the paths in tracebacks and messages which Python a program ran in: its version, its kind, its bits."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from tunedoctor.facts import Fact, Interpreter
from tunedoctor.facts.target import PrefixKind
from tunedoctor.lazy import pattern

_UNIX = pattern(
    r"(?P<prefix>[\w.@+~:/-]{0,300}?/|)lib(?:64)?/(?:python|pypy)(?P<version>[23]\.\d{1,2})t?/"
    r"(?P<rest>[\w.-]{0,40})"
)
_WINDOWS = pattern(
    # pip writes the paths of Windows in small letters
    r"[\\/][Pp]ython(?P<major>3)\.?(?P<minor>\d{1,2})(?P<bits>-32)?[\\/](?:[Ll]ib|[Ss]cripts|python\.exe)"
)
_CONDA = pattern(
    r"(?:^|[\\/])(?:\w{0,20}conda\d?|miniforge\d?|mambaforge|micromamba|conda)[\\/]", re.IGNORECASE
)
_VENV = pattern(r"(?:^|[\\/])\.?v?env(?:s)?\d{0,3}[\\/](?:[\w.-]{1,60}[\\/])?lib", re.IGNORECASE)
_STANDALONE = pattern(
    r"[\\/](?:cpython|pypy)-\d\.\d{1,2}\.\d{1,2}[\w.+-]{0,40}[\\/]|[\\/]\.pyenv[\\/]"
)
_LONGEST = 600
_MOST = 4
"""Paths of one line that are read."""
_OLDEST, _YOUNGEST = (2, 6), (3, 30)


def read(lines: list[str]) -> list[Fact]:
    """Return an Interpreter where all paths of the text tell one version; nothing where they differ or tell none."""
    found = list(_places(lines))
    versions = {version for version, _, _ in found}
    if len(versions) != 1:
        return []
    kinds: Counter[PrefixKind] = Counter(kind for _, kind, _ in found if kind != "unknown")
    kind: PrefixKind = kinds.most_common(1)[0][0] if kinds else "unknown"
    bits = 32 if any(bits == 32 for _, _, bits in found) else 64
    return [Interpreter(executable="", version=versions.pop(), kind=kind, bits=bits)]


def _places(lines: Iterable[str]) -> Iterable[tuple[str, PrefixKind, int]]:
    """Yield version, kind and bits for each path that shows them."""
    for whole in lines:
        line = whole[:_LONGEST]
        if "ython3" not in line and "ython2" not in line:
            continue
        for found in islice(_UNIX.finditer(line), _MOST):
            # what belongs to the system, as a gdb or an apt hook, runs under the system's own Python
            if _likely(found["version"]) and found["rest"] != "config":
                yield found["version"], kind_of(found[0]), 64
        for found in islice(_WINDOWS.finditer(line), _MOST):
            version = f"{found['major']}.{found['minor']}"
            if _likely(version):
                yield version, kind_of(line[: found.end()]), 32 if found["bits"] else 64


def kind_of(path: str) -> PrefixKind:
    """Return what kind of environment a path inside of it shows."""
    if _CONDA.search(path):
        return "conda"
    if "/.local/lib/" in path:
        return "unknown"
    if _VENV.search(path):
        return "venv"
    if _STANDALONE.search(path):
        return "standalone"
    if "/dist-packages" in path or path.startswith(("/usr/lib/", "/usr/local/lib/")):
        return "system"
    return "unknown"


def _likely(version: str) -> bool:
    major, _, minor = version.partition(".")
    return _OLDEST <= (int(major), int(minor)) <= _YOUNGEST
