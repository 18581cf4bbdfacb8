"""Each row of installer_messages.json finds its examples, wrapped or not, in time linear in the text."""

import time

import pytest

from tunedoctor.readers.installing.said import Said, joined, wording
from tunedoctor.tables.load import table

ROWS = table("installer_messages")["rows"]
FACTS = {
    *("requires", "there", "broken", "refused", "offered", "floor", "indexes", "variant", "runs"),
    "error",
}


def _said(fact: str, lines: list[str]) -> list[Said]:
    return list(joined(lines).said(fact))


def test_rows_have_a_source_and_fill_a_fact_that_is_read() -> None:
    assert {row["fact"] for row in ROWS} == FACTS
    assert all(row["source"] and row["examples"] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"][:40])
def test_a_row_finds_its_examples(row: dict[str, str | list[str]]) -> None:
    for example in row["examples"]:
        found = wording(row).search(joined([example]).text)
        assert found, example
        assert not wording(row).search(joined([example[found.end() // 2 :][::-1]]).text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["text"][:40])
def test_a_row_takes_linear_time(row: dict[str, str | list[str]]) -> None:
    own = wording(row)

    def spent(times: int) -> float:
        text = joined([f"{example[:-4]} " * times for example in row["examples"]]).text
        began = time.process_time()
        list(own.finditer(text))
        return time.process_time() - began

    ratio = 0.0
    for _ in range(4):
        ratio = spent(240) / max(spent(60), spent(60), 0.003)
        if ratio <= 10:
            return
    pytest.fail(f"{ratio:.1f} times the time for 4 times the text")


def test_a_wrapped_sentence_is_told_with_its_line() -> None:
    lines = ["x", "ERROR: trl 0.14.0 requires", "rich, which is not", "installed."]
    assert [(one.line, one.last) for one in _said("requires", lines)] == [(1, 3)]
