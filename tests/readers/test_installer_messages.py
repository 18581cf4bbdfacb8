"""Each row of installer_messages.json finds its examples, wrapped or not, in time linear in the text."""

import time

from tunedoctor.readers.ledger import Said, joined, wording
from tunedoctor.tables.load import table

ROWS = table("installer_messages")["rows"]
FACTS = {
    *("there", "broken", "refused", "floor", "variant", "runs", "held"),
    *("error", "line"),
}


def _said(fact: str, lines: list[str]) -> list[Said]:
    return list(joined(lines).said(fact))


def test_rows_have_a_source_and_fill_a_fact_that_is_read() -> None:
    assert {row["fact"] for row in ROWS} == FACTS
    assert all(row["source"] and row["examples"] for row in ROWS)


def test_rows_find_their_examples() -> None:
    for row in ROWS:
        for example in row["examples"]:
            text = example if row["fact"] == "line" else joined([example]).text
            assert wording(row).search(text), (row["text"], example)


def test_rows_take_linear_time() -> None:
    """Near misses, each example without its end: one row that takes a square is seen in the sum of all."""

    def spent(row: dict[str, str | list[str]], times: int) -> float:
        text = joined(["".join(f"{one[:-4]} " * times for one in row["examples"])]).text
        own = wording(row)
        began = time.process_time()
        list(own.finditer(text))
        return time.process_time() - began

    def ratio(row: dict[str, str | list[str]]) -> float:
        return spent(row, 240) / max(spent(row, 60), spent(row, 60), 0.003)

    slow = [row["text"] for row in ROWS if min(ratio(row), ratio(row), ratio(row)) > 10]
    assert slow == []


def test_a_wrapped_sentence_is_told_with_its_line() -> None:
    lines = ["x", "ERROR: trl 0.14.0 requires", "rich, which is not", "installed."]
    assert [(one.line, one.last) for one in _said("there", lines)] == [(1, 3)]
