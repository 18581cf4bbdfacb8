"""What a run keeps: checkpoints by time, the last step before an error, and the best evaluation as the result."""

import json
import shlex
import signal
import subprocess

import pytest
from trainers import done
from typed import HANGS

from tunedoctor.core.scripts import trainer_source

CLOCK = """
import train_keep
now = [0.0]
train_keep.time.monotonic = lambda: now[0]
def saves(every, seconds, steps, cost):
    "The steps after which a run saves, whose steps take `seconds` and whose checkpoints take `cost`."
    clock, saved = train_keep.SaveClock(every), []
    for step in range(1, steps + 1):
        now[0] += seconds
        if clock.is_due(step, (steps - step) * seconds):
            began = now[0]
            now[0] += cost
            clock.note_saved(began)
            saved.append(step)
    return saved
assert saves(4, 1.0, 10, 0.0) == [4, 8], saves(4, 1.0, 10, 0.0)
assert saves(0, 1.0, 100, 0.0) == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100], saves(0, 1.0, 100, 0.0)
assert saves(0, 60.0, 100, 0.0) == [*range(5, 101, 5)], saves(0, 60.0, 100, 0.0)
slow = saves(0, 10.0, 100, 10.0)  # a tenth is 100 s, but saving then takes a twentieth of the time: 200 s
assert slow[0] == 10 and {b - a for a, b in zip(slow, slow[1:])} == {20}, slow
"""


def test_checkpoints_by_time(train):
    done(train(code=CLOCK))


KILL = """
import os, signal
rate = trainer.rate
def killed(step, *more):
    if step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return rate(step, *more)
trainer.rate = killed
"""


def test_a_run_that_is_killed_without_save_every_loses_little(runs):
    runs("--out=whole")
    runs(code=KILL, status=-signal.SIGKILL)
    assert [name for name in runs.names() if name.startswith("step-")]
    ended = runs("--resume=true")
    assert "resumed after step " in ended.out
    assert runs.log() == runs.log("whole")


FAILS = """
loss_of, calls = trainer.loss_of, []
def failing(model, batch, chunk):
    calls.append(model.training)
    if sum(calls) > 10:
        raise RuntimeError({error!r})
    return loss_of(model, batch, chunk)
trainer.loss_of = failing
"""


@pytest.mark.parametrize(
    ("error", "status", "more"),
    [("a kernel failed", 99, ()), ("out of memory", 1, ("--checkpointing=true",))],
)
def test_an_error_leaves_the_last_step_and_the_run_goes_on_bit_for_bit(runs, error, status, more):
    options = ("--save-every=100", "--micro-batch=4", "--dropout=0")
    runs(*options, "--out=whole")
    says = ("saved step 5 in out/step-0000005",)
    runs(*options, code=FAILS.format(error=error), status=status, says=says)
    runs(*options, *more, "--resume=true", says=("resumed after step 5",))
    rows = [row for row in runs.log() if "loss" in row]
    whole = runs.log("whole")
    if more:  # micro-batches were halved meanwhile
        assert [r["loss"] for r in rows] == pytest.approx([r["loss"] for r in whole], rel=1e-4)
    else:
        assert rows == whole


SCRIPTED = """
values = {3: 2.0, 6: 1.5, 9: 1.7, 12: 1.6, 15: 1.9, 18: 1.4}
trainer.Run.evaluate = lambda self: values.get(self.step, 3.0)
"""
EVALS = ("--eval-share=0.1", "--eval-every=3", "--max-steps=18", "--save-every=100", "--keep=1")


def weights(runs, *parts):
    return runs.folder.joinpath(*parts, "adapter_model.safetensors").read_bytes()


def test_the_result_is_the_best_evaluation_and_patience_ends_the_run(runs):
    why = "Ended early after step 15: 3 evaluations brought no better loss. "
    why += "The result is step 6, with the best held-out loss: 1.5, against 1.9 at the end."
    ended = runs(*EVALS, "--patience=3", code=SCRIPTED)
    assert why in " ".join(ended.out.split())
    assert "from 3 to 1.5" in " ".join(ended.out.split())
    assert [n for n in runs.names() if "step" in n] == ["step-0000006", "step-0000015"]
    assert weights(runs, "out", "final") == weights(runs, "out", "step-0000006")
    assert weights(runs, "out", "final") != weights(runs, "out", "step-0000015")
    facts = json.loads((runs.folder / "out/run.json").read_text())
    assert (facts["result_step"], facts["result_why"]) == (6, why)
    assert "The result is step 6" in (runs.folder / "out/final/README.md").read_text()
    kept = (runs.folder / "out/final/adapter_model.safetensors").stat().st_mtime_ns
    runs(*EVALS, "--patience=3", "--resume=true", code=SCRIPTED)  # the rule holds: not a step more
    assert runs.log()[-1]["step"] == 15
    assert (runs.folder / "out/final/adapter_model.safetensors").stat().st_mtime_ns != kept
    assert weights(runs, "out", "final") == weights(runs, "out", "step-0000006")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_resumed_run_keeps_the_best_so_far(runs, method):
    options = (*EVALS, "--patience=3", f"--method={method}", "--learning-rate=1e-3")
    runs(*options, "--out=whole", code=SCRIPTED)
    runs(*options, code=SCRIPTED + KILL.replace("step == 5", "step == 10"), status=-9)
    runs(*options, "--resume=true", code=SCRIPTED, says=("resumed after step 6",))
    assert runs.log() == runs.log("whole")
    final = [next((runs.folder / o / "final").glob("*model.safetensors")) for o in ("out", "whole")]
    assert final[0].read_bytes() == final[1].read_bytes()
    samples = [(runs.folder / o / "samples.jsonl").read_text() for o in ("out", "whole")]
    assert samples[0] == samples[1]


def test_without_best_the_result_is_the_last_step(runs):
    told = "The result is the last step, as best = false says."
    assert told in " ".join(
        runs(*EVALS, "--best=false", "--max-steps=9", code=SCRIPTED).out.split()
    )
    assert weights(runs, "out", "final") == weights(runs, "out", "step-0000009")


def test_patience_without_held_out_rows_is_refused(runs):
    runs("--patience=2", status=2, says=("patience needs held-out rows", "eval_share"))


def test_evaluations_are_spread_over_the_run(runs):
    runs("--eval-share=0.1")
    steps = [row["step"] for row in runs.log() if "eval_loss" in row]
    assert steps[0] == 0
    assert steps[-1] == 8
    assert len(steps) > 2


def test_the_ejected_trainer_prints_the_command_that_resumes(torch_python, tiny_model, runs):
    """An error is planted in the fourth step."""
    file = runs.folder / "train.py"
    head, end = trainer_source().split("            began = time.perf_counter()\n")
    file.write_text(f"{head}            began = 1 / (3 - self.step)\n{end}")
    words = [torch_python, "train.py", *runs.options, "--save-every=100"]
    ended = subprocess.run(
        words, cwd=runs.folder, capture_output=True, text=True, timeout=HANGS, check=False
    )
    assert ended.returncode == 1, ended.stderr
    last = ended.stdout.splitlines()[-1]
    assert last == f"python train.py {shlex.join(words[2:])} --resume=true"
    file.write_text(trainer_source())
    ended = subprocess.run(
        [torch_python, *shlex.split(last)[1:]], cwd=runs.folder, capture_output=True, text=True,
        timeout=HANGS, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "resumed after step 3" in ended.stdout
    runs("--out=whole")
    assert runs.log() == runs.log("whole")
