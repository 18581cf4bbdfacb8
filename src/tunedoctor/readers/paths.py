"""Read which Python a program ran in: from paths in tracebacks and messages, and from a `sys.path` that was printed."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from tunedoctor.facts import Fact, Interpreter
from tunedoctor.facts.target import PrefixKind
from tunedoctor.readers.paste import shape
from tunedoctor.tables.load import table

_PACKAGES = ("site-packages", "dist-packages")
_LONGEST, _LONGEST_LIST, _FURTHEST = 600, 4000, 60
"""Characters of a line, of a list; lines of a list that is printed one entry a line."""
_MOST = 4
"""Paths of one line that are read."""
_OLDEST, _YOUNGEST = (2, 6), (3, 30)


class _Place(NamedTuple):
    version: str
    kind: PrefixKind
    bits: int


def read(lines: list[str]) -> list[Fact]:
    """Return an Interpreter where all paths of the text tell one version, and one with the folders of a search path."""
    found = [one for line in lines for one in _places(line[:_LONGEST])]
    facts: list[Fact] = []
    if len({one.version for one in found}) == 1:
        kinds: Counter[PrefixKind] = Counter(one.kind for one in found if one.kind != "unknown")
        kind: PrefixKind = kinds.most_common(1)[0][0] if kinds else "unknown"
        bits = min(one.bits for one in found)
        facts.append(Interpreter(executable="", version=found[0].version, kind=kind, bits=bits))
    return facts + _search_path(lines)


def _places(line: str) -> Iterator[_Place]:
    """Yield version, kind and bits for each path that shows them."""
    if "ython3" not in line and "ython2" not in line:
        return
    for found in islice(shape("python_path.unix").finditer(line), _MOST):
        # what belongs to the system, as a gdb or an apt hook, runs under the system's own Python
        if _likely(found["version"]) and found["rest"] != "config":
            yield _Place(found["version"], kind_of(found[0]), 64)
    for found in islice(shape("python_path.windows").finditer(line), _MOST):
        version = f"{found['major']}.{found['minor']}"
        if _likely(version):
            yield _Place(version, kind_of(line[: found.end()]), 32 if found["bits"] else 64)


def kind_of(path: str) -> PrefixKind:
    """Return what kind of environment a path inside of it shows."""
    shapes = table("labels")["prefixes"]
    return next((kind for kind, shape in shapes if re.search(shape, path)), "unknown")


def _likely(version: str) -> bool:
    major, _, minor = version.partition(".")
    return _OLDEST <= (int(major), int(minor)) <= _YOUNGEST


def _search_path(lines: list[str]) -> list[Fact]:
    """Return an Interpreter with the first list of two package folders, on one line or as `python -m site` has it."""
    for number, line in enumerate(lines):
        listed = line[:_LONGEST_LIST]
        if line.strip() == "sys.path = [":
            listed = " ".join(lines[number + 1 : number + _FURTHEST]).partition("]")[0]
        elif "packages" not in line or not line.lstrip(" \t`>*-=|").startswith("["):
            continue
        found = tuple(
            one[1].replace("\\\\", "\\") for one in shape("python_path.entry").finditer(listed)
        )
        tells = next((one for folder in found for one in _places(f"{folder}/lib/")), None)
        if tells and sum(folder.endswith(_PACKAGES) for folder in found) > 1:
            kind = kind_of(found[-1])
            return [Interpreter(executable="", version=tells.version, kind=kind, path=found)]
    return []
