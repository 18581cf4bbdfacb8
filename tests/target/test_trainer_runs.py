"""Whole runs of the trainer: killed, stopped, short of memory or disk, and what they leave."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from trainers import DATA, TRAINER, Train, done, log, weights

KILL = """
import os, signal
import safetensors.torch as st
save, rate = st.save_file, trainer.rate
def killed(*_): os.kill(os.getpid(), signal.SIGKILL)
"""
KILLS = {
    "between forward and backward": "trainer.Run.guard = lambda self, what, *_: killed() if self.step == 5 else None",
    "before a step is taken": "trainer.rate = lambda step, *more: killed() if step == 3 else rate(step, *more)",
    "while a checkpoint is written": "st.save_file = lambda tensors, path: (open(path, 'w').write('half'), '0000006' in str(path) and killed(), save(tensors, path))",
    "before it has its name": "rename = os.rename\nos.rename = lambda a, b: killed() if '4' in str(b) else rename(a, b)",
    "after a log line": "row = trainer.Run.log\ntrainer.Run.log = lambda self, r: (row(self, r), self.step == 7 and killed())",
    "before any checkpoint": "trainer.rate = lambda step, *more: killed() if step == 1 else rate(step, *more)",
}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_goes_on_bit_for_bit(
    train: Train, options: list[str], tmp_path: Path, method: str
) -> None:
    more = [*options, f"--method={method}", "--save-every=2", "--resume=true", "--eval-share=0.1"]
    done(train(*more, "--out=whole"))
    for number, (when, code) in enumerate(KILLS.items()):
        cut = tmp_path / f"cut{number}"
        assert train(*more, f"--out={cut}", code=KILL + code).code == -signal.SIGKILL, when
        done(train(*more, f"--out={cut}"))
        assert log(cut) == log(tmp_path / "whole"), when
        assert weights(cut / "final") == weights(tmp_path / "whole" / "final"), when
        assert len(log(cut)) == 9
        assert not [p.name for p in cut.iterdir() if p.name.startswith(".new")]


def test_a_stopped_run_saves_and_ends_well(
    train: Train, options: list[str], tmp_path: Path
) -> None:
    done(train(*options, "--out=whole"))
    code = "rate = trainer.rate\nimport os\ntrainer.rate = lambda step, *more: (step == 3 and os.kill(os.getpid(), {}), rate(step, *more))[1]"
    ended = done(train(*options, "--out=cut", "--resume=true", code=code.format(15)))
    assert "stopped after step 4; resume = true goes on" in ended.out
    assert [p.name for p in (tmp_path / "cut").glob("step-*")] == ["step-0000004"]
    done(train(*options, "--out=cut", "--resume=true"))
    assert log(tmp_path / "cut") == log(tmp_path / "whole")
    assert train(*options, "--out=other", code=code.format(2)).code == 130


def test_a_run_in_its_own_process_ends_well_on_sigterm(
    torch_python: str, options: list[str], tmp_path: Path
) -> None:
    argv = [torch_python, str(TRAINER), *options, "--max-steps=100000", "--save-every=100000"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.DEVNULL) as child:
        while not (tmp_path / "out" / "log.jsonl").exists():
            assert child.poll() is None
            time.sleep(0.1)
        child.terminate()
        assert child.wait(60) == 0
    assert len(list((tmp_path / "out").glob("step-*/trainer_state.json"))) == 1


def test_a_full_disk_leaves_the_last_good_checkpoint(
    train: Train, options: list[str], tmp_path: Path
) -> None:
    done(train(*options, "--max-steps=4"))
    limit = (
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))"
    )
    ended = train(*options, "--resume=true", "--save-every=2", code=limit)
    assert ended.code == 1
    assert "step-0000006 is not saved" in ended.out
    assert "step-0000004 stands; free space on the disk" in ended.out
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["final", "log.jsonl", "step-0000004"]
    before = [row["loss"] for row in log(tmp_path / "out")]
    done(train(*options, "--resume=true", "--save-every=2"))
    assert [row["loss"] for row in log(tmp_path / "out")] == before


SHORT = """
loss_of = trainer.loss_of
def short(model, batch, chunk):
    if model.training and len(batch[0]) > {most}: raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    return loss_of(model, batch, chunk)
trainer.loss_of = short
"""


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(
    train: Train, options: list[str], tmp_path: Path
) -> None:
    options = [*options, "--dropout=0", "--micro-batch=8"]
    done(train(*options, "--out=roomy"))
    ended = done(train(*options, "--out=tight", code=SHORT.format(most=3)))
    assert "out_of_memory True  micro_batch 4" in ended.out
    assert "out_of_memory True  micro_batch 2" in ended.out
    tight = [row["loss"] for row in log(tmp_path / "tight") if "loss" in row]
    assert tight == pytest.approx([row["loss"] for row in log(tmp_path / "roomy")], rel=1e-4)
    ended = train(*options, "--out=none", code=SHORT.format(most=0))
    assert ended.code == 1
    assert "step 1: out of memory with micro_batch 1" in ended.err
    assert "checkpointing = true" in ended.err


def test_what_is_no_number_stops_with_step_and_lines(
    train: Train, options: list[str], tmp_path: Path
) -> None:
    code = """
loss_of, seen = trainer.loss_of, []
def broken(model, batch, chunk):
    seen.append(model.training)
    return loss_of(model, batch, chunk) * (float("nan") if sum(seen) == 6 else 1)
trainer.loss_of = broken
"""
    ended = train(*options, "--save-every=1", code=code)
    assert ended.code == 1
    assert "step 3: the loss is nan on lines [" in ended.err
    lines = json.loads(ended.err[ended.err.index("[") : ended.err.index("]") + 1])
    assert 1 <= len(lines) <= 4
    assert "of d.jsonl; out/step-0000002 stands" in ended.err
    done(train(*options, "--resume=true"))
    code = """
backward = trainer.ChunkedLoss.backward
trainer.ChunkedLoss.backward = staticmethod(lambda ctx, up: (backward(ctx, up)[0] * float("inf"), *backward(ctx, up)[1:]))
"""
    ended = train(*options, "--out=other", code=code)
    assert ended.code == 1
    assert "step 1: the gradient is nan on lines [" in ended.err


WAYS = [
    "--method=full --learning-rate=1e-3", "--dora=true", "--rslora=true --alpha=8 --targets=q_proj,v_proj", "--precision=bf16",
    "--precision=fp16 --schedule=linear --warmup=0.5 --weight-decay=0.1 --clip=0",
    "--method=full --precision=pure-bf16 --learning-rate=1e-3", "--packing=true --max-length=128 --batch=2",
    "--packing=true --attention=eager --batch=2 --max-length=128",
]  # fmt: skip


@pytest.mark.parametrize("more", WAYS)
def test_ways_to_train(train: Train, options: list[str], tmp_path: Path, more: str) -> None:
    done(train(*options, *more.split(), "--max-steps=12", "--eval-share=0.1"))
    rows = log(tmp_path / "out")
    assert rows[-1]["eval_loss"] < rows[0]["eval_loss"] - 0.3
    assert [row["step"] for row in rows] == list(range(13))


TALK = {"messages": [{"role": r, "content": "x"} for r in ("system", "user", "assistant")]}
KINDS = {
    "d.csv": "prompt,completion\n" + 'a,"b, ""c""\nd"\n' * 9,
    "t.jsonl": '{"text": "a line of text"}\n' * 9,
    "m.jsonl": json.dumps(TALK) + '\n{"chosen": "a", "rejected": "b"}\n',
    "s.json": '[{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}]',
    "b.jsonl": "\ufeff" + '{"prompt": "\u2028", "completion": "ü"}\r\n' * 3,
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_data(train: Train, options: list[str], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(KINDS[name].encode())
    more = (f"--data={name}", f"--eval-data={name}", "--max-steps=2", "--eval-every=1")
    done(train(*options, *more))
    assert [("eval_loss" in row) for row in log(tmp_path / "out")] == [True] * 3


def test_what_a_run_leaves(
    train: Train, options: list[str], tmp_path: Path, tiny_model: str
) -> None:
    done(train(*options, "--eval-share=0.2", "--save-every=3", "--keep=2"))
    out = tmp_path / "out"
    names = sorted(p.name for p in out.iterdir())
    assert names == ["final", "log.jsonl", "step-0000006", "step-0000008"]
    card = (out / "final" / "README.md").read_text()
    assert f"base_model: {tiny_model}" in card
    assert "learning_rate = 0.005" in card
    plot = (out / "final" / "loss.svg").read_text()
    assert plot.count("<polyline") == 2
    (tmp_path / "again.toml").write_text(card.split("```toml\n")[1].split("```")[0])
    done(train("again.toml", "--out=again"))
    assert log(tmp_path / "again") == log(out)
    done(train(*options, "--merge"))
    code = f"""
from transformers import AutoModelForCausalLM
from peft import PeftModel
ids = torch.tensor([[5, 6, 7, 8]])
base = AutoModelForCausalLM.from_pretrained({tiny_model!r})
plain = base(ids).logits
adapted = PeftModel.from_pretrained(base, "out/final").eval()(ids).logits
merged = AutoModelForCausalLM.from_pretrained("out/merged")
assert merged.dtype == base.dtype
assert torch.allclose(adapted, merged(ids).logits, atol=1e-3)
assert not torch.allclose(adapted, plain, atol=0.1)
trainer.AutoTokenizer = __import__("transformers").AutoTokenizer.from_pretrained("out/merged")
"""
    done(train(code=code))


def test_a_run_goes_on_as_it_began_or_not_at_all(
    train: Train, options: list[str], tmp_path: Path
) -> None:
    done(train(*options, "--max-steps=2", "--save-every=1"))
    ended = train(*options)
    assert (ended.code, "out holds a run" in ended.err) == (2, True)
    for change in ("--rank=4", "--seed=1", "--batch=4", "--learning-rate=1"):
        ended = train(*options, "--resume=true", change)
        assert (ended.code, " before, now " in ended.err) == (2, True), change
    (tmp_path / "d.jsonl").write_text(DATA + DATA)
    ended = train(*options, "--resume=true")
    assert (ended.code, " before, now " in ended.err) == (2, True)
    (tmp_path / "out" / "step-0000002" / "trainer_state.json").write_bytes(b"cut")
    ended = train(*options, "--resume=true")
    assert ended.code == 2
    assert "step-0000002 does not load: trainer_state.json changed since" in ended.err
    assert "out/step-0000001" in ended.err


def test_a_dry_run_takes_the_longest_rows_and_leaves_nothing(
    train: Train, options: list[str], tmp_path: Path
) -> None:
    """Of fewer rows than a batch has it is filled: else less is measured, and processes have unequal parts."""
    ended = done(train(*options, "--dry-run", code=SHORT.format(most=2)))
    assert "micro_batch 2" in ended.out
    assert "8 steps of " in ended.out
    assert [p.name for p in tmp_path.iterdir()] == ["d.jsonl"]
    (tmp_path / "d.jsonl").write_text("".join(DATA.splitlines(keepends=True)[:3]))
    assert "the longest 8 rows" in done(train(*options, "--dry-run")).out
