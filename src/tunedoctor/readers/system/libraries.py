"""Which shared libraries win: ldd and ldconfig -p."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Errors, ErrorText, Fact, LibraryPath, LibraryShadow
from tunedoctor.lazy import pattern
from tunedoctor.probes.library_path import version_of
from tunedoctor.readers.system.shell import LONGEST, Shown

_ROW = pattern(r"^\W{0,8}(lib[\w+-]{2,40})\.so((?:\.\d{1,6}){0,4}) => (not found|/\S{1,300})")
_HEAD = pattern(r"^\s{0,4}(/?\S{1,300}\.so\S{0,40}):\s*$")
_CACHE = pattern(r"^\s{0,12}libcuda\.so\.1 \(libc6,x86-64[^)]{0,40}\) => (/\S{1,200})")
_OF_WHEELS = pattern(
    r"libcudnn\w*|libnvJitLink|libcublasLt|libcublas|libnccl|libcudart|libcusparseLt|libcusparse|libcufft|libcurand"
    r"|libcusolver|libcupti|libnvrtc"
)
_SITE = pattern(r"/(?:site|dist)-packages/")
_OWN = pattern(r"/(?:site|dist)-packages/(?:torch|nvidia)/")
"""Libraries that name the folders of their own wheels; others count on torch to have loaded what they need."""
_MOST = 60


def libraries(lines: Sequence[str], shown: Sequence[Shown]) -> list[Fact]:
    """Return LibraryPath with foreign libraries that a wheel's library would load, and Errors for those not found."""
    shadows: dict[str, LibraryShadow] = {}
    lacking: dict[str, ErrorText] = {}
    inside = {one.line: one.command for one in shown}
    whose = ""
    for number, whole in enumerate(lines):
        line = whole[:LONGEST]
        command = inside.get(number)
        if command is not None:
            whose = command if re.match(r"(?:sudo )?(?:\w+=\S+ )?ldd\b", command) else ""
        elif head := _HEAD.match(line):
            whose = head[1]
        if "=>" not in line or len(lacking) >= _MOST:
            continue
        if cache := _CACHE.match(line):
            # the cache is searched from its top
            shadows.setdefault("libcuda", LibraryShadow(library="libcuda", path=cache[1]))
        elif row := _ROW.match(line):
            extension = bool(_SITE.search(whose)) and not _OWN.search(whose)
            if row[3] == "not found" and not extension:
                text = f"{row[1]}.so{row[2]} => not found"
                lacking.setdefault(text, ErrorText(text=text, where=f"line {number + 1}"))
            elif (
                _OWN.search(whose)
                and row[3][0] == "/"
                and not _SITE.search(row[3])
                and _OF_WHEELS.fullmatch(row[1])
            ):
                shadows.setdefault(row[1], _shadow(row[1], row[2], row[3]))
    wins = tuple(
        one for one in shadows.values() if one.library != "libcuda" or _stands_in(one.path)
    )
    facts: list[Fact] = [LibraryPath(shadows=wins)] if wins else []
    return [*facts, Errors(errors=tuple(lacking.values()))] if lacking else facts


def _shadow(library: str, number: str, path: str) -> LibraryShadow:
    return LibraryShadow(library=library, path=path, version=version_of(path) or number.lstrip("."))


def _stands_in(path: str) -> bool:
    """Tell a stub, which no driver stands behind; a compat library is often meant."""
    return "/stubs/" in path
