"""Rows are their own tests: each example is matched by its row, and no certain row of another cause claims it."""

import re
import runpy
from pathlib import Path
from time import process_time
from typing import Any

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, source_of
from tunedoctor.diagnosis.report import report_of
from tunedoctor.facts import Errors, ErrorText
from tunedoctor.messages.match import expression, flat, matches, shipped
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


def test_each_example_is_claimed_by_its_row_and_by_no_certain_row_of_another_cause() -> None:
    for id_, row, text in EXAMPLES:
        found = matches(Errors(errors=(ErrorText(text=text),)))
        assert any((m.cause, m.row) == (id_, row.text or row.pattern) for m in found), (id_, text)
        wrong = {m.cause for m in found if m.certain} - {id_}
        assert not wrong, (id_, wrong, text)


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


def test_every_cause_has_its_file_and_every_file_is_used() -> None:
    assert set(HELD) == {one.id for one in CHECKS}
    assert all(cause.settle for cause in HELD.values())
    code = {f"checks/{file.name}" for file in (ROOT / "checks").glob("*.py")}
    assert {source_of(one) for one in CHECKS if not one.by_words} == code - {"checks/__init__.py"}


def test_time_is_in_proportion_to_the_text() -> None:
    """What is worst for a row: its beginning again and again, without its end."""
    rows = table("messages")["rows"]
    slow: list[str] = []
    for _, _, _, text, key, _, pattern in rows:
        row = expression(text, pattern=pattern)
        starts = [key[:-1]] if pattern else re.split(r"\{[^{}]*\}", text)
        seed = flat(" x ".join(starts[:-1] or starts)) + " "

        def cost(size: int, row: re.Pattern[str] = row, seed: str = seed) -> float:
            low = (seed * (size // len(seed) + 1))[:size]
            began = process_time()
            row.search(low)
            return process_time() - began

        if cost(10_000) > 0.01:
            once, twice = (min(cost(size) for _ in range(3)) for size in (10_000, 20_000))
            slow += [text] if twice > 3 * once else []
    assert not slow


def test_a_text_costs_few_milliseconds() -> None:
    """All reports as one pass: the index of words leaves few rows to try."""
    cases = sorted((ROOT / "tests/reports/reports").glob("*.txt"))[::20]
    texts = [path.read_text("utf-8") for path in cases]
    began = process_time()
    for text in texts:
        shipped().matches(text)
    assert (process_time() - began) / len(texts) < 0.01
