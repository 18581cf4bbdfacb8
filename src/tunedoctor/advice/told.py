"""Ask facts that may be unknown, look for an error text, and tell what it says of memory and of a C++ library.

Whose memory or library it is: shared memory and no disk, the C++ library that was loaded, who holds the GPU in an
out-of-memory. Source of the latter: CUDACachingAllocator.cpp of pytorch, the message of OutOfMemoryError: until 2.0
in brackets, since 2.1 in sentences that name other processes.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Literal, NamedTuple, TypeVar

from tunedoctor.facts import Errors, ErrorText, Fact, Unknown
from tunedoctor.lazy import pattern, possible
from tunedoctor.messages.match import sentence
from tunedoctor.tables.load import table
from tunedoctor.wording import listed

F = TypeVar("F", bound=Fact)


def known(fact: F | Unknown | None) -> F | None:
    """Return the fact, or None where it is absent or unknown."""
    return None if isinstance(fact, Unknown) else fact


def raised(errors: Errors | Unknown | None) -> tuple[ErrorText, ...]:
    """Return the errors of a log; none where none is known."""
    return errors.errors if isinstance(errors, Errors) else ()


def told(errors: Errors | Unknown | None, *patterns: str) -> str:
    """Return what an error says from where the first of the patterns matches, to the end of its sentence.

    Patterns are regular expressions; case does not count. "" where none matches.
    """
    wanted = _any_of(patterns)
    for error in raised(errors):
        for line in error.text.splitlines() if possible(wanted, error.text) else ():
            if found := wanted.search(line):
                return sentence(line[found.start() :], found.end() - found.start())
    return ""


@lru_cache(maxsize=4096)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches as any of these do; kept, as each check asks for the same with every report."""
    return pattern("|".join(patterns), re.IGNORECASE)


@cache
def _shape(name: str) -> re.Pattern[str]:
    """Return an expression for what errors say of memory, of places and of a C++ library."""
    source = table("misfits")["told"][name]
    return pattern(source.removeprefix("(?i)"), re.IGNORECASE if "(?i)" in source else 0)


def counted(names: Iterable[str]) -> str:
    """Return "2 x A and B" for A, A, B."""
    numbers = Counter(names)
    return listed(f"{number} x {name}" if number > 1 else name for name, number in numbers.items())


SHARED_MEMORY = (
    r"killed by signal: Bus error",
    r"workers are out of shared memory",
    r"(?:creating|opening|attaching to) shared memory segment",
    r"NCCL WARN .{0,40}posix_fallocate failed",
    r"failed to (?:extend|create|open|allocate) \S{0,40}/dev/shm/",
    r"insufficient shared memory",
    r"unable to (?:open|write to|mmap|resize) .{0,10}file </torch_\d",
    r"unable to (?:open|write to|mmap).{0,40}shared memory",
    r"unable to (?:open shared memory object|allocate shared memory)",
    r"No space left on device: '/(?:dev/shm/|psm_|sem\.)",
    r"object store is using /tmp instead of /dev/shm because /dev/shm has only",
    r"(?:shm_open|/dev/shm/).{0,80}No space left on device",
)
"""What is said where /dev/shm is full, missing or too small."""


def full_shared_memory(errors: Errors | Unknown | None) -> str:
    """Return the error of a writer to /dev/shm that found no room; "" where there is none."""
    for error in raised(errors):
        found = _shape("full").search(error.text)
        by_writer = bool(error.frames) and bool(_shape("writers").search(error.frames[-1].file))
        if found and (by_writer or _shape("semaphore").search(error.text)):
            return error.text.splitlines()[-1].strip()[:160]
    return ""


def speaks_of_shared_memory(said: str, errors: Errors | Unknown | None) -> bool:
    """Tell whether words of a full disk mean /dev/shm: its writer said them, or they name no place beside its error."""
    said = said.rstrip("…")
    if said in full_shared_memory(errors):
        return True
    if not isinstance(errors, Errors) or not told(errors, *SHARED_MEMORY):
        return False
    full = [
        error for error in errors.errors if said in error.text and _shape("full").search(error.text)
    ]
    return bool(full) and not any(
        error.frames or _shape("place").search(error.text) for error in full
    )


Whose = Literal["system", "conda", "system before conda"]


class CxxTooOld(NamedTuple):
    """One such error."""

    whose: Whose
    """Whose library was loaded: "system before conda" where an environment of conda, which brings one, failed."""
    found: str
    said: str


def cxx_too_old(errors: Errors | Unknown | None, *, conda: bool = False) -> CxxTooOld | None:
    """Return the first such error; `conda`: the interpreter is one of conda."""
    for error in raised(errors):
        found = _shape("cxx needed").search(error.text)
        if found is None:
            continue
        library, by = found["library"], found["by"] or ""
        whose: Whose = "system"
        if _shape("of conda").search(library):
            whose = "conda"
        elif (conda or _shape("of conda").search(by)) and (
            not library or _shape("of the system").search(library)
        ):
            whose = "system before conda"
        name = by.replace("\\", "/").rpartition("/")[2] or "a binary"
        gcc = table("misfits")["gcc"].get(found["version"], "")
        needs = f"{name} needs {found['version']}" + (f", of GCC {gcc} or newer" if gcc else "")
        loaded = library.rpartition("/")[0] or "the system"
        return CxxTooOld(whose, f"{needs}; the C++ library in {loaded} is older", found[0])
    return None


_SELF = "this process has"
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_CONTEXT = 1 << 30
"""Bytes of this process that the older sentence does not count: CUDA's context and its libraries."""
_MUCH = 0.2
"""Share of a GPU that is worth freeing."""


class Shortage(NamedTuple):
    """Sizes in bytes, of one GPU."""

    tried: int
    total: int
    free: int
    others: int
    """Held by other processes; estimated where the sentence is an old one."""
    processes: tuple[int, ...]
    """Their numbers, where it tells them."""
    unused: int
    """Held by torch's cache and handed to nobody."""

    @property
    def by_others(self) -> bool:
        """Other processes hold what is lacking, and much of the GPU."""
        return self.others >= self.tried - self.free and self.others > _MUCH * self.total

    @property
    def by_pieces(self) -> bool:
        """What torch holds unused would do, if it were in one piece."""
        return self.unused + self.free >= self.tried and self.unused > _MUCH * self.total


def shortage(errors: Errors | Unknown | None) -> Shortage | None:
    """Return the sizes of the first error that tells them all."""
    for error in raised(errors):
        tried = _shape("tried").search(error.text)
        if tried and (found := _new(error.text, tried) or _old(error.text, tried)):
            return found
    return None


def _new(text: str, tried: re.Match[str]) -> Shortage | None:
    card = _shape("capacity").search(text)
    if not card:
        return None
    held = {int(one[1]): _bytes(one[2], one[3]) for one in _shape("other process").finditer(text)}
    if _SELF not in text and held:
        # in a container this process does not know itself by its number outside: the largest is left out
        del held[max(held, key=lambda pid: held[pid])]
    unused = _shape("unused").search(text)
    return Shortage(
        tried=_bytes(tried[1], tried[2]),
        total=_bytes(card[1], card[2]),
        free=_bytes(card[3], card[4]),
        others=sum(held.values()),
        processes=tuple(sorted(held, key=lambda pid: -held[pid])),
        unused=_bytes(unused[1], unused[2]) if unused else 0,
    )


def _old(text: str, tried: re.Match[str]) -> Shortage | None:
    card = _shape("capacity until 2.0").search(text)
    if not card:
        return None
    total, used, free, reserved = (_bytes(card[i], card[i + 1]) for i in (1, 3, 5, 7))
    return Shortage(
        tried=_bytes(tried[1], tried[2]),
        total=total,
        free=free,
        others=max(0, total - free - reserved - _CONTEXT),
        processes=(),
        unused=max(0, reserved - used),
    )


def _bytes(number: str, unit: str) -> int:
    try:
        return int(float(number) * _UNITS.get(unit[0], 1))
    except ValueError:  # "1.2.3"
        return 0
