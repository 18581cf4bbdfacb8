"""Secrets and personal data in rows; what is found is told by kind and length alone.

What they look like is tables/secrets.json. Most blocks hold no word long enough for a token and no word of another kind,
and are passed over at the speed of a search for bytes. Card numbers are checked by Luhn, IBANs by their remainder of 97.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from tunedoctor.lazy import pattern
from tunedoctor.tables.secrets import Kind, bits, expression, kinds, mixed, present


def luhn(text: str) -> bool:
    """Tell whether digits end in the right check digit (ISO/IEC 7812), and are not one digit repeated."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or digits[0] not in (2, 3, 4, 5, 6):
        return False
    odd = sum(digits[-1::-2])
    even = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return (odd + even) % 10 == 0


def iban(text: str) -> bool:
    """Tell whether an account number has the right check digits (ISO 13616)."""
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _issued(text: str) -> bool:
    """Tell a social security number from one that is never given out."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and group != "00" and serial != "0000"


_NOBODY = pattern(
    r"(?i)@(?:[\w-]+\.)*(?:example|test|invalid|localhost)(?:\.\w+)?$|^(?:no-?reply|git)@"
)


def _of_chance(value: str) -> bool:
    """Tell a random value from a word or a placeholder: letters and digits, many different ones."""
    return (
        len(set(value)) >= 8 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    )


def _bare(text: str) -> bool:
    """Tell a secret without quotes from code: in a variable of the environment, or long and of both cases."""
    name, value = re.split(r"\s*[=:]\s*", text, maxsplit=1)
    of_both = len(value) >= 16 and not value.islower() and not value.isupper()
    return _of_chance(value) and (name.isupper() or of_both)


_CHECKS = {
    "luhn": luhn,
    "iban": iban,
    "issued": _issued,
    "bare": _bare,
    "mixed": lambda text: _of_chance(re.split(r"[=:]\s*[\"']?", text, maxsplit=1)[-1]),
    "somebody": lambda text: not _NOBODY.search(text),
}


def _holds(kind: Kind, text: str) -> bool:
    token = kind.token
    return not (
        (kind.check and not _CHECKS[kind.check](text))
        or (kind.floor and bits(text) < kind.floor)
        or (token and len(set(text)) < 8)
        or (kind.mixed and not _of_chance(text))
        or (token and not mixed(text))
    )


_DIGITS = re.compile(rb"[0-9][0-9 -]{3}")
_DIGITS_IN_TEXT = re.compile(r"[0-9][0-9 -]{3}")
_BEFORE, _AFTER = 130, 300
"""Characters around a word in which its rule looks."""
_MOST = 1000
"""Places of a word in one row at which its rule looks: a row of nothing but @ takes no minutes."""
_LONG = b"a" * 16
"""A part of every token: so many letters, digits, - and _ in a row."""
_AS_LONG = bytes(97 if chr(c).isalnum() or c in b"-_" else 32 for c in range(128)) + b" " * 128


@cache
def _others() -> tuple[tuple[Kind, ...], dict[str, bytes]]:
    """Return the kinds that are no long words, and their words in bytes."""
    others = tuple(k for k in kinds("data") if not k.token)
    return others, {word: word.encode() for k in others for word in k.words}


def rules_for(block: bytes) -> tuple[Kind, ...]:
    """Return the kinds that can be in a block, all its rows together."""
    others, in_bytes = _others()
    digits = _DIGITS.search(block) is not None
    there = {word for word, data in in_bytes.items() if data in block}
    found = [k for k in others if (digits if not k.words else not there.isdisjoint(k.words))]
    if long := b" ".join(_long_words(block)).decode("utf-8", "replace"):
        found += [k for k in present(long, "data") if k.token]
    return tuple(found)


def _long_words(block: bytes) -> Iterator[bytes]:
    """Find the words that are long enough for a token, with what stands around them."""
    flat = block.translate(_AS_LONG)
    at = flat.find(_LONG)
    while at >= 0:
        end = flat.find(b" ", at)
        end = len(flat) if end < 0 else end
        yield block[max(0, at - 8) : end + 8]
        at = flat.find(_LONG, end)


def secrets_in(text: str, rules: tuple[Kind, ...]) -> list[tuple[str, str]]:
    """Return the kind and the name of what a text holds, with its length and never itself."""
    found: list[tuple[str, str]] = []
    spans: list[tuple[int, int]] = []
    digits: bool | None = None
    for rule in rules:
        if rule.words:
            matches: Iterable[re.Match[str]] = _around(text, rule)
        else:
            if digits is None:
                digits = _DIGITS_IN_TEXT.search(text) is not None
            matches = expression(rule).finditer(text) if digits else ()
        for one in matches:
            if any(start <= one.start() < end for start, end in spans):
                continue  # a part of what a rule above has found
            if (rule.words or _apart(one)) and _holds(rule, one[0]):
                found.append((rule.kind, f"{rule.id}, {len(one[0])} characters"))
                spans.append(one.span())
    return found


def _around(text: str, rule: Kind) -> "Iterator[re.Match[str]]":
    """Find a rule's pattern around its words alone: expressions that begin anywhere are slow on long texts."""
    done: set[int] = set()
    for word in rule.words:
        at, left = text.find(word), _MOST
        while at >= 0 and left:
            left -= 1
            after = at + len(word)
            for one in expression(rule).finditer(text, max(0, at - _BEFORE), at + _AFTER):
                if one.start() <= at < one.end():
                    after = one.end()
                    if one.start() not in done:
                        done.add(one.start())
                        yield one
                    break
            at = text.find(word, after)


def _apart(one: "re.Match[str]") -> bool:
    """Tell a number that stands by itself from a part of a longer one or of a word."""
    text, start, end = one.string, one.start(), one.end()
    before, after = text[start - 1 : start], text[end : end + 1]
    joined = after in ".-" and text[end + 1 : end + 2].isdigit() if after else False
    return not (before.isalnum() or before in ("-", ".", "_") or after.isalnum() or joined)
