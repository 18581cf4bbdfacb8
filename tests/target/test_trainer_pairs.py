"""Preference tuning: forms of pairs, losses against plain formulas, and whole runs of dpo and orpo."""

import json

import pytest
from rows import plant
from trainers import done

PAIRS = "".join(
    json.dumps(
        {
            "prompt": f"What is {i}?",
            "chosen": "x" * (i * 7 % 23) + f" {i}",
            "rejected": "y" * (i * 5 % 19) + f" {i + 1}",
        }
    )
    + "\n"
    for i in range(40)
)
DPO = ("--data=p.jsonl", "--objective=dpo", "--learning-rate=2e-3", "--dropout=0")


@pytest.fixture
def pairs(runs):
    (runs.folder / "p.jsonl").write_text(PAIRS)
    return runs


def test_the_chosen_answers_win(pairs):
    told = pairs(*DPO, "--eval-share=0.2", "--max-steps=16").out
    rows = pairs.log()
    assert [row["loss"] for row in rows if row["step"] == 1] == pytest.approx([0.6931], abs=1e-3)
    assert rows[-1]["eval_loss"] < 0.4
    assert rows[-1]["reward_accuracy"] > 0.9
    assert rows[-1]["reward_margin"] == pytest.approx(
        rows[-1]["reward_chosen"] - rows[-1]["reward_rejected"]
    )
    assert "learning_rate 0.002 is high for dpo" in told
    assert "trained with lora and dpo" in (pairs.folder / "out/final/README.md").read_text()
    orpo = (*DPO[:1], "--objective=orpo", "--learning-rate=5e-3", "--out=o", "--max-steps=16")
    pairs(*orpo, "--eval-share=0.2")
    rows = pairs.log("o")
    assert rows[-1]["eval_loss"] < rows[0]["eval_loss"] / 1.5
    assert rows[-1]["reward_accuracy"] > 0.8
