"""Write all facts of a snapshot into a text for people, as small JSON in short lines, and read them back.

Default values are left out, and so are package fields that no check reads; a package without other fields becomes
"name version". The text cannot end a Markdown code block, form a tag or mention someone.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, islice
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import fields, replace

from tunedoctor import facts as kinds
from tunedoctor.contracts.requirements import counting, leading_to_unmet
from tunedoctor.facts import Absent, Part, Unknown
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import SCHEMA, FactOrLack, Snapshot, SnapshotError, from_data
from tunedoctor.readers.output_rows import shape
from tunedoctor.readers.unwrap import clean_numbered_lines

PACKED = "doctor.facts/1"
WIDTH = 76
"""Characters of a line, which mail and terminals do not wrap; longer only if one word is."""
_TERMINAL = 80
"""Length of a line at which a terminal may have broken a word; mail breaks at a blank."""
_TRIES = 3
"""Most blocks of one text to try: the first readable one is used."""
_MARKS = (PACKED, SCHEMA, "doctor check: ")
_BREAK = "\0"
"""Marks where a line may be broken."""
_ACTIVE = pattern(r"[`@]|<(?=[A-Za-z/!?])|\*(?=\*)|#(?=#)|(?<= ) ")
_ESCAPED = pattern(r"\\.")


class FactsBlock(NamedTuple):
    """Doctor's own data in a text."""

    snapshot: Snapshot | None
    rest: str
    """The text with doctor's lines made empty, so that all line numbers stay the same."""
    problem: str = ""
    """Why existing facts can't be read."""


def text_of(snapshot: Snapshot) -> str:
    """Return the facts of a snapshot as lines of text."""
    word = json.JSONEncoder(separators=(f",{_BREAK}", ": ")).encode
    head = json.dumps({"doctor": snapshot.doctor, "taken": snapshot.taken})
    site = next(iter(getattr(snapshot.find(kinds.Interpreter), "site_packages", ())), "")
    answers = snapshot.answers().items()
    packages, interpreter = snapshot.find(kinds.Packages), snapshot.find(kinds.Interpreter)
    own = interpreter, snapshot.find(kinds.Host), snapshot.find(kinds.TorchBuild)
    led = leading_to_unmet(packages, *own) if packages else {}
    rows = [f'"{kind.__name__}": {word(_packed(answer, site, led))}' for kind, answer in answers]
    lines = [f'{{"schema": "{PACKED}",', f'{head[1:-1]}, "facts": {{', ""]
    harmless = _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", f",{_BREAK}\n".join(rows))
    for part in harmless.split(_BREAK):
        if part[:1] == "\n" or (lines[-1] and len(lines[-1]) + 1 + len(part) > WIDTH):
            lines.append("")
        lines[-1] += f" {part}" if lines[-1] else part.lstrip("\n")
    return "\n".join([*lines, "}}"])


def _packed(answer: FactOrLack, site: str, led: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    if isinstance(answer, Absent | Unknown):
        return {type(answer).__name__.lower(): answer.why}
    if isinstance(answer, kinds.Packages):
        rows = [
            _package(distribution, site, led.get(distribution.name, ()))
            for distribution in answer.distributions
        ]
        return {
            "value": _without_defaults(replace(answer, distributions=())) | {"distributions": rows}
        }
    return {"value": _without_defaults(answer)}


def _package(
    distribution: kinds.Distribution, site: str, led: tuple[str, ...]
) -> str | dict[str, Any]:
    counts = tuple(dict.fromkeys((*counting(distribution), *led)))
    read = replace(distribution, requires=counts, metadata="", installer="", requires_python="")
    fields_set: dict[str, Any] = _without_defaults(read) | {"location": distribution.location}
    if distribution.location == site:
        del fields_set["location"]
    plain = fields_set.keys() == {"name", "version"} and " " not in distribution.name
    return f"{distribution.name} {distribution.version}" if plain else fields_set


def _without_defaults(value: Any) -> Any:  # noqa: ANN401  any part of a fact
    if isinstance(value, Part):
        attributes = ((name, getattr(value, name), usual) for name, usual in _defaults(type(value)))
        return {
            name: _without_defaults(attribute)
            for name, attribute, usual in attributes
            if attribute != usual
        }
    return [_without_defaults(element) for element in value] if isinstance(value, tuple) else value


@cache
def _defaults(kind: type[Part]) -> tuple[tuple[str, Any], ...]:
    with_factories = ((field, field.default_factory) for field in fields(kind))
    return tuple(
        (field.name, factory() if callable(factory) else field.default)
        for field, factory in with_factories
    )


def find_facts(text: str) -> FactsBlock:
    """Return the facts in a text, as such lines or as a snapshot, and the rest of the text. Linear; never raises."""
    if not any(mark in text for mark in _MARKS):
        return FactsBlock(None, text)
    problem, lines = "", text.split("\n")
    for pasted in (False, True):
        # first unchanged, then without colours, timestamps and other results of pasting
        cleaned, numbers = clean_numbered_lines(text, ()) if pasted else (lines, ())
        whole = "\n".join(cleaned)
        for match in islice(shape("doctor.facts").finditer(whole), _TRIES):
            first = whole.count("\n", 0, match.start())
            column = match.start() - whole.rfind("\n", 0, match.start()) - 1
            try:
                data, size = _decoded(cleaned[first:], column)
                snapshot = from_data(_unpacked(data))
            except SnapshotError as error:
                problem = problem or str(error)
                continue
            # the beginning of the report in which the facts start
            front, begins = cleaned[first][:column], shape("doctor.start").match
            above = (at for at in range(first, -1, -1) if begins(cleaned[at].removeprefix(front)))
            begin, end = next(above, first), first + size
            begin, end = (numbers[begin] - 1, numbers[end - 1]) if numbers else (begin, end)
            lines[begin:end] = [""] * (end - begin)
            return FactsBlock(snapshot, "\n".join(lines))
    return FactsBlock(None, "\n".join(_without_findings(text.split("\n"))), problem)


def _without_findings(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines, with a verdict without facts made empty: its sentences are not errors of a run."""
    begins, ends = shape("doctor.start").match, shape("doctor.rows").match
    last = max((at for at, line in enumerate(lines) if ends(line)), default=0)
    in_verdict = False
    for at, line in enumerate(lines):
        in_verdict = at < last and bool(in_verdict or begins(line)) and not ends(line)
        yield "" if in_verdict else line


def _decoded(lines: Sequence[str], column: int) -> tuple[Any, int]:
    """Return the JSON that begins in the first line, and its number of lines. Raises SnapshotError."""
    pieces = [*_whole(lines, column)]
    text = "".join(pieces)
    try:
        _, end = json.JSONDecoder().raw_decode(text)
        data = msgspec.json.decode(text[:end])
    except RecursionError:
        problem = "its JSON is nested too deeply"
    except (ValueError, msgspec.DecodeError) as error:
        problem = f"its JSON is damaged: {error}"
    else:
        return data, bisect_left([*accumulate(map(len, pieces))], end) + 1
    raise SnapshotError(problem)


def _whole(lines: Sequence[str], column: int) -> Iterator[str]:
    """Yield the lines without prefixes from quoting or logging; broken words are joined."""
    front, in_string, last = lines[0][:column], False, 0
    for line in lines:
        row = line.removeprefix(front if line.startswith(front) else front.rstrip())
        in_string ^= _ESCAPED.sub("", row).count('"') % 2 == 1
        if not in_string:
            yield f"{row}\n"
        elif len(line) >= _TERMINAL and (" " in row.strip() or len(line) == last):
            yield row
        else:  # mail does not break a word that is longer than its lines
            yield f"{row.rstrip()} "
        last = len(line)


def _unpacked(data: Any) -> Any:  # noqa: ANN401  any JSON
    """Return the plain data of a snapshot, for `from_data` to check. Raises SnapshotError if the form is unknown."""
    if not isinstance(data, dict) or data.get("schema") != PACKED:
        return data
    try:
        values = {name: answer.get("value", {}) for name, answer in data["facts"].items()}
        site = next(iter(values.get("Interpreter", {}).get("site_packages", ())), "")
        rows = values.get("Packages", {}).get("distributions", ())
        split = (row.split(" ", 1) if isinstance(row, str) else row for row in rows)
        distributions = (
            {"name": parts[0], "version": parts[1]} if isinstance(parts, list) else parts
            for parts in split
        )
        values.get("Packages", {})["distributions"] = [
            {"location": site, **row} for row in distributions
        ]
    except (AttributeError, LookupError, TypeError) as error:
        raise SnapshotError(f"its facts have an unknown form: {error}") from None
    return {**data, "schema": SCHEMA}
