"""What people paste is read as the rows say, however it was pasted."""

from collections.abc import Callable
from copy import deepcopy
from itertools import groupby
from pathlib import Path

import pytest
from readers.rows import FILES, PLACES, Row, rows, text_of, told

ROWS = {file.stem: rows(file) for file in FILES}
ALL = [row for area in ROWS.values() for row in area]
SHOWN = [
    (area, of, list(group))
    for area, found in ROWS.items()
    for of, group in groupby(found, key=lambda row: row["of"])
]


def _text(row: Row) -> str:
    text = text_of(row)
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("area", "of", "group"), SHOWN, ids=[f"{area}-{of}" for area, of, _ in SHOWN]
)
def test_a_text_tells_what_its_row_says(area: str, of: str, group: list[Row]) -> None:
    for row in group:
        assert told(_text(row)) == row["told"], _text(row)[:2000]


def _each(before: str, after: str = "") -> Callable[[str], str]:
    return lambda text: "\n".join(f"{before}{line}{after}" for line in text.splitlines())


PASTED: dict[str, Callable[[str], str]] = {
    "quoted": _each("> "),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "coloured": _each("\x1b[32m", "\x1b[0m"),
    "fenced": lambda text: f"Hello\n```\n{text}\n```\nthanks",
}
OFTEN: dict[str, Callable[[str], str]] = {
    "indented": _each("    "),
    "of CI": _each("2026-01-02T03:04:05.1234567Z "),
    "twice": lambda text: f"{text}\n{text}",
}
"""What changes nothing in a report of an environment; elsewhere a blank or a repetition can say something."""


def _same(row: Row, paste: Callable[[str], str]) -> bool:
    """Whether a text tells the same, in whichever line an error then stands."""
    now, before = told(paste(_text(row))), deepcopy(row["told"])
    for one in (now, before):
        one.pop("Typed", None)
        for error in one.get("Errors", {}).get("errors", ()):
            error.pop("where", None)
    return now == before


@pytest.mark.parametrize(("part", "how"), list(enumerate(PASTED)))
def test_pasting_changes_nothing(part: int, how: str) -> None:
    assert [row["of"] for row in ALL[part :: len(PASTED)] if not _same(row, PASTED[how])] == []


@pytest.mark.parametrize("how", OFTEN)
def test_pasting_changes_no_report(how: str) -> None:
    whole = [row for row in ROWS["reports"] if "file" in row]
    assert len(whole) > 30
    assert [row["file"] for row in whole if not _same(row, OFTEN[how])] == []


def test_lines_of_a_build_are_read() -> None:
    """Docker numbers what an installer says in it."""
    for row in ROWS["installers"][:4]:
        assert _same(row, _each("#12 3.100 ")), row


@pytest.mark.skipif(not PLACES["shared"].is_dir(), reason="the recorded outputs are not here")
def test_no_recorded_output_is_left_out() -> None:
    read = {Path(row.get("shared") or row.get("file", "")).name for row in ROWS["gpus"]}
    assert read >= {file.name for file in PLACES["shared"].glob("nvidia-smi_*")}
