"""Secrets and personal data, by pattern; what is found is told by kind and length alone.

Each pattern has words that stand in whatever it finds, so that a block without them is passed over at the speed of
a search for bytes. Card numbers are checked by Luhn, IBANs by their remainder of 97.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tunedoctor.lazy import pattern


class Rule(NamedTuple):
    """How one kind is found."""

    kind: str
    name: str
    needs: tuple[str, ...]
    """One of these is in every text that has it; (): digits are, which most texts have."""
    found: "re.Pattern[str]"
    holds: Callable[[str], bool] | None = None


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


def _somebody(text: str) -> bool:
    return not _NOBODY.search(text)


def _mixed(text: str) -> bool:
    """Tell a random value from a word or a placeholder: letters and digits, many different ones."""
    value = re.split(r"[=:]\s*[\"']?", text, maxsplit=1)[-1]
    return (
        len(set(value)) >= 8 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    )


def _bare(text: str) -> bool:
    """Tell a secret without quotes from code: in a variable of the environment, or long and of both cases."""
    name, value = re.split(r"\s*[=:]\s*", text, maxsplit=1)
    of_both = len(value) >= 16 and not value.islower() and not value.isupper()
    return _mixed(value) and (name.isupper() or of_both)


RULES: tuple[Rule, ...] = (
    Rule("secret", "private key", ("PRIVATE KEY",), pattern(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    Rule("secret", "hub token", ("hf_",), pattern(r"\bhf_[A-Za-z0-9]{30,}\b")),
    Rule("secret", "GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
         pattern(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,})")),
    Rule("secret", "GitLab token", ("glpat-",), pattern(r"\bglpat-[\w-]{20,}")),
    Rule("secret", "AWS key", ("AKIA", "ASIA"), pattern(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    Rule("secret", "Google key", ("AIza",), pattern(r"\bAIza[\w-]{35}")),
    Rule("secret", "API key", ("sk-",), pattern(r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}"), _mixed),
    Rule("secret", "Stripe key", ("sk_live_", "rk_live_"), pattern(r"\b[sr]k_live_[A-Za-z0-9]{20,}")),
    Rule("secret", "Slack token", ("xox",), pattern(r"\bxox[abprs]-[\w-]{20,}")),
    Rule("secret", "npm token", ("npm_",), pattern(r"\bnpm_[A-Za-z0-9]{36}\b")),
    Rule("secret", "signed token", ("eyJ",), pattern(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
    Rule("secret", "password in an address", ("://",),
         pattern(r"\b[a-z][a-z+]{1,12}://[^/\s:@\"']{1,64}:[^/\s:@\"'<>{}$]{3,64}@[\w.-]+")),
    Rule("secret", "assigned secret",
         ("password", "passwd", "secret", "api_key", "apikey", "access_key", "PASSWORD", "SECRET", "API_KEY"),
         pattern(r"(?i)\b[\w-]{0,40}(?:passw(?:or)?d|secret|api_?key|access_key)\w{0,20}[\"']?\s{0,4}[=:]\s{0,4}"
                 r"[\"'][^\s\"'<>{}$]{8,100}[\"']"), _mixed),
    Rule("secret", "assigned secret",
         ("password", "passwd", "secret", "api_key", "apikey", "access_key", "PASSWORD", "SECRET", "API_KEY", "TOKEN",
          "ACCESS_KEY"),
         pattern(r"(?i)\b\w{0,40}(?:passw(?:or)?d|secret|api_?key|access_key|token)\w{0,20}\s{0,4}[=:]\s{0,4}"
                 r"[^\s\"'`<>{}()\[\]$,;]{8,100}(?![\w({\[<])"), _bare),
    Rule("personal", "e-mail address", ("@",),
         pattern(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,12}\b"), _somebody),
    Rule("personal", "card number", (), pattern(r"[0-9](?:[ -]?[0-9]){12,18}"), luhn),
    Rule("personal", "social security number", (),
         pattern(r"[0-8]\d\d-\d\d-\d{4}"), _issued),
    Rule("personal", "phone number", (), pattern(r"[2-9]\d\d(?:\) ?|-)[2-9]\d\d-\d{4}")),
    Rule("personal", "phone number", ("+",),
         pattern(r"(?<![\w+])\+[1-9]\d{0,2}[ .-]?\(?\d{2,4}\)?(?:[ .-]?\d{2,4}){2,3}(?!\d)")),
    Rule("personal", "bank account", (), pattern(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?"), iban),
)  # fmt: skip
_WORDS = {word: word.encode() for rule in RULES for word in rule.needs}
_DIGITS = re.compile(rb"[0-9][0-9 -]{3}")
_DIGITS_IN_TEXT = re.compile(r"[0-9][0-9 -]{3}")
_BEFORE, _AFTER = 130, 300
"""Characters around a word in which its rule looks."""
_MOST = 1000
"""Places of a word in one row at which its rule looks: a row of nothing but @ takes no minutes."""


def rules_for(block: bytes) -> tuple[Rule, ...]:
    """Return the rules that can find anything in a block, all its rows together."""
    digits = _DIGITS.search(block) is not None
    there = {word for word, in_bytes in _WORDS.items() if in_bytes in block}
    return tuple(r for r in RULES if (digits if not r.needs else not there.isdisjoint(r.needs)))


def secrets_in(text: str, rules: tuple[Rule, ...]) -> list[tuple[str, str]]:
    """Return the kind and the name of what a text holds, with its length and never itself."""
    found: list[tuple[str, str]] = []
    spans: list[tuple[int, int]] = []
    digits: bool | None = None
    for rule in rules:
        if rule.needs:
            matches: Iterable[re.Match[str]] = _around(text, rule)
        else:
            if digits is None:
                digits = _DIGITS_IN_TEXT.search(text) is not None
            matches = rule.found.finditer(text) if digits else ()
        for one in matches:
            if any(start <= one.start() < end for start, end in spans):
                continue  # a part of what a rule above has found
            if (rule.needs or _apart(one)) and (rule.holds is None or rule.holds(one[0])):
                found.append((rule.kind, f"{rule.name}, {len(one[0])} characters"))
                spans.append(one.span())
    return found


def _around(text: str, rule: Rule) -> "Iterator[re.Match[str]]":
    """Find a rule's pattern around its words alone: expressions that begin anywhere are slow on long texts."""
    done: set[int] = set()
    for word in rule.needs:
        at, left = text.find(word), _MOST
        while at >= 0 and left:
            left -= 1
            after = at + len(word)
            for one in rule.found.finditer(text, max(0, at - _BEFORE), at + _AFTER):
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
