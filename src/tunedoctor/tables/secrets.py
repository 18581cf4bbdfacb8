"""Patterns of secrets, from secrets.json: for redaction and for `doctor data`."""

import re
from functools import cache
from itertools import pairwise
from operator import add
from typing import Literal

import msgspec

from tunedoctor.tables.load import rows, table

Use = Literal["text", "data"]
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class SecretKind(msgspec.Struct, frozen=True):
    """The rule for finding one kind of secret."""

    id: str
    words: tuple[str, ...]
    """One of these is in every text that has it; (): digits are, as in most texts."""
    size: int
    """Least length of a text that has one: the pattern's least width."""
    pattern: str
    """Repeats are bounded. Groups "s" and "t" are hidden, "h" is a host, "g" a user; without groups, all is hidden."""
    use: Literal["text", "data", "both"]
    """What searches for it: redaction, `doctor data`, or both."""
    source: str
    times: int = 1
    """How often one of its words occurs in every text that has it."""
    kind: Literal["secret", "personal", "login", "host"] = "secret"
    hide: str = "secret"
    """Name of its replacement."""
    fold: bool = False
    """Ignore case; words are in lower case."""
    floor: float = 0
    """Least bits per character of a match; see `bits`."""
    mixed: bool = False
    """It has digits and letters, or letters of both cases."""
    check: str = ""
    """Name of a further test, which the searching code knows."""
    near: tuple[str, ...] = ()
    """Texts that look like it but are no secrets."""

    @property
    def token(self) -> bool:
        """True if the secret is a complete word."""
        return self.kind == "secret" and self.use != "data" and not self.fold

    @property
    def solid(self) -> bool:
        """True if its pattern contains no blank."""
        return " " not in self.pattern and (self.token or self.hide in ("uuid", "mac"))


@cache
def kinds(use: Use) -> tuple[SecretKind, ...]:
    """Return the kinds that redaction ("text") or `doctor data` searches for, in that order."""
    return tuple(row for row in rows("secrets", "kinds", SecretKind) if row.use in (use, "both"))


@cache
def _by_start(use: Use) -> dict[str, list[tuple[str, int, SecretKind]]]:
    """Return the words, with positions of their kinds, by their first two characters, which few texts contain."""
    result: dict[str, list[tuple[str, int, SecretKind]]] = {}
    for i, kind in enumerate(kinds(use)):
        for word in kind.words:
            result.setdefault(word[:2].lower(), []).append((word, i, kind))
    return result


def present(text: str, use: Use) -> list[SecretKind]:
    """Return the kinds that have a word in a text, in their order."""
    low, words = text.lower(), _by_start(use)
    run = max(map(len, text.split()), default=0)
    starts = words.keys() & {*low, *map(add, low, low[1:])}
    every = (word_row for start in starts for word_row in words[start])
    present_kinds = {
        i
        for word, i, kind in every
        if kind.size <= (run if kind.solid else len(text))
        and (low if kind.fold else text).count(word) >= kind.times
    }
    return [kinds(use)[i] for i in sorted(present_kinds)]


@cache
def expression(kind: SecretKind) -> "re.Pattern[str]":
    """Return the compiled expression for one kind of secret."""
    text = kind.pattern
    if kind.token:
        text = f"(?<![A-Za-z0-9])(?:{text})" + ("" if "(?P<s>" in text else r"[\w=-]*+")
    return re.compile(text, re.IGNORECASE if kind.fold else 0)


@cache
def shape(name: str) -> "re.Pattern[str]":
    """Return an expression for what surrounds secrets."""
    return re.compile("".join(table("secrets")["shapes"][name]))


@cache
def names(of: str) -> tuple[str, ...]:
    """Return words of names, or of values that are not secrets."""
    return tuple(table("secrets")["names"][of])


def split_name(name: str) -> tuple[list[str], set[str]]:
    """Return the parts of a name in lower case, and those (or pairs) that say it is the name of a secret."""
    parts = [p.lower() for p in _PARTS.findall(name)]
    sure = {p for p in parts if p in names("one") or p.endswith(names("ends"))}
    two = {a + b for a, b in pairwise(parts) if a + b in names("one") or f"{a} {b}" in names("two")}
    return parts, sure | two


def unseen(variable: str) -> bool:
    """Return whether a variable's value must not be read: it is a secret, or can contain one."""
    is_listed = variable.upper() in table("probes")["presence_only"]
    return is_listed or variable.upper().endswith("USERNAME") or bool(split_name(variable)[1])


def services(text: str) -> bool:
    """Return whether a text in lower case names a service that issues secrets."""
    return any(name in text for name in table("secrets")["services"])


def bits(word: str) -> float:
    """Return how unlike a name a word is: the mean bits of a character given the one before.

    Names of files and symbols have 3 to 5, random letters and digits 6 to 9. Words in capitals count as lower case.
    """
    row: str = table("secrets")["bigrams"]
    at = [53, *map(_place, word.lower() if word.isupper() else word), 53]
    return sum(ord(row[54 * a + b]) - 97 for a, b in pairwise(at)) / 2 / (len(at) - 1)


def _place(char: str) -> int:
    if not char.isascii() or not char.isalnum():
        return 53
    return 52 if char.isdigit() else ord(char) - (97 if char.islower() else 39)


def mixed(text: str) -> bool:
    """Return whether a value looks random: digits and letters, or capitals after lower-case letters."""
    one_case = text.islower() or text.isupper() or text.istitle()
    return any(c.isalpha() for c in text) and (any(c.isdigit() for c in text) or not one_case)
