"""One row, or a block of lines, into counts. Pure: a block can be examined in another process."""

import re
from typing import Any, NamedTuple

import msgspec

from tunedoctor.data import lengths
from tunedoctor.data.broken_json import bad_bytes, why_no_json
from tunedoctor.data.faults import KINDS
from tunedoctor.data.prints import digest, sketch
from tunedoctor.data.roles import order, order_faults, turn_faults
from tunedoctor.data.secrets import rules_for, secrets_in
from tunedoctor.data.shapes import Sample, Turn, layout, sample_of
from tunedoctor.data.tally import Mark, Tally
from tunedoctor.tables.secrets import Kind

_DAMAGED = re.compile(
    "\ufffd|\u00c3[\u0080-\u00bf]|\u00e2\u20ac[\u2122\u0153\u009d\u201c\u201d\u00a6]"
)
"""The replacement character, and UTF-8 that was read as Windows-1252: "Ã©" for an e with an accent."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Asked(NamedTuple):
    """What a row is examined for."""

    near: bool = True
    sampled: int = -1
    """Rows whose digest's low bits of this mask are 0 are handed on for the tokenizer; -1: none."""


def block(data: bytes, first: int, asked: Asked) -> Tally:
    """Examine whole lines of JSON Lines; `first` is the number of the first one."""
    found = Tally()
    rules = rules_for(data)
    lines = data.split(b"\n")
    if data.endswith(b"\n"):
        lines.pop()
    found.lines = len(lines)
    for number, line in enumerate(lines, first):
        if not line or line.isspace():
            found.blank += 1
            continue
        try:
            value = _decode(line)
        except (ValueError, RecursionError):
            value = _mended(found, line, number)
            if value is None:
                found.unreadable += 1
                continue
        row(found, number, value, rules, asked)
    return found


def _mended(found: Tally, line: bytes, number: int) -> Any:  # noqa: ANN401  JSON
    """Name what is wrong with a line; of one whose bytes alone are, return the row, to look further."""
    if bad := bad_bytes(line):
        found.fault("not-utf8", number, bad)
        try:
            return _decode(line.decode("utf-8", "replace").encode())
        except (ValueError, RecursionError):
            pass
    found.fault("no-json", number, why_no_json(line))
    return None


def row(found: Tally, number: int, value: object, rules: tuple[Kind, ...], asked: Asked) -> None:
    """Examine one row."""
    if not isinstance(value, dict):
        found.fault("no-object", number, _short_type(value))
        found.unreadable += 1
        return
    found.rows += 1
    found.columns.update(map(str, value))
    sample = sample_of(value)
    form = sample.form
    found.forms[form] += 1
    problems = sample.faults
    if form != "unknown" and sample.turns:
        if form != "text":
            found.orders[order(sample)] += 1
            problems += order_faults(sample)
        problems += turn_faults(sample)
    elif form != "unknown" and not problems:
        problems.append(("no-answer", "no turns"))
    text = _measure(found, number, sample, asked) if sample.turns else " ".join(_strings(value))
    if rules:
        # other columns aren't trained on, and are handed on with the file all the same
        read = layout(tuple(value)).columns
        others = [v for k, v in value.items() if isinstance(v, str) and k not in read]
        problems += secrets_in("\n".join([text, *others]) if others else text, rules)
    if not text.isascii() and _DAMAGED.search(text):
        problems.append(("damaged-text", ""))
    if not text.isprintable() and _CONTROL.search(text):
        problems.append(("control", ""))
    if problems:
        _note(found, number, problems)


def _note(found: Tally, number: int, problems: list[tuple[str, str]]) -> None:
    """Note each kind once a row: its first details, and how many more there are."""
    kinds: dict[str, list[str]] = {}
    for kind, detail in problems:
        kinds.setdefault(kind, []).append(detail)
    for kind, details in kinds.items():
        different = list(dict.fromkeys(details))
        more = f" and {len(different) - 3} more" if len(different) > 3 else ""
        found.fault(kind, number, "; ".join(different[:3]) + more)
    found.faulty += any(KINDS[kind].severity == "error" for kind in kinds)


def _measure(found: Tally, number: int, sample: Sample, asked: Asked) -> str:
    """Count a sample's tokens and take its prints; return its text."""
    turns = sample.turns
    # halves of characters can't be written as UTF-8
    parts = [text.encode("utf-8", "surrogatepass") for _, text in turns]
    data = b"\n".join(parts)
    sizes = [lengths.estimate(part) for part in parts]
    tokens = learned = sum(sizes)
    if sample.form != "text":
        tokens += lengths.of_turns(len(turns))
        # two tokens end a turn, and they are learned with an answer
        learned = sum(
            n + 2 for n, (role, _) in zip(sizes, turns, strict=True) if role == "assistant"
        )
    found.tokens += tokens
    found.learned += learned
    found.lengths[lengths.rounded(tokens)] += 1
    own = digest(data)
    found.marks.append(
        Mark(number, own, _prompt(turns, parts), sketch(data) if asked.near else b"")
    )
    if asked.sampled >= 0:
        key = digest(b"%d:%d" % (number, own))
        if key & asked.sampled == 0:
            found.samples.append((key, _encode([number, sample.form, turns])))
    return "\n".join([text for _, text in turns])


def _prompt(turns: list[Turn], parts: list[bytes]) -> int:
    """Return the digest of what the user says before the first answer; 0 where that is nothing, or all."""
    before: list[bytes] = []
    for (role, _), part in zip(turns, parts, strict=True):
        if role == "assistant":
            return digest(b"\n".join(before)) if before else 0
        if role != "system":
            before.append(part)
    return 0


def _strings(value: dict[str, Any]) -> list[str]:
    return [one for one in value.values() if isinstance(one, str)]


def _short_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case list():
            return "a list"
        case str():
            return "a string"
        case bool():
            return "true or false"
        case _:
            return "a number"
