"""Secrets and personal data, by pattern; what is found is told by kind and length alone.

Each pattern has words that stand in whatever it finds, so that a block without them is passed over at the speed of
a search for bytes. Card numbers are checked by Luhn, IBANs by their remainder of 97.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from tunedoctor.lazy import pattern


class Rule(NamedTuple):
    """How one kind is found."""

    kind: str
    name: str
    needs: tuple[bytes, ...]
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


RULES: tuple[Rule, ...] = (
    Rule("secret", "private key", (b"PRIVATE KEY",), pattern(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    Rule("secret", "hub token", (b"hf_",), pattern(r"\bhf_[A-Za-z0-9]{30,}\b")),
    Rule("secret", "GitHub token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
         pattern(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,})")),
    Rule("secret", "GitLab token", (b"glpat-",), pattern(r"\bglpat-[\w-]{20,}")),
    Rule("secret", "AWS key", (b"AKIA", b"ASIA"), pattern(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    Rule("secret", "Google key", (b"AIza",), pattern(r"\bAIza[\w-]{35}")),
    Rule("secret", "API key", (b"sk-",), pattern(r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}"), _mixed),
    Rule("secret", "Stripe key", (b"sk_live_", b"rk_live_"), pattern(r"\b[sr]k_live_[A-Za-z0-9]{20,}")),
    Rule("secret", "Slack token", (b"xox",), pattern(r"\bxox[abprs]-[\w-]{20,}")),
    Rule("secret", "npm token", (b"npm_",), pattern(r"\bnpm_[A-Za-z0-9]{36}\b")),
    Rule("secret", "signed token", (b"eyJ",), pattern(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
    Rule("secret", "password in an address", (b"://",),
         pattern(r"\b[a-z][a-z+]{1,12}://[^/\s:@\"']{1,64}:[^/\s:@\"'<>{}$]{3,64}@[\w.-]+")),
    Rule("secret", "assigned secret",
         (b"password", b"passwd", b"secret", b"api_key", b"apikey", b"access_key", b"PASSWORD", b"SECRET", b"API_KEY"),
         pattern(r"(?i)\b[\w-]{0,40}(?:passw(?:or)?d|secret|api_?key|access_key)\w{0,20}[\"']?\s{0,4}[=:]\s{0,4}"
                 r"[\"'][^\s\"'<>{}$]{8,100}[\"']"), _mixed),
    Rule("personal", "e-mail address", (b"@",),
         pattern(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,12}\b"), _somebody),
    Rule("personal", "card number", (), pattern(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.-]*\d)"), luhn),
    Rule("personal", "social security number", (),
         pattern(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])")),
    Rule("personal", "phone number", (b"+",),
         pattern(r"(?<![\w+])\+[1-9]\d{0,2}[ .-]?\(?\d{2,4}\)?(?:[ .-]?\d{2,4}){2,3}(?!\d)")),
    Rule("personal", "bank account", (), pattern(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), iban),
)  # fmt: skip
_DIGITS = re.compile(rb"\d[ -]?\d\d?[ -]?\d")


def rules_for(block: bytes) -> tuple[Rule, ...]:
    """Return the rules that can find anything in a block, all its rows together."""
    digits = _DIGITS.search(block) is not None
    return tuple(
        r for r in RULES if (digits if not r.needs else any(word in block for word in r.needs))
    )


def secrets_in(text: str, rules: tuple[Rule, ...]) -> list[tuple[str, str]]:
    """Return the kind and the name of what a text holds, with its length and never itself."""
    found: list[tuple[str, str]] = []
    for rule in rules:
        if rule.needs and not any(word.decode() in text for word in rule.needs):
            continue
        for one in rule.found.finditer(text):
            if rule.holds is None or rule.holds(one[0]):
                found.append((rule.kind, f"{rule.name}, {len(one[0])} characters"))  # noqa: PERF401  read easier
    return found
