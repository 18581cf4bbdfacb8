"""What secrets look like, over secrets.json: for redaction and for `doctor data`."""

import re
from functools import cache
from itertools import pairwise
from operator import add
from typing import Literal

import msgspec

from tunedoctor.tables.load import rows, table

Use = Literal["text", "data"]
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Kind(msgspec.Struct, frozen=True):
    """How one kind is found."""

    id: str
    words: tuple[str, ...]
    """One of these is in every text that has it; (): digits are, which most texts have."""
    size: int
    """Characters that a text with one has at least: the pattern's least width."""
    pattern: str
    """Repeats are bounded. Groups "s" and "t" are what is hidden, "h" a host, "g" a user; without, all is."""
    use: Literal["text", "data", "both"]
    """Who looks for it: redaction, `doctor data`, or both."""
    source: str
    times: int = 1
    """How often one of its words stands in every text that has it."""
    kind: Literal["secret", "personal", "login", "host"] = "secret"
    hide: str = "secret"
    """What its stand-in is called."""
    fold: bool = False
    """Small letters and capitals are the same; words are in small letters."""
    floor: float = 0
    """Bits a character that a finding has at least; see `bits`."""
    mixed: bool = False
    """It has digits and letters, or letters of both cases within."""
    check: str = ""
    """What else it must be, by the name that who looks for it knows."""
    near: tuple[str, ...] = ()
    """What looks like it and is none."""

    @property
    def token(self) -> bool:
        """It is a word that begins by itself and goes on to its end."""
        return self.kind == "secret" and self.use != "data" and not self.fold

    @property
    def solid(self) -> bool:
        """There is no blank within its least width."""
        return " " not in self.pattern and (self.token or self.hide in ("uuid", "mac"))


@cache
def kinds(use: Use) -> tuple[Kind, ...]:
    """Return the kinds that redaction ("text") or `doctor data` looks for, in that order."""
    return tuple(one for one in rows("secrets", "kinds", Kind) if one.use in (use, "both"))


@cache
def _by_start(use: Use) -> dict[str, list[tuple[str, int, Kind]]]:
    """Return the words with the places of their kinds by their first two characters, which most texts lack."""
    found: dict[str, list[tuple[str, int, Kind]]] = {}
    for i, kind in enumerate(kinds(use)):
        for word in kind.words:
            found.setdefault(word[:2].lower(), []).append((word, i, kind))
    return found


def present(text: str, use: Use) -> list[Kind]:
    """Return the kinds that have a word in a text, in their order."""
    low, words = text.lower(), _by_start(use)
    run = max(map(len, text.split()), default=0)
    starts = words.keys() & {*low, *map(add, low, low[1:])}
    every = (one for start in starts for one in words[start])
    there = {
        i
        for word, i, kind in every
        if kind.size <= (run if kind.solid else len(text))
        and (low if kind.fold else text).count(word) >= kind.times
    }
    return [kinds(use)[i] for i in sorted(there)]


@cache
def expression(kind: Kind) -> "re.Pattern[str]":
    """Return the compiled expression of a kind."""
    text = kind.pattern
    if kind.token:
        text = f"(?<![A-Za-z0-9])(?:{text})" + ("" if "(?P<s>" in text else r"[\w=-]*+")
    return re.compile(text, re.IGNORECASE if kind.fold else 0)


@cache
def shape(name: str) -> "re.Pattern[str]":
    """Return an expression of what stands around secrets."""
    return re.compile("".join(table("secrets")["shapes"][name]))


@cache
def names(of: str) -> tuple[str, ...]:
    """Return words of names, or of values that are none."""
    return tuple(table("secrets")["names"][of])


def parted(name: str) -> tuple[list[str], set[str]]:
    """Return the parts of a name in small letters, and those, alone or two together, that say it is a secret's."""
    parts = [p.lower() for p in _PARTS.findall(name)]
    sure = {p for p in parts if p in names("one") or p.endswith(names("ends"))}
    two = {a + b for a, b in pairwise(parts) if a + b in names("one") or f"{a} {b}" in names("two")}
    return parts, sure | two


def unseen(variable: str) -> bool:
    """Tell whether nobody looks at the value of a variable: it is a secret's, or can hold one."""
    known = variable.upper() in table("probes")["presence_only"]
    return known or variable.upper().endswith("USERNAME") or bool(parted(variable)[1])


def services(text: str) -> bool:
    """Tell whether a text in small letters names a service that gives out secrets."""
    return any(name in text for name in table("secrets")["services"])


def bits(word: str) -> float:
    """Return how unlike a name a word is: the mean bits of a character behind the one before.

    Names of files and symbols have 3 to 5, made-up letters and digits 6 to 9. Words of capitals alone count as small.
    """
    row: str = table("secrets")["bigrams"]
    at = [53, *map(_place, word.lower() if word.isupper() else word), 53]
    return sum(ord(row[54 * a + b]) - 97 for a, b in pairwise(at)) / 2 / (len(at) - 1)


def _place(char: str) -> int:
    if not char.isascii() or not char.isalnum():
        return 53
    return 52 if char.isdigit() else ord(char) - (97 if char.islower() else 39)


def mixed(text: str) -> bool:
    """Tell a random value from a word: digits and letters, or capitals behind small letters."""
    one_case = text.islower() or text.isupper() or text.istitle()
    return any(c.isalpha() for c in text) and (any(c.isdigit() for c in text) or not one_case)
