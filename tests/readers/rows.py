"""Rows of what people paste and what is told of it: `rows/AREA.jsonl`, one text a line.

    of     what the row shows
    text   what was pasted; or `file`, one of tests/samples; or `shared`, a recorded output beside the repository
    told   the facts that differ from "the report does not say", without fields at their defaults

`python tests/readers/rows.py` writes anew what is told: read the diff before it is committed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.facts import Absent, Resembles, Unknown
from tunedoctor.readers.read import NOT_TOLD, read_report

HERE = Path(__file__).parent
FILES = sorted((HERE / "rows").glob("*.jsonl"))
PLACES = {"file": HERE.parent / "samples", "shared": HERE.parents[2] / "shared" / "samples"}
UNTOLD = (
    NOT_TOLD,
    Absent(why="the report does not mention a container"),
    Absent(why="the report shows no failed install"),
    Absent(why="the report shows no failure of the NVIDIA tools"),
)

Row = dict[str, Any]


def rows(file: Path) -> list[Row]:
    """Return the rows of an area, those whose recorded output is not here left out."""
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row for row in found if text_of(row) is not None]


def text_of(row: Row) -> str | None:
    """Return what was pasted; None where it is recorded elsewhere and not here."""
    for key, place in PLACES.items():
        if key in row:
            path = place / row[key]
            return path.read_text(encoding="utf-8") if path.is_file() else None
    return row["text"]


def told(text: str) -> dict[str, Any]:
    """Return what is told of a text, the likeness to known causes left out: that is learned and has its own tests."""
    snapshot = read_report(text)
    answers = snapshot.answers()
    return {
        kind.__name__: _plain(answer)
        for kind, answer in answers.items()
        if kind is not Resembles and answer not in UNTOLD
    }


def _plain(value: object) -> Any:
    if isinstance(value, msgspec.Struct):
        told = {
            f.name: _plain(one)
            for f in msgspec.structs.fields(value)
            if (one := getattr(value, f.name)) != f.default
        }
        answer = isinstance(value, (Absent, Unknown))
        return {type(value).__name__.lower(): told} if answer else told
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return msgspec.to_builtins(value)


def _written(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = text_of(row)
        again = row if text is None else {**row, "told": told(text)}
        yield json.dumps(again, ensure_ascii=False)


if __name__ == "__main__":
    for file in FILES:
        file.write_text("".join(f"{line}\n" for line in _written(file)), encoding="utf-8")
