"""What secrets look like, over secrets.json: for redaction and for `doctor data`.

Every kind has words that stand in whatever it finds; its expression is compiled where one is met.
"""

import re
from functools import cache
from typing import Literal

import msgspec

from tunedoctor.tables.load import table


class Kind(msgspec.Struct, frozen=True):
    """How one kind is found."""

    id: str
    words: tuple[str, ...]
    """One of these is in every text that has it; (): digits are, which most texts have."""
    pattern: str
    """Repeats are bounded. Group "s" is what is hidden, "h" a host, "g" a group of users; without, all is."""
    use: Literal["text", "data", "both"]
    """Who looks for it: redaction, `doctor data`, or both."""
    source: str
    kind: Literal["secret", "personal", "login", "host"] = "secret"
    hide: str = "secret"
    """What its stand-in is called."""
    fold: bool = False
    """Small letters and capitals are the same; words are in small letters."""
    lines: bool = False
    """^ and $ are of lines."""
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
        return self.kind == "secret" and self.use != "data" and not self.fold and not self.lines


@cache
def kinds(use: Literal["text", "data"]) -> tuple[Kind, ...]:
    """Return the kinds that redaction ("text") or `doctor data` looks for, in that order."""
    every = msgspec.convert(table("secrets")["kinds"], tuple[Kind, ...])
    return tuple(one for one in every if one.use in (use, "both"))


@cache
def _by_word(use: Literal["text", "data"]) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the words with the places of their kinds: those that stand as they are, and those in small letters."""
    every = [(word, i, kind.fold) for i, kind in enumerate(kinds(use)) for word in kind.words]
    return [(w, i) for w, i, fold in every if not fold], [(w, i) for w, i, fold in every if fold]


def present(text: str, use: Literal["text", "data"]) -> list[Kind]:
    """Return the kinds that have a word in a text, in their order."""
    plain, small = _by_word(use)
    low = text.lower()
    there = {i for word, i in plain if word in text} | {i for word, i in small if word in low}
    return [kinds(use)[i] for i in sorted(there)]


@cache
def expression(kind: Kind) -> "re.Pattern[str]":
    """Return the compiled expression of a kind. A token begins at no letter's end, and goes on to the end of its word."""
    text = kind.pattern
    if kind.token:
        grows = "" if "(?P<s>" in text else r"[\w=-]{0,400}"
        text = rf"(?<![A-Za-z0-9])(?:{text}){grows}"
    flags = (re.IGNORECASE if kind.fold else 0) | (re.MULTILINE if kind.lines else 0)
    return re.compile(text, flags)


def bits(word: str) -> float:
    """Return how unlike a name a word is: the mean bits of a character behind the one before.

    Names of files and symbols have 3 to 5, made-up letters and digits 6 to 9. Words of capitals alone count as small.
    """
    row: str = table("secrets")["bigrams"]
    if word.isupper():
        word = word.lower()
    at = [53, *(_place(c) for c in word), 53]
    pairs = zip(at, at[1:], strict=False)
    return sum(ord(row[54 * a + b]) - 97 for a, b in pairs) / 2 / (len(at) - 1)


def _place(char: str) -> int:
    if not char.isascii() or not char.isalnum():
        return 53
    if char.isdigit():
        return 52
    return ord(char) - (97 if char.islower() else 39)


def mixed(text: str) -> bool:
    """Tell a random value from a word: digits and letters, or capitals behind small letters."""
    letters = any(c.isalpha() for c in text)
    digits = any(c.isdigit() for c in text)
    return letters and (digits or not (text.islower() or text.isupper() or text.istitle()))
