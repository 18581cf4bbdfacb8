"""Examine a row or a block of lines and count the results. Pure: another process can examine a block.

Secrets and personal data are reported only by kind and length. What they look like is tables/secrets.json; most blocks
hold no word that is long enough for a token and no word of another kind, and are passed over at the speed of a search
for bytes. Card numbers are checked by Luhn, IBANs by their remainder of 97.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from tunedoctor.data.records import Element, lines_of
from tunedoctor.data.repeats import digest, sketch
from tunedoctor.data.report import TURN, estimate, rounded
from tunedoctor.data.rows import KINDS
from tunedoctor.tables.secrets import SecretKind, bits, expression, kinds, present
from tunedoctor.target import train_rows

_DAMAGED = re.compile(
    "\ufffd|\u00c3[\u0080-\u00bf]|\u00e2\u20ac[\u2122\u0153\u009d\u201c\u201d\u00a6]"
)
"""The replacement character, and UTF-8 that was read as Windows-1252: "Ã©" for an e with an accent."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_CUT_FROM = 200
"""Length in characters from which an answer that ends inside a sentence counts as cut; names and labels are shorter."""
_SHORT = {"system": "s", "user": "u", "assistant": "a", "tool": "t", "text": "x", "unknown": "?"}
_encode = msgspec.json.Encoder().encode
SHOWN = 3
MOST_NAMES = 500
"""The most different columns, forms or orders of roles that are counted separately."""
MOST_PLACES = 10_000
"""The most places that are stored for one kind of fault in one file; the count continues."""
_DIGITS = re.compile(r"[0-9][0-9 -]{3}")
_MOST = 500
"""The most findings reported for one row, so that a row with only addresses does not take minutes."""
_LONG = b"a" * 16
"""Every token contains a run of this many letters, digits, - and _."""
_AS_LONG = bytes(97 if chr(c).isalnum() or c in b"-_" else 32 for c in range(128)) + b" " * 128


_PAIR_COUNTS = ("pairs", "longer", "shorter", "chosen", "rejected")
_SCORES = (
    ("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"), ("chosen-rating", "rejected-rating"),
    ("rating_chosen", "rating_rejected"), ("chosen_reward", "rejected_reward"),
)  # fmt: skip
"""Columns with the scores of both answers, such as those of UltraFeedback's releases."""


class Mark(NamedTuple):
    """The fingerprint of a row, for comparing it with others."""

    line: int
    digest: int
    prompt: int
    """Digest of the text before the first answer; 0 if there is none."""
    sketch: bytes
    pair: int = 0
    """Digest of a preference pair; 0 for other rows."""
    opposite: int = 0
    """Digest that the pair would have with its answers exchanged."""


@dataclass
class Tally:
    """Counts of lines, of rows, and of the contents of rows."""

    lines: int = 0
    unreadable: int = 0
    """Lines, elements or records of which no row could be made."""
    rows: int = 0
    faulty: int = 0
    tokens: int = 0
    learned: int = 0
    pairs: int = 0
    """Preference pairs without a fault that prevents training."""
    longer: int = 0
    """Those of them whose chosen answer is longer."""
    shorter: int = 0
    """Those of them whose chosen answer is shorter."""
    chosen: int = 0
    """Characters of their chosen answers."""
    rejected: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    """Faults by kind, and blank lines."""
    places: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Lines with what is wrong there, by kind."""
    forms: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    marks: list[Mark] = field(default_factory=list)
    samples: list[tuple[int, bytes]] = field(default_factory=list)
    """Rows for the model's tokenizer: a number to choose by, and the turns as JSON."""
    shown: list[tuple[int, str, list[train_rows.Turn]]] = field(default_factory=list)
    """Line, form and turns of the first sound rows of a part."""

    def fault(self, kind: str, line: int, detail: str = "") -> None:
        """Record a fault of a line; line 0 is the complete file."""
        self.seen[kind] += 1
        self._keep(kind, [(line, detail)])

    def _keep(self, kind: str, lines: list[tuple[int, str]]) -> None:
        mine = self.places.setdefault(kind, [])
        mine += lines[: MOST_PLACES - len(mine)]

    def merge(self, other: "Tally") -> None:
        """Add the counts of a later part of the same file; its marks and samples are left to the caller."""
        for name in ("lines", "unreadable", "rows", "faulty", "tokens", "learned", *_PAIR_COUNTS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seen.update(other.seen)
        for kind, lines in other.places.items():
            self._keep(kind, lines)
        for what in ("forms", "columns", "orders"):
            mine: Counter[str] = getattr(self, what)
            for name, n in getattr(other, what).items():
                mine[name if name in mine or len(mine) < MOST_NAMES else "other ones"] += n
        self.lengths.update(other.lengths)


class RowOptions(NamedTuple):
    """Options that say what to look for in a row."""

    near: bool = True
    sampled: bool = False
    """Rows are handed on for the tokenizer."""
    columns: dict[str, str] = {}
    """The file's columns by the names that they have here, where these differ."""


def block(data: bytes, first: int, asked: RowOptions) -> Tally:
    """Examine complete lines of JSON Lines; `first` is the number of the first one. b"": a line that is too long."""
    return part(lines_of(data, first), rules_for(data), asked)


def part(rows: Iterable[Element], rules: tuple[SecretKind, ...], asked: RowOptions) -> Tally:
    """Examine some rows, and what could not be read as one."""
    found = Tally()
    for one in rows:
        found.lines += 1
        if one.fault == "blank":
            found.seen["blank"] += 1
        elif one.fault:
            found.fault(one.fault, one.line, one.detail)
        if one.value is None and one.fault:
            found.unreadable += one.fault != "blank"
        else:
            row(found, one.line, train_rows.renamed(one.value, asked.columns), rules, asked)
            if one.fault:  # no row to show
                found.shown = [shown for shown in found.shown if shown[0] != one.line]
    return found


def row(
    found: Tally, number: int, value: object, rules: tuple[SecretKind, ...], asked: RowOptions
) -> None:
    """Examine one row."""
    if not isinstance(value, dict):
        found.fault("no-object", number, train_rows.kind_of(value))
        found.unreadable += 1
        return
    found.rows += 1
    found.columns.update(map(str, value))
    sample = train_rows.sample_of(value)
    found.forms[sample.form] += 1
    problems = train_rows.faults_of(sample) + cut_answers(sample)
    if sample.form == "preference":
        _count_pair(found, sample, is_sound=not problems)
        problems += swapped_scores(value)
    if sample.turns and sample.form not in ("unknown", "text"):
        found.orders[order(sample)] += 1
    strings = {key: text for key, text in value.items() if isinstance(text, str)}
    text = _measure(found, number, sample, asked) if sample.turns else " ".join(strings.values())
    if rules:
        # other columns aren't trained on, and are handed on with the file all the same
        _, read = train_rows.layout(tuple(value))
        others = [text for key, text in strings.items() if key not in read]
        problems += secrets_in("\n".join([text, *others]), rules)
    if not text.isascii() and _DAMAGED.search(text):
        problems.append(("damaged-text", ""))
    if not text.isprintable() and _CONTROL.search(text):
        problems.append(("control", ""))
    kinds: dict[str, list[str]] = {}  # each is noted once a row
    for kind, detail in problems:
        kinds.setdefault(kind, []).append(detail)
    for kind, details in kinds.items():
        different = list(dict.fromkeys(details))
        more = f" and {len(different) - 3} more" if len(different) > 3 else ""
        found.fault(kind, number, "; ".join(different[:3]) + more)
    is_faulty = any(KINDS[kind].severity == "error" for kind in kinds)
    found.faulty += is_faulty
    if not is_faulty and "personal" not in kinds and len(found.shown) < SHOWN:
        found.shown.append((number, sample.form, sample.turns))


def order(sample: train_rows.Sample) -> str:
    """Return the roles in short, repeats counted: "s (ua)+"."""
    letters = "".join(_SHORT[role] for role, _ in sample.turns)
    rest = letters.removeprefix("s")
    head = letters[: len(letters) - len(rest)]
    if len(rest) > 3 and rest == "ua" * (len(rest) // 2):
        rest = "(ua)+"
    elif len(rest) > 12:
        rest = rest[:12] + "+"
    return f"{head} {rest}".strip()


def cut_answers(sample: train_rows.Sample) -> list[train_rows.Fault]:
    """Find answers that end inside a sentence or a code block."""
    found: list[train_rows.Fault] = []
    for i, (role, text) in enumerate(sample.turns, 1):
        if role == "assistant" and len(text) >= _CUT_FROM and not text.isspace():
            end = text[-1]
            if (end.isalpha() and end.isascii() and "\n" not in text[-40:]) or end in ",;:(":
                found.append(("cut-answer", f"turn {i} ends inside a sentence"))
            elif text.count("```") % 2:
                found.append(("cut-answer", f"turn {i} ends inside a code block"))
    return found


def swapped_scores(row: dict[str, object]) -> list[train_rows.Fault]:
    """Find a pair whose rejected answer has the higher score."""
    for columns in _SCORES:
        good, bad = (row.get(name) for name in columns)
        if isinstance(good, int | float) and isinstance(bad, int | float) and good < bad:
            return [("swapped-pair", f"{columns[0]} {good:g}, {columns[1]} {bad:g}")]
    return []


def _count_pair(found: Tally, sample: train_rows.Sample, *, is_sound: bool) -> None:
    """Count which answer is longer."""
    if is_sound:
        sides = (sample.turns, sample.rejected)
        good, bad = (sum(len(text) for _, text in side[sample.shared :]) for side in sides)
        found.pairs += 1
        found.longer += good > bad
        found.shorter += good < bad
        found.chosen += good
        found.rejected += bad


def _measure(found: Tally, number: int, sample: train_rows.Sample, asked: RowOptions) -> str:
    turns = sample.turns
    # halves of characters can't be written as UTF-8
    parts = [text.encode("utf-8", "surrogatepass") for _, text in turns]
    data = b"\n".join(parts)
    sizes = [estimate(part) for part in parts]
    tokens = learned = sum(sizes)
    if sample.form != "text":
        tokens += TURN * len(turns)
        # two tokens end a turn, and they are learned with an answer
        answers = (n + 2 for n, (role, _) in zip(sizes, turns, strict=True) if role == "assistant")
        learned = sum(answers)
    found.tokens += tokens
    found.learned += learned
    found.lengths[rounded(tokens)] += 1
    pair = opposite = 0
    if sample.form == "preference":  # one prompt and answer can be in several pairs
        other = b"\n".join([text.encode("utf-8", "surrogatepass") for _, text in sample.rejected])
        pair, opposite = digest(data + b"\0" + other), digest(other + b"\0" + data)
        data += b"\n" + other
    own = digest(data)
    # what the user says before the first answer, unless that is nothing, or all
    roles = [role for role, _ in turns]
    end = roles.index("assistant") if "assistant" in roles else 0
    before = [part for role, part in zip(roles[:end], parts, strict=False) if role != "system"]
    prompt = digest(b"\n".join(before)) if before else 0
    found.marks.append(
        Mark(number, own, prompt, sketch(data) if asked.near else b"", pair, opposite)
    )
    if asked.sampled:
        key = digest(b"%d:%d" % (number, own))
        found.samples.append((key, _encode([number, sample.form, turns])))
    return "\n".join([text for _, text in turns])


def luhn(text: str) -> bool:
    """Return whether digits end in the right check digit (ISO/IEC 7812) and are not one digit repeated."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or digits[0] not in (2, 3, 4, 5, 6):
        return False
    odd = sum(digits[-1::-2])
    even = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return (odd + even) % 10 == 0


def iban(text: str) -> bool:
    """Return whether an account number has the right check digits (ISO 13616)."""
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _bare(text: str) -> bool:
    """Return whether an unquoted value is a secret, not code: its name is in capitals, or it is long and mixed-case."""
    name, value = re.split(r"\s*[=:]\s*", text, maxsplit=1)
    return name.isupper() or (len(value) >= 16 and not value.islower() and not value.isupper())


_CHECKS = {"luhn": luhn, "iban": iban, "bare": _bare}


def _holds(kind: SecretKind, text: str) -> bool:
    """Return whether a value looks random, and is not a word, a placeholder or a wrong number."""
    value = text if kind.token else re.split(r"[=:]\s*[\"']?", text, maxsplit=1)[-1]
    if kind.token or kind.mixed:
        digits = not kind.mixed or any(c.isdigit() for c in value)
        if len(set(value)) < 8 or not digits or not any(c.isalpha() for c in value):
            return False
    return bits(text) >= kind.floor and (not kind.check or _CHECKS[kind.check](text))


def rules_for(block: bytes) -> tuple[SecretKind, ...]:
    """Return the kinds that can be in a block, all its rows together."""
    others = [k for k in kinds("data") if not k.token]
    there = {word for k in others for word in k.words if word.encode() in block}
    found = [k for k in others if not k.words or not there.isdisjoint(k.words)]
    if long := b" ".join(_long_words(block)).decode("utf-8", "replace"):
        found += [k for k in present(long, "data") if k.token]
    return tuple(found)


def _long_words(block: bytes) -> Iterator[bytes]:
    flat = block.translate(_AS_LONG)
    at = flat.find(_LONG)
    while at >= 0:
        end = flat.find(b" ", at)
        end = len(flat) if end < 0 else end
        yield block[max(0, at - 8) : end + 8]
        at = flat.find(_LONG, end)


def secrets_in(text: str, rules: tuple[SecretKind, ...]) -> list[tuple[str, str]]:
    """Return the kind, name and length of each secret in a text, never the secret itself."""
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
