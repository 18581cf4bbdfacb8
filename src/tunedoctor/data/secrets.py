"""Secrets and personal data in rows; what is found is told by kind and length alone.

What they look like is tables/secrets.json. Most blocks hold no word that is long enough for a token and no word of
another kind, and are passed over at the speed of a search for bytes. Card numbers are checked by Luhn, IBANs by their
remainder of 97.
"""

import re
from collections.abc import Iterator

from tunedoctor.tables.secrets import Kind, bits, expression, kinds, present


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


def _bare(text: str) -> bool:
    """Tell a secret without quotes from code: in a variable of the environment, or long and of both cases."""
    name, value = re.split(r"\s*[=:]\s*", text, maxsplit=1)
    return name.isupper() or (len(value) >= 16 and not value.islower() and not value.isupper())


_CHECKS = {"luhn": luhn, "iban": iban, "bare": _bare}


def _holds(kind: Kind, text: str) -> bool:
    """Tell a random value from a word or a placeholder, and a number from one that is none."""
    value = text if kind.token else re.split(r"[=:]\s*[\"']?", text, maxsplit=1)[-1]
    if kind.token or kind.mixed:
        digits = not kind.mixed or any(c.isdigit() for c in value)
        if len(set(value)) < 8 or not digits or not any(c.isalpha() for c in value):
            return False
    return bits(text) >= kind.floor and (not kind.check or _CHECKS[kind.check](text))


_DIGITS = re.compile(r"[0-9][0-9 -]{3}")
_MOST = 500
"""Findings of one row that are told: a row of nothing but addresses takes no minutes."""
_LONG = b"a" * 16
"""A part of every token: so many letters, digits, - and _ in a row."""
_AS_LONG = bytes(97 if chr(c).isalnum() or c in b"-_" else 32 for c in range(128)) + b" " * 128


def rules_for(block: bytes) -> tuple[Kind, ...]:
    """Return the kinds that can be in a block, all its rows together."""
    others = [k for k in kinds("data") if not k.token]
    there = {word for k in others for word in k.words if word.encode() in block}
    found = [k for k in others if not k.words or not there.isdisjoint(k.words)]
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
    digits = _DIGITS.search(text) is not None
    for rule in rules:
        if not (any(word in text for word in rule.words) if rule.words else digits):
            continue
        for one in expression(rule).finditer(text):
            if any(start <= one.start() < end for start, end in spans):
                continue  # a part of what a rule above has found
            if _holds(rule, one[0]):
                found.append((rule.kind, f"{rule.id}, {len(one[0])} characters"))
                spans.append(one.span())
                if len(found) == _MOST:
                    return found
    return found
