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


def known(fact: F | Unknown | None) -> F | None:
    """Return the fact, or None if it is absent or unknown."""
    return None if isinstance(fact, Unknown) else fact


def raised(errors: Errors | Unknown | None) -> tuple[ErrorText, ...]:
    """Return the errors of a log; empty if none are known."""
    return errors.errors if isinstance(errors, Errors) else ()


def told(errors: Errors | Unknown | None, *patterns: str) -> str:
    """Return what an error says from the first match of the patterns, in any case, to the end of its sentence."""
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


def expression(text: str) -> re.Pattern[str]:
    """Return an expression of the table with its names replaced."""
    known, plain = table("misfits"), text.removeprefix("(?i)")
    flags = re.IGNORECASE if plain != text else 0
    plain = plain.replace("<place>", known["place"])
    plain = plain.replace("<library>", f"(?P<library>{'|'.join(known['libraries'])})")
    return pattern(plain.replace("<any>", f"(?P<library>{known['any']})"), flags)


@cache
def _shape(name: str) -> re.Pattern[str]:
    return expression(table("misfits")["shapes"][name])


@cache
def _rows(name: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(expression, table("misfits")[name]))


def counted(names: Iterable[str]) -> str:
    """Return "2 x A and B" for A, A, B."""
    numbers = Counter(names)
    return listed(f"{number} x {name}" if number > 1 else name for name, number in numbers.items())


def shared_memory(errors: Errors | Unknown | None) -> str:
    """Return the error which says that /dev/shm is full, missing or too small; "" if there is none."""
    return told(errors, *table("misfits")["shared_memory"]) or _full(errors)


def _full(errors: Errors | Unknown | None) -> str:
    """Return the error of a writer to /dev/shm that found no space; "" if there is none."""
    for error in raised(errors):
        found = _shape("full").search(error.text)
        by_writer = bool(error.frames) and bool(_shape("writers").search(error.frames[-1].file))
        if found and (by_writer or _shape("semaphore").search(error.text)):
            return error.text.splitlines()[-1].strip()[:160]
    return ""


def speaks_of_shared_memory(said: str, errors: Errors | Unknown | None) -> bool:
    """Return whether a "disk full" message means /dev/shm: its writer printed it, or it names no other place."""
    said = said.rstrip("…")
    if said in _full(errors):
        return True
    full = [one for one in raised(errors) if said in one.text and _shape("full").search(one.text)]
    placed = any(one.frames or _shape("place").search(one.text) for one in full)
    return bool(full) and not placed and bool(told(errors, *table("misfits")["shared_memory"]))


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
        found = _shape("cxx needed").search(error.text)
        if found is None:
            continue
        library, by = found["file"], found["by"] or ""
        whose: Whose = "system"
        if _shape("of conda").search(library):
            whose = "conda"
        elif library.rpartition("/")[0] in (one.rstrip("/") for one in path.split(":") if one):
            whose = "search path"
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
        if found := _loose(error) if loosely else _misfit(error):
            yield found


def compares(errors: Errors | Unknown | None) -> Misfit | None:
    """Return the first sentence of a library that compares the version of its neighbour itself; None for none."""
    for error in raised(errors):
        if error.type.endswith("Warning") and error.type != "ImportWarning":  # datasets raises it
            continue
        for own in _rows("compares"):
            found = own.search(error.text)
            if found and "torch" not in {found["name"].lower(), found["owner"].lower()}:
                other = found["name"].lower().replace(" ", "-")
                return Misfit(found["owner"], other, "", "", found[0])
    return None


def given_up(errors: Errors | Unknown | None, torch: str) -> GivenUp | None:
    """Return the first of them; `torch` is the installed release, "" if unknown."""
    for error in raised(errors):
        for shape in _rows("given_up"):
            found = shape.search(error.text)
            since = gave_up(found["module"], found["name"], torch) if found else ""
            if found and since:
                owner = next(owners(error), "")
                return GivenUp(found[0], "" if owner == "torch" else owner, since)
    return None


def metadata_gone(
    errors: Errors | Unknown | None, typed: Typed | Unknown | None, *, replaced: bool
) -> Gone | None:
    """Return the first package whose metadata are missing according to an error; None if there is none.

    `replaced`: only if a cell of the same notebook installed the package, so that the running process still has the
    previous release; otherwise only if none did.
    """
    for error in raised(errors):
        if found := _shape("metadata gone").search(error.text):
            name = normalised(found["name"])
            if _in_notebook(name, typed) == replaced:
                return Gone(name, found["version"], found[0])
    return None


def tokenizer_file(
    errors: Errors | Unknown | None, packages: Packages | None
) -> TokenizerFile | None:
    """Return what an error and a version prove; None without a version: a file that is damaged gives the same words."""
    library = packages.version("transformers") if packages else ""
    reader = packages.version("tokenizers") if packages else ""
    for words, first, since in table("misfits")["tokenizer_formats"]:
        old = not at_least(reader, first) if reader else library and not at_least(library, since)
        if old and (said := told(errors, words)):
            have = f"tokenizers {reader}" if reader else f"transformers {library}"
            return TokenizerFile(said, first, since, have)
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
    if any(_shape(one).search(error.text) for one in ("not whole", "left out of a build")):
        return None
    keyword = _shape("keyword").search(error.text)
    named = _shape("name").search(error.text) or _shape("attribute").search(error.text)
    found = named or keyword
    if found is None and (pydantic := _shape("pydantic").search(error.text)):
        owner = next((o for o in owners(error) if not o.startswith("pydantic")), "")
        name = pydantic["name"] or pydantic["bare"]
        said = error.text.partition("\n")[0][:120]
        return Misfit(owner, "pydantic", "pydantic", name, said) if owner else None
    if found is None:
        return None
    file = found.groupdict().get("file")
    if file and not _shape("installed").search(file):
        return None
    classes = table("misfits")["classes"].items()
    of_class = next((library for library, names in classes if found["module"] in names), "")
    other = brought_by(found["module"]) if named else of_class
    owner = next((o for o in owners(error) if not keyword or o != other), "")
    if not owner or not other or owner == other:
        return None
    return Misfit(owner, other, found["module"], found["name"], found[0].partition(" (")[0])


def _loose(error: ErrorText) -> Misfit | None:
    """Judge an error whose caller is unknown; warnings are ignored, because nothing stopped."""
    text = error.text
    hidden = "(unknown location)" in text or "partially initialized" in text
    if hidden or error.type.endswith("Warning"):
        return None
    found = next((f for one in _rows("named") if (f := one.search(text)) and error.type), None)
    if _shape("quoted").match(text) or (error.type and not error.frames):
        found = found or _shape("placeless").search(text)
    if found:
        library = distribution_of(found["library"]) or found["library"].replace("_", "-")
        return Misfit("", library, "", "", _line(found[0]))
    for library, known in _of_classes().items():
        if call := known.search(text):
            return Misfit("", library, "", "", _line(call[0]))
    return None


def _line(text: str) -> str:
    return text.partition(" (/")[0].partition(" (C:")[0].strip(" '\n")[:140]
