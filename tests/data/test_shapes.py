"""Which form a row has, and its turns."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from data.survey_of import faults_of as faults_in

from tunedoctor.data.examine import cut_answers, order
from tunedoctor.target.train_rows import faults_of, order_faults, read, sample_of

USER, ANSWER = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
TURNS = [("user", "q"), ("assistant", "a")]
SHARED = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
OTHER = [USER, {**ANSWER, "content": "b"}]
FORMS: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("prompt-completion", {"prompt": "q", "completion": "a"}, TURNS),
    ("prompt-completion", {"question": "q", "answer": "a", "id": 1}, TURNS),
    ("prompt-completion", {"prompt": [USER], "completion": [ANSWER]}, TURNS),
    ("instruction", {"instruction": "q", "output": "a", "input": ""}, TURNS),
    ("instruction", {"instruction": "q", "output": "a"}, TURNS),
    ("instruction", {"instruction": "q", "input": "x", "output": "a"}, [("user", "q\nx"), TURNS[1]]),
    ("messages", {"messages": [USER, ANSWER]}, TURNS),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, ANSWER]}, TURNS),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]}, ANSWER]}, TURNS),
    ("conversations", {"conversations": SHARED}, TURNS),
    ("conversations", {"system": "s", "conversations": SHARED}, [("system", "s"), *TURNS]),
    ("text", {"text": "q"}, [("text", "q")]),
    ("preference", {"prompt": "q", "chosen": "a", "rejected": "b"}, TURNS),
    ("preference", {"chosen": [USER, ANSWER], "rejected": OTHER}, TURNS),
    ("preference", {"prompt": "q", "chosen": [USER, ANSWER], "rejected": OTHER}, TURNS),
]  # fmt: skip


@pytest.mark.parametrize(("form", "row", "turns"), FORMS)
def test_forms(form: str, row: dict[str, Any], turns: list[tuple[str, str]]) -> None:
    found = sample_of(row)
    assert (found.form, found.turns, found.faults) == (form, turns, [])
    assert faults_of(found) + cut_answers(found) == []


def test_calls_of_tools_are_turns() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}
    found = sample_of({"messages": [USER, call, {"role": "tool", "content": "4"}, ANSWER]})
    assert found.faults == []
    assert order(found) == "uata"
    assert faults_of(found) + cut_answers(found) == []


ORDERS = {
    "uu": "turns 1 and 2 are both user",
    "uaa": "turns 2 and 3 are both assistant",
    "us": "turn 2 is system",
    "a": "begins with assistant",
    "sa": "begins with assistant",
    "ut": "turn 2 is tool",
    "uau": "ends with user",
    "su": "no turn is assistant",
}
ROLE = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}


@pytest.mark.parametrize("roles", ORDERS)
def test_orders_that_templates_refuse(roles: str) -> None:
    found = sample_of({"messages": [{"role": ROLE[one], "content": "x"} for one in roles]})
    assert any(ORDERS[roles] in detail for _, detail in order_faults(found))


def test_answers_that_are_cut_off() -> None:
    sentence = "This is a sentence that says nothing much at all. " * 5
    for text, cut in (
        (sentence + "And here it ends in the", True),
        (sentence + "It has an end.", False),
        (sentence + "```python\nx = (1)\n", True),
        (sentence + "```python\nx = 1\n```", False),
        ("Paris", False),
        (sentence + "\n- one\n- two", False),
    ):
        found = cut_answers(sample_of({"prompt": "q", "completion": text}))
        assert [kind for kind, _ in found] == (["cut-answer"] if cut else []), text


FILES = {
    "a.jsonl": b'\xef\xbb\xbf{"prompt": "a", "completion": "b"}\r\n\n{"messages": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}',
    "b.jsonl": b'{"instruction": "q", "input": "x", "output": "a", "system": "s"}\n{"question": "q", "answer": "a", "id": 1}\n',
    "c.json": b'[{"text": "x"},\n {"chosen": "a", "rejected": "b"}]',
    "d.json": b'{"version": "1", "data": [{"text": "x"}, {"text": "y"}]}',
    "e.json": b'{\n "text": "x"\n}\n{\n "text": "y"\n}\n',
    "f.json": b'{"text": "x"}\n{"text": "y"}\n',
    "g.csv": b'prompt;completion\na;b\n\n"c\nc";d\n',
    "h.csv": b"\n text , id \nabc,1\nabd,2\n",
    "i.tsv": b"question\tanswer\na\tb\nc\td\n",
    "j.jsonl.gz": gzip.compress(b'{"text": "x"}\n{"text": "y"}\n'),
    "k.jsonl": json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, ANSWER]}).encode() + b'\n{"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}',
    "m.jsonl": ("\ufeff" + '{"prompt": "a\u2028b", "completion": "\u00fc"}\r\n' * 2).encode(),
    "l.jsonl": b'{"prompt": "q", "chosen": "a", "rejected": "b"}\n{"conversation": [{"role": "prompter", "content": "q"}, {"role": "ai", "content": "a"}]}',
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_data_passes_train_takes(tmp_path: Path, name: str) -> None:
    survey, faults = faults_in(tmp_path / name, FILES[name])
    assert [one.kind for one in faults.values() if one.severity == "error"] == []
    rows = [row for _, row in read(str(tmp_path / name))]
    assert [faults_of(sample_of(row)) for row in rows] == [[]] * 2
    assert survey.files[0].rows == len(rows)
