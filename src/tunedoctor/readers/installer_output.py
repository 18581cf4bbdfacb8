"""Package statements in a text: rows of installer_messages.json on the joined text, names, and the final state."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from tunedoctor.facts import BrokenDistribution, Distribution, Interpreter, Requirement
from tunedoctor.model.lazy import pattern, possible
from tunedoctor.model.versions import normalised as pep503
from tunedoctor.readers.output_rows import shape as expression
from tunedoctor.tables.load import table


@lru_cache(maxsize=4096)
def normalised(name: str) -> str:
    """Return a name normalised as in PEP 503, replaced by the name that is installed: PyTorch is torch."""
    plain = pep503(name.strip()).strip("-")
    return str(table("distributions")["aliases"].get(plain, plain))


@cache
def _names(*keys: str) -> frozenset[str]:
    return frozenset(name for key in keys for name in table("distributions")[key])


def is_of_stack(name: str) -> bool:
    """Return whether a normalised name belongs to the stack."""
    return (
        name in _names("stack", "listed")
        or expression("piece.nvidia_wheel").match(name) is not None
    )


def no_package(name: str) -> bool:
    """Return whether a word begins lines that look like rows of a list but are not."""
    return name in _names("not_packages")


def compact(specifier: str) -> str:
    """Return a specifier without blanks and without a trailing comma."""
    return "".join(specifier.split()).strip(",").rstrip(".")


def version_of_wheel(file: str) -> tuple[str, str]:
    """Split the file name of a wheel or sdist: ("torch", "2.6.0+cu124"); ("", "") for other files."""
    plain = file.replace("%2B", "+").replace("%2b", "+").partition("#")[0].partition("?")[0]
    plain = plain.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix(".metadata")
    pieces = plain.split("-")
    if plain.endswith(".whl"):
        return (normalised(pieces[0]), pieces[1]) if len(pieces) >= 5 else ("", "")
    match = expression("piece.sdist").match(plain)
    return (normalised(match[1]), match[2]) if match else ("", "")


_PREFIX = expression("piece.prefix")
_STARTS = "[#|│0123456789"
_SLOT = re.compile(r"\{(?=[a-z:])([a-z]*)(?::([a-z]+))?\}")
LONGEST_LINE = 100_000


class InstallerMessage(NamedTuple):
    """A match of a row in a text."""

    line: int
    """From 0."""
    last: int
    text: str
    fields: dict[str, str]
    """Slots from the text, added to the row's fixed fields."""


class Text(NamedTuple):
    """The text with blanks instead of line ends, and the position of each line in it."""

    text: str
    starts: list[int]

    def line(self, position: int) -> int:
        """Return the number, from 0, of the line that contains a position."""
        return max(0, bisect_right(self.starts, position) - 1)

    def matches(self, fact: str) -> Iterator[InstallerMessage]:
        """Yield the matches of a fact's rows, row by row in table order."""
        for row, always in _rows()[fact]:
            if not possible(row, self.text) or always.get("within", "") not in self.text:
                continue
            for match in row.finditer(self.text):
                slots = {slot: text for slot, text in match.groupdict().items() if text is not None}
                first, last = self.line(match.start()), self.line(match.end() - 1)
                yield InstallerMessage(first, last, match[0].strip(), {**always, **slots})


def joined(lines: Sequence[str]) -> Text:
    """Join lines with blanks, without log prefixes; a line that ends in a hyphen is joined without a blank."""
    starts: list[int] = []
    pieces: list[str] = []
    position = 0
    for line in lines:
        words = line[:LONGEST_LINE].split()
        if words and words[0][0] in _STARTS:
            words = _PREFIX.sub("", line[:LONGEST_LINE], count=1).split()
        piece = " ".join(words)
        starts.append(position)
        if not piece:
            piece = "\n"
        elif not (piece.endswith("-") and piece[-2:-1].isalnum()):
            piece += " "
        pieces.append(piece)
        position += len(piece)
    return Text("".join(pieces), starts)


@cache
def _rows() -> dict[str, list[tuple[re.Pattern[str], dict[str, str]]]]:
    result: dict[str, list[tuple[re.Pattern[str], dict[str, str]]]] = {}
    for row in table("installer_messages")["rows"]:
        name = row["shape"] if row["fact"] == "line" else row["fact"]
        result.setdefault(name, []).append((wording(row), row.get("always", {})))
    return result


@cache
def shape(name: str) -> re.Pattern[str]:
    """Return the pattern for a line of this shape."""
    return _rows()[name][0][0]


def wording(row: dict[str, Any]) -> re.Pattern[str]:
    """Return the pattern that finds a row in a joined text, or in a line if it describes one."""
    return pattern(_filled(row["text"]))


@cache
def _type(name: str) -> str:
    return _filled(table("installer_messages")["types"][name])


def _filled(text: str) -> str:
    def group(slot: re.Match[str]) -> str:
        start = f"?P<{slot[1]}>" if slot[1] else "?:"
        return f"({start}{_type(slot[2] or slot[1])})"

    return _SLOT.sub(group, text)


class Entry(NamedTuple):
    """One statement about one package."""

    line: int
    """Line of the text, from 0: a later statement replaces an earlier one."""
    name: str
    """Normalised."""
    version: str
    """Empty if unknown."""
    installer: str = ""
    location: str = ""
    requires: tuple[str, ...] = ()
    editable: bool = False
    removed: bool = False
    weak: bool = False
    """Mentioned in passing, by an error text or a lock file: counts only without a list or installer output."""
    conda: str = ""
    """ "version build" of a conda package."""

    @property
    def distribution(self) -> Distribution:
        """The distribution that it describes."""
        fields = self._asdict()
        return Distribution(**{name: fields[name] for name in _TOLD})


_TOLD = ("name", "version", "installer", "location", "requires", "editable")


Statement = Entry | Requirement | BrokenDistribution | Interpreter
"""Results of the readers of lists and installer messages."""


def final_state(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the last statement about each package by name, including removed ones."""
    return {entry.name: entry for entry in sorted(entries, key=lambda e: (not e.weak, e.line))}
