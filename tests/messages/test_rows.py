"""Rows are their own tests: each example is matched by its row, and no certain row of another cause claims it."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import report_of
from tunedoctor.facts import Errors, ErrorText
from tunedoctor.messages.match import RowError, expression, flat, key_of, matches, shipped
from tunedoctor.readers.read import read_report
from tunedoctor.tables.load import table

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "build_knowledge.py"))
HELD: dict[str, Any] = TOOL["read"]()
CHECKS = all_checks()
EXAMPLES = [
    (id_, one, text)
    for id_, cause in HELD.items()
    for one in cause.message
    for text in one.examples
]


def test_the_tables_are_what_the_files_say() -> None:
    for name, content in TOOL["tables"](HELD).items():
        assert (ROOT / f"src/tunedoctor/tables/{name}.json").read_bytes() == content, name


@pytest.mark.parametrize("id_", sorted(HELD))
def test_each_example_is_claimed_by_its_row_and_by_no_certain_row_of_another_cause(
    id_: str,
) -> None:
    for _, row, text in (one for one in EXAMPLES if one[0] == id_):
        found = matches(Errors(errors=(ErrorText(text=text),)))
        assert any((m.cause, m.row) == (id_, row.text or row.pattern) for m in found), text
        wrong = {m.cause for m in found if m.certain} - {id_}
        assert not wrong, (wrong, text)


def test_a_cause_without_code_is_told_of_each_example() -> None:
    """A certain row gives the error, and no other cause by words alone; else it is among the suspects."""
    bare = {id_ for id_, cause in HELD.items() if not cause.coded}
    untold: list[tuple[str, str, list[str]]] = []
    for id_, row, text in (one for one in EXAMPLES if one[0] in bare):
        snapshot = read_report(text)
        report = report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS)
        errors = [one.id for one in report.findings if one.severity == "error"]
        suspected = [one.id for one in report.suspected]
        if {*errors} & bare != {id_} if row.certain else id_ not in suspected:
            untold.append((id_, text, errors or suspected))
    assert not untold


def test_no_near_miss_is_matched() -> None:
    for id_, cause in HELD.items():
        for row in cause.message:
            for text in row.near:
                found = matches(Errors(errors=(ErrorText(text=text),)))
                assert (id_, row.text or row.pattern) not in {(m.cause, m.row) for m in found}, text


def test_every_cause_of_code_has_its_file() -> None:
    assert set(HELD) == {one.id for one in CHECKS}
    assert all(cause.settle for cause in HELD.values())


@pytest.mark.parametrize(
    ("row", "text", "slots"),
    [
        (
            "driver is too old (found version {v:int})",
            "The driver is too\n  old (found VERSION 11040).",
            {"v": "11040"},
        ),
        (
            "No module named '{module:module}'",
            "no module named 'Peft.tuners'",
            {"module": "Peft.tuners"},
        ),
        (
            "cannot find {what:MSVC|the Windows SDK}{s:s|} here",
            "Cannot find the Windows SDK here",
            {"what": "the Windows SDK", "s": ""},
        ),
        ("a dict {{k: {v}} is wrong", "A dict {k: v1} is wrong", {"v": "v1"}),
        ("İstanbul is {x} now", "İSTANBUL is up now", {"x": "up"}),
    ],
)
def test_slots_and_blanks(row: str, text: str, slots: dict[str, str]) -> None:
    found = expression(row).search(flat(text))
    assert found is not None
    assert found.groupdict() == {name: value.lower() for name, value in slots.items()}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{a:path}{b:text} stands here", "side by side"),
        ("{x} is {y}", "fewer than"),
        ("something {x:float} happened", "no type of slot"),
        ("something {x} happened {x}", "one name"),
        ("something {a:text} happens {b:text} or {c:path} or {d:text}", "more than"),
    ],
)
def test_a_row_that_is_not_sound_is_refused(row: str, why: str) -> None:
    with pytest.raises(RowError, match=why):
        expression(row), key_of(row)


def test_time_is_in_proportion_to_the_text() -> None:
    """What is worst for a row: its beginning again and again, without its end."""
    rows = table("messages")["rows"]
    slow = []
    for _, _, _, text, key, _, pattern in rows:
        row = expression(text, pattern=pattern)
        starts = [key[:-1]] if pattern else re.split(r"\{[^{}]*\}", text)
        seed = flat(" x ".join(starts[:-1] or starts)) + " "

        def cost(size: int, row: re.Pattern[str] = row, seed: str = seed) -> float:
            low = (seed * (size // len(seed) + 1))[:size]
            began = process_time()
            row.search(low)
            return process_time() - began

        if cost(10_000) > 0.01 and min(cost(20_000) for _ in range(3)) > 3 * min(
            cost(10_000) for _ in range(3)
        ):
            slow.append(text)
    assert not slow


def test_a_text_costs_few_milliseconds() -> None:
    """All reports as one pass: the index of words leaves few rows to try."""
    cases = sorted((ROOT / "tests/reports/reports").glob("*.txt"))[::20]
    texts = [path.read_text("utf-8") for path in cases]
    began = process_time()
    for text in texts:
        shipped().matches(text)
    assert (process_time() - began) / len(texts) < 0.01


def test_a_plain_check_reads_no_row(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['doctor', 'check', '--self', '--format', 'json']\n"
        "import tunedoctor.tables.load as load\nheld = load.shipped\n"
        "load.shipped = lambda name: (print('read', name, file=sys.stderr), held(name))[1]\n"
        "from tunedoctor.__main__ import main\nmain()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert "read causes" in ended.stderr
    assert "read messages" not in ended.stderr
    assert json.loads(ended.stdout)["findings"] is not None
