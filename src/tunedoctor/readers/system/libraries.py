"""Which shared libraries win: ldd and ldconfig -p."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.facts import Errors, ErrorText, Fact, LibraryPath, LibraryShadow
from tunedoctor.lazy import pattern
from tunedoctor.probes.library_path import version_of
from tunedoctor.readers.system.shell import LONGEST, Shown

_ROW = pattern(
    r"^\W{0,8}(lib[\w+-]{2,40})\.so((?:\.\d{1,6}){0,4}) => (not found|(?:\.{3})?/\S{1,300})"
)
_HEAD = pattern(r"^\s{0,4}(/?\S{1,300}\.so\S{0,40}):\s*$")
_CACHE = pattern(r"^\s{0,12}libcuda\.so\.1 \(libc6,x86-64[^)]{0,40}\) => (/\S{1,200})")
_OF_WHEELS = pattern(
    r"libcudnn\w*|libnvJitLink|libcublasLt|libcublas|libnccl|libcudart|libcusparseLt|libcusparse|libcufft|libcurand"
    r"|libcusolver|libcupti|libnvrtc"
)
_SITE = pattern(r"/(?:site|dist)-packages/")
_OWN = pattern(r"/(?:site|dist)-packages/(?:torch|nvidia)/|/torch/lib/libtorch\w*\.so")
"""Libraries that name the folders of their own wheels; others count on torch to have loaded what they need."""
_MOST = 60
_MOST_ROWS = 4000


class _Row(NamedTuple):
    """One library that a file wants."""

    whose: str
    """The file, or the command that asked for it."""
    library: str
    number: str
    place: str
    line: int

    @property
    def lacks(self) -> bool:
        return self.place == "not found"

    @property
    def of_torch(self) -> bool:
        return bool(_OWN.search(self.whose))

    @property
    def of_extension(self) -> bool:
        return bool(_SITE.search(self.whose)) and not self.of_torch


def libraries(lines: Sequence[str], shown: Sequence[Shown]) -> list[Fact]:
    """Return LibraryPath with foreign libraries that a wheel's library would load, and Errors for those not found."""
    shadows: dict[str, LibraryShadow] = {}
    rows: list[_Row] = []
    inside = {one.line: one.command for one in shown}
    whose = ""
    for number, whole in enumerate(lines, 1):
        line = whole[:LONGEST]
        command = inside.get(number - 1)
        if command is not None:
            whose = command if re.match(r"(?:sudo )?(?:\w+=\S+ )?ldd\b", command) else ""
        elif head := _HEAD.match(line):
            whose = head[1]
        if "=>" not in line or len(rows) >= _MOST_ROWS:
            continue
        if cache := _CACHE.match(line):
            # the cache is searched from its top
            shadows.setdefault("libcuda", LibraryShadow(library="libcuda", path=cache[1]))
        elif row := _ROW.match(line):
            rows.append(_Row(whose, row[1], row[2], row[3], number))
    for one in rows:
        if _is_foreign(one):
            shadows.setdefault(one.library, _shadow(one.library, one.number, one.place))
    wins = tuple(
        one for one in shadows.values() if one.library != "libcuda" or _stands_in(one.path)
    )
    lacking = _lacking(rows)
    facts: list[Fact] = [LibraryPath(shadows=wins)] if wins else []
    return [*facts, Errors(errors=lacking)] if lacking else facts


def _is_foreign(one: _Row) -> bool:
    """Tell a library of the system that a library of torch would load."""
    return (
        one.of_torch
        and one.place.startswith("/")
        and not _SITE.search(one.place)
        and bool(_OF_WHEELS.fullmatch(one.library))
    )


def _lacking(rows: Sequence[_Row]) -> tuple[ErrorText, ...]:
    """Return what is not found; of extensions only what torch brings under another number.

    What torch brings under the same number it has loaded before an extension is.
    """
    loaded = {one.library: one.number for one in reversed(rows) if one.of_torch and not one.lacks}
    found: dict[str, ErrorText] = {}
    for one in rows:
        own = loaded.get(one.library, one.number)
        file = _file(one.whose)
        if not one.lacks or len(found) >= _MOST:
            continue
        text = f"{one.library}.so{one.number} => not found"
        if one.of_extension:
            if not file or own == one.number:
                continue
            text = f"{file}: {text}; torch loads {one.library}.so{own}"
        found.setdefault(text, ErrorText(text=text, where=f"line {one.line}"))
    return tuple(found.values())


def _file(whose: str) -> str:
    """Return the name of the file that ldd was asked for."""
    return next((word.rpartition("/")[2] for word in whose.split() if ".so" in word), "")


def _shadow(library: str, number: str, path: str) -> LibraryShadow:
    return LibraryShadow(library=library, path=path, version=version_of(path) or number.lstrip("."))


def _stands_in(path: str) -> bool:
    """Tell a stub, which no driver stands behind; a compat library is often meant."""
    return "/stubs/" in path
