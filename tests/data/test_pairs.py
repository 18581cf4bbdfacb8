"""Preference pairs: the forms in which TRL and LLaMA-Factory take them, and what is wrong with some."""

import json
from pathlib import Path

import pytest

from tunedoctor.data import survey as surveys
from tunedoctor.data.report import DataFault
from tunedoctor.data.survey import DataSource, Survey
from tunedoctor.target.train_rows import sample_of


def turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def said(name: str, text: str) -> dict[str, str]:
    return {"from": name, "value": text}


ASKS = [turn("user", "Q")]
GOOD, BAD = [turn("assistant", "A")], [turn("assistant", "B")]
FORMS = {
    "trl, text": {"prompt": "Q", "chosen": "A", "rejected": "B"},
    "trl, messages": {"prompt": ASKS, "chosen": GOOD, "rejected": BAD},
    "trl, implicit": {"chosen": ASKS + GOOD, "rejected": ASKS + BAD},
    "ultrafeedback": {"prompt": "Q", "chosen": ASKS + GOOD, "rejected": ASKS + BAD},
    "llama-factory, sharegpt": {
        "conversations": [said("human", "Q")],
        "chosen": said("gpt", "A"),
        "rejected": said("gpt", "B"),
    },
    "llama-factory, alpaca": {"instruction": "Q", "input": "", "chosen": "A", "rejected": "B"},
    "openai": {"messages": ASKS, "chosen": GOOD[0], "rejected": BAD[0]},
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_the_same_pair(form):
    sample = sample_of(FORMS[form])
    assert sample.turns == [("user", "Q"), ("assistant", "A")]
    assert sample.rejected == [("user", "Q"), ("assistant", "B")]
    assert (sample.form, sample.shared, sample.faults) == ("preference", 1, [])


def test_system_and_input_belong_to_the_prompt():
    row = {"system": "S", "instruction": "Q", "input": "more", "chosen": "A", "rejected": "B"}
    sample = sample_of(row)
    assert sample.turns == [("system", "S"), ("user", "Q\nmore"), ("assistant", "A")]
    assert (sample.rejected[:2], sample.shared) == (sample.turns[:2], 2)


def test_several_turns_that_both_answers_repeat_are_the_prompt():
    talk = [turn("user", "Q"), turn("assistant", "x"), turn("user", "R")]
    sample = sample_of({"chosen": talk + GOOD, "rejected": talk + BAD})
    assert sample.shared == 3


def faults_of(path: Path, rows: list[dict[str, object]]) -> dict[str, DataFault]:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = Survey([DataSource(path, "train")], surveys.SurveyOptions())
    return {one.kind: one for one in found.faults()}


def pair(i: int, chosen: str, rejected: str, **more: object) -> dict[str, object]:
    return {"prompt": f"What is {i}?", "chosen": chosen, "rejected": rejected, **more}


WRONG = {
    "same-pair": pair(2, "It is 2.", "It is 2."),
    "empty-turn": pair(2, "It is 2.", " "),
    "swapped-pair": pair(2, "It is 2.", "It is 3.", score_chosen=1.5, score_rejected=8),
    "opposite-pair": pair(1, "It is 9.", "It is 1."),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_pair_is_named_by_its_line(tmp_path, kind):
    rows = [pair(0, "It is 0.", "It is 9."), pair(1, "It is 1.", "It is 9."), WRONG[kind]]
    faults = faults_of(tmp_path / "d.jsonl", rows)
    assert [one.line for one in faults.pop(kind).places] == [3]
    assert not faults


def test_one_answer_may_be_in_several_pairs(tmp_path):
    """The best of four answers is compared with each other one."""
    answers = ["a number", "six, which I looked up in three books", "no idea, so ask somebody"]
    rows = [pair(1, "It is 1.", one) for one in answers]
    rows += [pair(1, answers[0], answers[1], score_chosen=7, score_rejected=7)]
    assert not faults_of(tmp_path / "d.jsonl", rows)


def test_a_length_bias_is_noted_if_it_is_large(tmp_path):
    def rows(long: int) -> list[dict[str, object]]:
        words = [("so " * 9, "no"), ("no", "so " * 9)]
        return [pair(i, *words[i >= long]) for i in range(120)]

    told = faults_of(tmp_path / "a.jsonl", rows(110))["length-bias"].places[0].detail
    assert told.startswith("the chosen answer is longer in 92% of 120 pairs, ")
    told = faults_of(tmp_path / "b.jsonl", rows(10))["length-bias"].places[0].detail
    assert told.startswith("the rejected answer is longer in 92% of 120 pairs, ")
    assert not faults_of(tmp_path / "c.jsonl", rows(70))
    assert not faults_of(tmp_path / "d.jsonl", rows(110)[21:])
