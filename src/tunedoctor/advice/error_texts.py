"""What errors say to several checks, by rows of misfits.json: of memory, of a C++ library, of libraries that clash.

Source of sentences on memory: CUDACachingAllocator.cpp of pytorch: until 2.0 in brackets, since 2.1 with others.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Literal, NamedTuple, TypeVar

from tunedoctor.contracts.shipped import owners
from tunedoctor.facts import Errors, ErrorText, Fact, Packages, Typed, Unknown
from tunedoctor.messages.match import sentence
from tunedoctor.model.lazy import pattern, possible
from tunedoctor.model.versions import at_least, normalised
from tunedoctor.model.wording import listed
from tunedoctor.tables.load import table
from tunedoctor.tables.small import brought_by, distribution_of, gave_up

F = TypeVar("F", bound=Fact)


def fact_or_none(fact: F | Unknown | None) -> F | None:
    """Return the fact, or None if it is absent or unknown."""
    return None if isinstance(fact, Unknown) else fact


def raised(errors: Errors | Unknown | None) -> tuple[ErrorText, ...]:
    """Return the errors of a log; empty if none are known."""
    return errors.errors if isinstance(errors, Errors) else ()


def find_error(errors: Errors | Unknown | None, *patterns: str) -> str:
    """Return what an error says from the first match of the patterns, in any case, to the end of its sentence."""
    any_pattern = _any_of(patterns)
    for error in raised(errors):
        for line in error.text.splitlines() if possible(any_pattern, error.text) else ():
            if match := any_pattern.search(line):
                return sentence(line[match.start() :], match.end() - match.start())
    return ""


@lru_cache(maxsize=4096)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches as any of these do; kept, as each check asks for the same with every report."""
    return pattern("|".join(patterns), re.IGNORECASE)


def expression(text: str) -> re.Pattern[str]:
    """Return an expression of the table with its names replaced."""
    misfit_table, plain = table("misfits"), text.removeprefix("(?i)")
    flags = re.IGNORECASE if plain != text else 0
    plain = plain.replace("<place>", misfit_table["place"])
    plain = plain.replace("<library>", f"(?P<library>{'|'.join(misfit_table['libraries'])})")
    return pattern(plain.replace("<any>", f"(?P<library>{misfit_table['any']})"), flags)


@cache
def _shape(name: str) -> re.Pattern[str]:
    return expression(table("misfits")["shapes"][name])


@cache
def _rows(name: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(expression, table("misfits")[name]))


def list_counted(names: Iterable[str]) -> str:
    """Return "2 x A and B" for A, A, B."""
    numbers = Counter(names)
    return listed(f"{number} x {name}" if number > 1 else name for name, number in numbers.items())


def shared_memory(errors: Errors | Unknown | None) -> str:
    """Return the error which says that /dev/shm is full, missing or too small; "" if there is none."""
    return find_error(errors, *table("misfits")["shared_memory"]) or _full(errors)


def _full(errors: Errors | Unknown | None) -> str:
    """Return the error of a writer to /dev/shm that found no space; "" if there is none."""
    for error in raised(errors):
        match = _shape("full").search(error.text)
        by_writer = bool(error.frames) and bool(_shape("writers").search(error.frames[-1].file))
        if match and (by_writer or _shape("semaphore").search(error.text)):
            return error.text.splitlines()[-1].strip()[:160]
    return ""


def speaks_of_shared_memory(error_text: str, errors: Errors | Unknown | None) -> bool:
    """Return whether a "disk full" message means /dev/shm: its writer printed it, or it names no other place."""
    error_text = error_text.rstrip("…")
    if error_text in _full(errors):
        return True
    full = [
        error
        for error in raised(errors)
        if error_text in error.text and _shape("full").search(error.text)
    ]
    placed = any(error.frames or _shape("place").search(error.text) for error in full)
    return (
        bool(full) and not placed and bool(find_error(errors, *table("misfits")["shared_memory"]))
    )


Whose = Literal["system", "conda", "system before conda", "search path"]


class CxxTooOld(NamedTuple):
    """One such error."""

    whose: Whose
    """Whose library was loaded: "system before conda" where an environment of conda, which brings one, failed."""
    found: str
    said: str


def cxx_too_old(
    errors: Errors | Unknown | None, *, conda: bool = False, path: str = ""
) -> CxxTooOld | None:
    """Return the first such error; `conda`: the interpreter is one of conda; `path`: LD_LIBRARY_PATH."""
    for error in raised(errors):
        match = _shape("cxx needed").search(error.text)
        if match is None:
            continue
        library, by = match["file"], match["by"] or ""
        owner: Whose = "system"
        if _shape("of conda").search(library):
            owner = "conda"
        elif library.rpartition("/")[0] in (
            folder.rstrip("/") for folder in path.split(":") if folder
        ):
            owner = "search path"
        elif (conda or _shape("of conda").search(by)) and (
            not library or _shape("of the system").search(library)
        ):
            owner = "system before conda"
        name = by.replace("\\", "/").rpartition("/")[2] or "a binary"
        gcc = table("misfits")["gcc"].get(match["version"], "")
        needs = f"{name} needs {match['version']}" + (f", of GCC {gcc} or newer" if gcc else "")
        loaded = library.rpartition("/")[0] or "the system"
        return CxxTooOld(owner, f"{needs}; the C++ library in {loaded} is older", match[0])
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
    """Held by other processes; estimated if the message has the old form."""
    processes: tuple[int, ...]
    """Their process ids, if the message has them."""
    unused: int
    """Reserved by torch's cache, but not allocated to a tensor."""

    @property
    def by_others(self) -> bool:
        """True if other processes hold the missing memory, and much of the GPU."""
        return self.others >= self.tried - self.free and self.others > _MUCH * self.total

    @property
    def by_pieces(self) -> bool:
        """True if torch's unused memory would be enough if it were not fragmented."""
        return self.unused + self.free >= self.tried and self.unused > _MUCH * self.total


def shortage(errors: Errors | Unknown | None) -> Shortage | None:
    """Return the sizes of the first error that states all of them."""
    for error in raised(errors):
        tried = _shape("tried").search(error.text)
        if tried and (sizes := _new(error.text, tried) or _old(error.text, tried)):
            return sizes
    return None


def _new(text: str, tried: re.Match[str]) -> Shortage | None:
    card = _shape("capacity").search(text)
    if not card:
        return None
    bytes_by_pid = {
        int(match[1]): _bytes(match[2], match[3])
        for match in _shape("other process").finditer(text)
    }
    if _SELF not in text and bytes_by_pid:
        # in a container this process does not know itself by its number outside: the largest is left out
        del bytes_by_pid[max(bytes_by_pid, key=lambda pid: bytes_by_pid[pid])]
    unused = _shape("unused").search(text)
    return Shortage(
        tried=_bytes(tried[1], tried[2]),
        total=_bytes(card[1], card[2]),
        free=_bytes(card[3], card[4]),
        others=sum(bytes_by_pid.values()),
        processes=tuple(sorted(bytes_by_pid, key=lambda pid: -bytes_by_pid[pid])),
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


class Misfit(NamedTuple):
    """Code of one installed library missed a name, or a keyword, of another."""

    owner: str
    """Distribution whose code failed; "" where nothing tells."""
    other: str
    """Distribution that lacks the name or keyword."""
    module: str
    name: str
    said: str


class GivenUp(NamedTuple):
    """Code asked for a name which this release of torch no longer has."""

    said: str
    owner: str
    """Distribution whose code asked; "" for the user's own, or where nothing tells."""
    since: str
    """First release of torch without the name."""


class Gone(NamedTuple):
    """A distribution whose metadata were looked for and are missing."""

    name: str
    version: str
    said: str


class TokenizerFile(NamedTuple):
    """A tokenizer.json that is written in a newer format than the installed tokenizers reads."""

    said: str
    tokenizers: str
    """First release that reads it."""
    transformers: str
    """First release that requires that tokenizers."""
    have: str
    """What is installed: "tokenizers 0.19.1", else "transformers 4.44.2"."""


def misfits(errors: Errors | Unknown | None, *, loosely: bool = False) -> Iterator[Misfit]:
    """Yield them in the order of the text; `loosely`: instead those whose caller is unknown.

    Requests of the user's own code, packages that lack a part of themselves, and files outside of package folders are
    left out.
    """
    for error in raised(errors):
        if misfit := _loose(error) if loosely else _misfit(error):
            yield misfit


def compares(errors: Errors | Unknown | None) -> Misfit | None:
    """Return the first sentence of a library that compares the version of its neighbour itself; None for none."""
    for error in raised(errors):
        if error.type.endswith("Warning") and error.type != "ImportWarning":  # datasets raises it
            continue
        for own in _rows("compares"):
            match = own.search(error.text)
            if match and "torch" not in {match["name"].lower(), match["owner"].lower()}:
                other = match["name"].lower().replace(" ", "-")
                return Misfit(match["owner"], other, "", "", match[0])
    return None


def given_up(errors: Errors | Unknown | None, torch: str) -> GivenUp | None:
    """Return the first of them; `torch` is the installed release, "" if unknown."""
    for error in raised(errors):
        for shape in _rows("given_up"):
            match = shape.search(error.text)
            since = gave_up(match["module"], match["name"], torch) if match else ""
            if match and since:
                owner = next(owners(error), "")
                return GivenUp(match[0], "" if owner == "torch" else owner, since)
    return None


def metadata_gone(
    errors: Errors | Unknown | None, typed: Typed | Unknown | None, *, replaced: bool
) -> Gone | None:
    """Return the first package whose metadata are missing according to an error; None if there is none.

    `replaced`: only if a cell of the same notebook installed the package, so that the running process still has the
    previous release; otherwise only if none did.
    """
    for error in raised(errors):
        if match := _shape("metadata gone").search(error.text):
            name = normalised(match["name"])
            if _in_notebook(name, typed) == replaced:
                return Gone(name, match["version"], match[0])
    return None


def tokenizer_file(
    errors: Errors | Unknown | None, packages: Packages | None
) -> TokenizerFile | None:
    """Return what an error and a version prove; None without a version: a file that is damaged gives the same words."""
    library = packages.version("transformers") if packages else ""
    reader = packages.version("tokenizers") if packages else ""
    for words, first, since in table("misfits")["tokenizer_formats"]:
        old = not at_least(reader, first) if reader else library and not at_least(library, since)
        if old and (error_text := find_error(errors, words)):
            have = f"tokenizers {reader}" if reader else f"transformers {library}"
            return TokenizerFile(error_text, first, since, have)
    return None


@cache
def _of_classes() -> dict[str, re.Pattern[str]]:
    return {
        name: expression("|".join(some)) for name, some in table("misfits")["of_classes"].items()
    }


def _in_notebook(name: str, typed: Typed | Unknown | None) -> bool:
    word = pattern(rf"(?<![\w-]){re.escape(name).replace('-', '[-_.]')}(?![\w-])", re.IGNORECASE)
    return any(
        command.startswith(("!", "%")) and "install" in command and word.search(command)
        for command in (typed.commands if isinstance(typed, Typed) else ())
    )


def _misfit(error: ErrorText) -> Misfit | None:
    if any(
        _shape(row_name).search(error.text) for row_name in ("not whole", "left out of a build")
    ):
        return None
    keyword = _shape("keyword").search(error.text)
    missing_name = _shape("name").search(error.text) or _shape("attribute").search(error.text)
    match = missing_name or keyword
    if match is None and (pydantic := _shape("pydantic").search(error.text)):
        owner = next((o for o in owners(error) if not o.startswith("pydantic")), "")
        name = pydantic["name"] or pydantic["bare"]
        error_text = error.text.partition("\n")[0][:120]
        return Misfit(owner, "pydantic", "pydantic", name, error_text) if owner else None
    if match is None:
        return None
    file = match.groupdict().get("file")
    if file and not _shape("installed").search(file):
        return None
    classes = table("misfits")["classes"].items()
    of_class = next((library for library, names in classes if match["module"] in names), "")
    other = brought_by(match["module"]) if missing_name else of_class
    owner = next((o for o in owners(error) if not keyword or o != other), "")
    if not owner or not other or owner == other:
        return None
    return Misfit(owner, other, match["module"], match["name"], match[0].partition(" (")[0])


def _loose(error: ErrorText) -> Misfit | None:
    """Judge an error whose caller is unknown; warnings are ignored, because nothing stopped."""
    text = error.text
    hidden = "(unknown location)" in text or "partially initialized" in text
    if hidden or error.type.endswith("Warning"):
        return None
    match = next(
        (row_match for row in _rows("named") if (row_match := row.search(text)) and error.type),
        None,
    )
    if _shape("quoted").match(text) or (error.type and not error.frames):
        match = match or _shape("placeless").search(text)
    if match:
        library = distribution_of(match["library"]) or match["library"].replace("_", "-")
        return Misfit("", library, "", "", _line(match[0]))
    for library, class_pattern in _of_classes().items():
        if call := class_pattern.search(text):
            return Misfit("", library, "", "", _line(call[0]))
    return None


def _line(text: str) -> str:
    return text.partition(" (/")[0].partition(" (C:")[0].strip(" '\n")[:140]
