"""All facts as text inside of a report for people, and the way back: one fact below the other, in JSON.

It is what a snapshot holds, smaller: what has its default is left out, a package is "name version", and requirements
that no check reads are left out. Lines are short, so that mail and terminals leave them whole; nothing in them ends a
block of code, is a tag, or calls somebody.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import fields, replace

from tunedoctor import facts as kinds
from tunedoctor.contracts.requirements import counting
from tunedoctor.facts import Absent, Part, Unknown
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import SCHEMA, Snapshot, SnapshotError, from_data
from tunedoctor.readers.paste import shape
from tunedoctor.readers.tidy import tidied

PACKED = "doctor.facts/1"
WIDTH = 76
"""Characters of a line: what mail and terminals leave whole."""
_TERMINAL = 80
"""Characters from which a line that breaks inside of a string was broken by a terminal, where no blank is lost."""
_TRIES = 3
"""Blocks of one text that are tried; the first that holds is taken."""
_BREAK = "\0"
"""Between two words of JSON, where a line may end."""
_ACTIVE = pattern(r"[`@]|<(?=[A-Za-z/!?])|\*(?=\*)")
_ESCAPED = pattern(r"\\.")


class Held(NamedTuple):
    """What a text holds of a block."""

    snapshot: Snapshot | None
    around: str
    """The text with empty lines in place of what the doctor wrote, so that all keep their numbers."""
    problem: str = ""
    """Why a block that is there can't be read."""


def text_of(snapshot: Snapshot) -> str:
    """Return a snapshot as lines of text."""
    word = json.JSONEncoder(separators=(f",{_BREAK}", ": ")).encode
    told = {"schema": PACKED, "doctor": snapshot.doctor, "taken": snapshot.taken}
    rows = [f"{word(kind.__name__)}: {word(answer)}" for kind, answer in _packed(snapshot)]
    lines = [f'{word(told).replace(_BREAK, " ")[:-1]}, "facts": {{']
    for row in [*(f"{one}," for one in rows[:-1]), *rows[-1:]]:
        line = ""
        for one in _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", row).split(_BREAK):
            if line and len(line) + 1 + len(one) > WIDTH:
                lines, line = [*lines, line], ""
            line += f" {one}" if line else one
        lines.append(line)
    return "\n".join([*lines, "}}"])


def _packed(snapshot: Snapshot) -> Iterator[tuple[type[kinds.Fact], dict[str, Any]]]:
    site = _site(getattr(snapshot.find(kinds.Interpreter), "site_packages", ()))
    for kind, answer in snapshot.answers().items():
        if isinstance(answer, Absent | Unknown):
            yield kind, {type(answer).__name__.lower(): answer.why}
        elif isinstance(answer, kinds.Packages):
            rows = [_package(one, site) for one in answer.distributions]
            yield (
                kind,
                {"value": _told(replace(answer, distributions=())) | {"distributions": rows}},
            )
        else:
            yield kind, {"value": _told(answer)}


def _package(one: kinds.Distribution, site: str) -> str | dict[str, Any]:
    """Return "name version" of a package that lies where most do, and of which no requirement counts."""
    told = _told(
        replace(one, requires=counting(one), metadata="", installer="", requires_python="")
    )
    if one.location == site:
        told.pop("location", None)
    else:
        told["location"] = one.location
    plain = told.keys() == {"name", "version"} and " " not in one.name and one.version
    return f"{one.name} {one.version}" if plain else told


def _site(folders: Sequence[str]) -> str:
    """Return the folder where most packages lie."""
    return folders[0] if folders else ""


def _told(value: Any) -> Any:  # noqa: ANN401  any part of a fact
    """Return plain data of a value without the fields that have their defaults."""
    if isinstance(value, Part):
        names = _defaults(type(value)).items()
        held = {
            name: getattr(value, name) for name, default in names if getattr(value, name) != default
        }
        return {name: _told(one) for name, one in held.items()}
    return [_told(one) for one in value] if isinstance(value, tuple) else value


@cache
def _defaults(kind: type[Part]) -> dict[str, Any]:
    """Return what each field holds where nothing is said; of one that has to be said what no value equals."""
    made = {one.name: one.default_factory for one in fields(kind) if callable(one.default_factory)}
    return {one.name: made[one.name]() if one.name in made else one.default for one in fields(kind)}


def held(text: str) -> Held:
    """Return the facts that a text holds as a block or as a snapshot, and the rest of it. Linear; never raises."""
    if '"doctor.' not in text:
        return Held(None, text)
    problem = ""
    lines = text.split("\n")
    for undo in (False, True):  # then without colours, stamps and whatever else pasting adds
        shown, numbers = tidied(text, ()) if undo else (lines, ())
        whole = "\n".join(shown)
        for found, _ in zip(shape("doctor.facts").finditer(whole), range(_TRIES), strict=False):
            first = whole.count("\n", 0, found.start())
            try:
                data, size = _decoded(
                    shown[first:], found.start() - whole.rfind("\n", 0, found.start()) - 1
                )
                snapshot = from_data(_unpacked(data))
            except SnapshotError as error:
                problem = problem or str(error)
                continue
            starts = (at for at in range(first, -1, -1) if shape("doctor.start").match(shown[at]))
            begin, end = next(starts, first), first + size
            begin, end = (numbers[at] - 1 if numbers else at for at in (begin, end - 1))
            return Held(
                snapshot, "\n".join([*lines[:begin], *[""] * (end - begin + 1), *lines[end + 1 :]])
            )
    return Held(None, text, problem)


def _decoded(lines: Sequence[str], column: int) -> tuple[Any, int]:
    """Return the JSON that begins in the first line, and on how many lines it stands. Raises SnapshotError."""
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
    """Yield the lines without what stands in front of each, as a mark of quotation, and strings that were broken whole."""
    front, inside = lines[0][:column], False
    for number, line in enumerate(lines):
        row = (
            line[column:]
            if not number
            else line.removeprefix(front if line.startswith(front) else front.rstrip())
        )
        inside ^= _ESCAPED.sub("", row).count('"') % 2 == 1
        if not inside:
            yield f"{row}\n"
        else:
            yield row if len(line) >= _TERMINAL else f"{row.rstrip()} "


def _unpacked(data: Any) -> Any:  # noqa: ANN401  any JSON
    """Return a snapshot's plain data of a packed one; what has another form is left for `from_data` to refuse."""
    if not isinstance(data, dict) or data.get("schema") != PACKED:
        return data
    try:
        told = {name: answer.get("value") for name, answer in data["facts"].items()}
        site = _site((told.get("Interpreter") or {}).get("site_packages", ()))
        rows = (told.get("Packages") or {}).get("distributions", ())
        whole = [
            dict(zip(("name", "version"), one.split(" ", 1), strict=True))
            if isinstance(one, str)
            else one
            for one in rows
        ]
        if rows:
            told["Packages"]["distributions"] = [{"location": site, **one} for one in whole]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        msg = f"its facts are of another form: {error}"
        raise SnapshotError(msg) from None
    return {**data, "schema": SCHEMA}
