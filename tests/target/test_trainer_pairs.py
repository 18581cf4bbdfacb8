"""Preference tuning: forms of pairs, losses against plain formulas, and whole runs of dpo and orpo."""

import json
import os
import subprocess

import pytest
from planting import plant
from trainers import done
from typed import HANGS

from tunedoctor.core.scripts import trainer_source

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


CHUNKED = """
import train_pairs
for cap in (None, 5.0):
    h, w = torch.randn(37, 24, requires_grad=True), torch.randn(101, 24, requires_grad=True)
    y, up = torch.randint(0, 101, (37,)), torch.randn(37)
    z = torch.nn.functional.linear(h, w)
    z = cap * torch.tanh(z / cap) if cap else z
    want = z.log_softmax(-1).gather(1, y[:, None])[:, 0]
    wants = torch.autograd.grad((want * up).sum(), (h, w))
    for chunk in (1, 10, 37, 100):
        got = train_pairs.chunked_logps()(h, w, y, cap, chunk)
        gots = torch.autograd.grad((got * up).sum(), (h, w))
        assert torch.allclose(got, want, atol=1e-5)
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(gots, wants))
"""


def test_log_probabilities_in_chunks_have_the_right_gradients(train):
    done(train(code=CHUNKED))


ENCODED = """
from transformers import AutoTokenizer
import train_data
tokenizer = AutoTokenizer.from_pretrained({folder!r})
def both(row, **changes):
    config = trainer.Config(**{{"max_length": 99, "objective": "dpo", **changes}})
    (pair,) = train_data.encode_pair(row, "x", tokenizer, config)
    text = lambda ids: "".join(tokenizer.decode([t]) for t in ids)
    return [(text(x.ids), text(t for t in x.labels if t != -100)) for x in pair]
turn = lambda r, c: dict(role=r, content=c)
rows = [dict(prompt="Q", chosen="A", rejected="B"),
        dict(chosen=[turn("user", "Q"), turn("assistant", "A")], rejected=[turn("user", "Q"), turn("assistant", "B")]),
        dict(conversations=[{{"from": "human", "value": "Q"}}], chosen={{"from": "gpt", "value": "A"}}, rejected={{"from": "gpt", "value": "B"}})]
for row in rows:
    assert both(row) == [("u:Q</s>a:A</s>", "A</s>"), ("u:Q</s>a:B</s>", "B</s>")], both(row)
assert both(rows[0], template="none") == [("QA</s>", "A</s>"), ("QB</s>", "B</s>")]
plain = dict(chosen="Human: Q Assistant: yes", rejected="Human: Q Assistant: no")
assert both(plain) == [("Human: Q Assistant: yes</s>", "yes</s>"), ("Human: Q Assistant: no</s>", "no</s>")], both(plain)
assert both(dict(prompt="Q", chosen="AAAA", rejected="B"), max_length=9)[0] == ("u:Q</s>a:AAA", "AAA")
talk = [turn("user", "Q"), turn("assistant", "x"), turn("user", "R")]
assert both(dict(prompt=talk, chosen="A", rejected="B"))[1] == ("u:Q</s>a:x</s>u:R</s>a:B</s>", "B</s>")
"""


def test_pairs_become_tokens(train, tiny_model):
    done(train(code=ENCODED.format(folder=tiny_model)))


def test_a_killed_run_goes_on_bit_for_bit(pairs):
    """With dropout, micro-batches and held-out pairs; two processes learn the same as one."""
    more = (*DPO, "--dropout=0.1", "--save-every=2", "--micro-batch=3", "--eval-share=0.1")
    pairs(*more, "--out=whole")
    kill = "import os, signal\nrate = trainer.rate\n"
    kill += (
        "trainer.rate = lambda step, *m: os.kill(os.getpid(), 9) if step == 5 else rate(step, *m)"
    )
    pairs(*more, code=kill, status=-9)
    pairs(*more, "--resume=true", says=("resumed after step 4",))
    assert pairs.log() == pairs.log("whole")
    left = [(pairs.folder / o / "final/adapter_model.safetensors").read_bytes() for o in ("out", "whole")]  # fmt: skip
    assert left[0] == left[1]


@pytest.mark.parametrize("objective", ["dpo", "orpo"])
def test_micro_batches_chunks_and_processes_give_the_same(pairs, objective):
    more = (*DPO, f"--objective={objective}", "--eval-share=0.1", "--max-steps=4")
    pairs(*more, "--out=whole", "--micro-batch=8", "--chunk=0")
    pairs(*more, "--out=parts", "--micro-batch=3", "--chunk=5")
    pairs(*more, "--out=two", "--micro-batch=2", two=True)
    pairs(*more, "--out=saved", "--micro-batch=8", "--checkpointing=true")
    for name in ("parts", "two", "saved"):
        for ours, whole in zip(pairs.log(name), pairs.log("whole"), strict=True):
            assert ours == pytest.approx(whole, rel=2e-3, abs=2e-4), name


def test_orpo_trains_all_weights_too(pairs):
    pairs(*DPO, "--objective=orpo", "--method=full", "--max-steps=4")
    assert pairs.log()[-1]["loss"] < pairs.log()[0]["loss"]


REFUSED = {
    "rows without pairs": (("--data=d.jsonl",), ("d.jsonl line 1: not a pair", '"rejected"')),
    "equal answers": (("--data=same.jsonl",), ("same.jsonl line 1: same-pair",)),
    "packing": (("--packing=true",), ("packing is not possible with pairs",)),
    "dpo of all weights": (("--method=full",), ("dpo needs an adapter", "orpo")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(pairs, what):
    words, says = REFUSED[what]
    plant(pairs.folder, {"same.jsonl": '{"prompt": "Q", "chosen": "A", "rejected": "A"}\n'})
    pairs(*DPO, *words, status=2, says=says)


def test_the_ejected_trainer_learns_the_same(pairs, torch_python):
    """One file joins all parts: preferences, trackers, attention, the best step."""
    words = [*DPO, "--eval-share=0.1", "--patience=2", "--max-steps=3"]
    words += ["--attention=kernels-community/flash-attn2"]
    (pairs.folder / "train.py").write_text(trainer_source())
    ended = subprocess.run(
        [torch_python, "train.py", *pairs.options, *words, "--out=ejected"], cwd=pairs.folder,
        capture_output=True, text=True, timeout=HANGS, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    pairs(*words)
    assert pairs.log("ejected") == pairs.log()
