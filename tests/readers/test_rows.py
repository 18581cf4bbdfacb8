"""What people paste is read as the rows say, however it was pasted; what checks and installers say is read."""

import time
from collections.abc import Callable
from copy import deepcopy
from itertools import groupby
from pathlib import Path

import pytest
from readers.rows import FILES, PLACES, Row, rows, text_of, told

from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Errors
from tunedoctor.messages.cause import page_of
from tunedoctor.readers import messages
from tunedoctor.readers.installer_output import joined, wording
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.unwrap import clean_lines
from tunedoctor.tables.load import table

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
def test_a_text_tells_what_its_row_says(area, of, group):
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
def test_pasting_changes_nothing(part, how):
    assert [row["of"] for row in ALL[part :: len(PASTED)] if not _same(row, PASTED[how])] == []


@pytest.mark.parametrize("how", OFTEN)
def test_pasting_changes_no_report(how):
    whole = [row for row in ROWS["reports"] if "file" in row]
    assert len(whole) > 30
    assert [row["file"] for row in whole if not _same(row, OFTEN[how])] == []


def test_lines_of_a_build_are_read():
    """Docker numbers what an installer says in it."""
    for row in ROWS["installers"][:4]:
        assert _same(row, _each("#12 3.100 ")), row


@pytest.mark.skipif(not PLACES["shared"].is_dir(), reason="the recorded outputs are not here")
def test_no_recorded_output_is_left_out():
    read = {Path(row.get("shared") or row.get("file", "")).name for row in ROWS["gpus"]}
    assert read >= {file.name for file in PLACES["shared"].glob("nvidia-smi_*")}


def texts(text: str) -> list[str]:
    found = messages.read(Paste(clean_lines(text)))
    return [error.text for fact in found if isinstance(fact, Errors) for error in fact.errors]


NOT_OF_A_LOG = (
    *("no answer in", "(32-bit runtime)", "rocminfo finds", "WSL environment detected", "HW "),
    *("Would uninstall 1 package", "- datasets=="),  # of a sync that only tries
)


def test_what_the_checks_say_is_seen_is_read():
    pages = [
        page_of(one) for one in all_checks() if not one.by_words
    ]  # theirs are sought everywhere
    lines = [line for page in pages for line in page.partition("Seen as\n")[2].splitlines()]
    seen = [one.strip() for one in lines if one[:1] == " " and one.strip()]
    seen = [one for one in seen if not one.startswith(NOT_OF_A_LOG)]
    assert len(seen) > 100
    lost = [line for line in seen if not texts(line)]
    assert len(lost) <= len(seen) // 25, lost


def test_a_long_log_keeps_its_first_and_last_messages():
    found = texts("".join(f"ValueError: number {i}\n\n" for i in range(1000)))
    assert len(found) == messages.MOST
    assert (found[0], found[-1]) == ("ValueError: number 0", "ValueError: number 999")


SAID = table("installer_messages")["rows"]


def test_messages_of_installers_have_a_source_and_find_their_examples():
    for row in SAID:
        assert row["source"]
        assert row["examples"]
        for example in row["examples"]:
            text = example if row["fact"] == "line" else joined([example]).text
            assert wording(row).search(text), (row["text"], example)


def test_messages_of_installers_take_linear_time():
    """Near misses, each example without its end: one row that takes a square is seen in the sum of all."""

    def spent(row, times):
        text = joined(["".join(f"{one[:-4]} " * times for one in row["examples"])]).text
        own = wording(row)
        began = time.process_time()
        list(own.finditer(text))
        return time.process_time() - began

    def ratio(row):
        return spent(row, 240) / max(spent(row, 60), spent(row, 60), 0.003)

    assert [row["text"] for row in SAID if min(ratio(row), ratio(row), ratio(row)) > 10] == []
