"""Whole runs of the trainer: killed, stopped, short of memory or disk, and what they leave."""

import json
import signal

import pytest
from planting import plant
from trainers import DATA, done

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
STOP = "rate = trainer.rate\nimport os\ntrainer.rate = lambda step, *more: (step == 3 and os.kill(os.getpid(), {}), rate(step, *more))[1]"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_goes_on_bit_for_bit(runs, method):
    """And one that is told to stop. Weights of both methods are written by the same code: full ones are cut once."""
    more = (f"--method={method}", "--save-every=2", "--resume=true", "--eval-share=0.1")

    def left(out):
        (weights,) = (runs.folder / out / "final").glob("*model.safetensors")
        samples = (runs.folder / out / "samples.jsonl").read_text()
        assert not [name for name in runs.names(out) if ".new" in name]
        return runs.log(out), weights.read_bytes(), samples

    runs(*more, "--out=whole")
    assert len(runs.log("whole")) == 9
    for number, code in enumerate([*KILLS.values()][: None if method == "lora" else 1]):
        runs(*more, f"--out=cut{number}", code=KILL + code, status=-signal.SIGKILL)
        runs(*more, f"--out=cut{number}")
        assert left(f"cut{number}") == left("whole"), code
    told = ("stopped after step 4; continue with resume = true",)
    runs(*more, "--out=cut", "--save-every=100", code=STOP.format(15), says=told)
    assert {"log.jsonl", "samples.jsonl", "step-0000004"} <= {*runs.names("cut")}
    runs(*more, "--out=cut")
    assert left("cut") == left("whole")
    runs(*more, "--out=other", code=STOP.format(2), status=130)


STOP_EARLY = {
    "when the model is loaded": "init = trainer.Run.__init__\ntrainer.Run.__init__ = lambda self, config: (init(self, config), os.kill(os.getpid(), 15))[0]",
    "before its first evaluation": "trainer.Run.evaluate = lambda self: os.kill(os.getpid(), 15)",
    "before its first step": "ask = trainer.ask\ntrainer.ask = lambda *words: (ask(*words), os.kill(os.getpid(), 15))[0]",
}


@pytest.mark.parametrize("when", STOP_EARLY)
def test_a_run_that_is_stopped_before_its_first_step_goes_on_bit_for_bit(runs, when):
    more = ("--resume=true", "--eval-share=0.1")
    runs(*more, "--out=whole")
    status = -15 if "loaded" in when else 0
    runs(*more, "--out=cut", code=f"import os\n{STOP_EARLY[when]}", status=status)
    assert not [name for name in runs.names("cut") if name.startswith("step-")]
    runs(*more, "--out=cut")
    final = [runs.folder / out / "final/adapter_model.safetensors" for out in ("whole", "cut")]
    assert final[0].read_bytes() == final[1].read_bytes()
    assert runs.log("cut") == runs.log("whole")


OVERFLOWS = """
step = torch.amp.GradScaler.step
taken = []
def left_out(self, optimizer): return taken.append(1) if not taken else step(self, optimizer)
torch.amp.GradScaler.step = left_out
"""


def test_a_run_that_is_saved_before_its_optimizer_took_a_step_goes_on_bit_for_bit(runs):
    """In fp16 the first steps often overflow and are left out; a state that torch makes up has step 1."""
    more = ("--resume=true", "--precision=fp16", "--save-every=100")
    runs(*more, "--out=whole", code=OVERFLOWS)
    stop = STOP.replace("step == 3", "step == 0").format(15)
    runs(*more, "--out=cut", code=OVERFLOWS + stop)
    assert "step-0000001" in runs.names("cut")
    runs(*more, "--out=cut")
    final = [runs.folder / out / "final/adapter_model.safetensors" for out in ("whole", "cut")]
    assert final[0].read_bytes() == final[1].read_bytes()


def test_a_full_disk_leaves_the_last_good_checkpoint(runs):
    runs("--max-steps=4", "--save-every=4")
    more = ("--resume=true", "--save-every=2")
    limit = "from resource import *\nsetrlimit(RLIMIT_FSIZE, (8192, RLIM_INFINITY))"
    told = (
        "step-0000006 could not be saved",
        "free some space on the disk; last checkpoint: out/step-0000004",
    )
    runs(*more, code=limit, status=1, says=told)
    assert [name for name in runs.names() if "step" in name] == ["step-0000004"]
    before = [row["loss"] for row in runs.log()]
    runs(*more)
    assert [row["loss"] for row in runs.log()] == before


SHORT = """
loss_of = trainer.loss_of
def short(model, batch, chunk):
    if model.training and len(batch[0]) > {most}: raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    return loss_of(model, batch, chunk)
trainer.loss_of = short
"""


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(runs):
    more = ("--dropout=0", "--micro-batch=8")
    runs(*more, "--out=roomy")
    told = ("out_of_memory True  micro_batch 4", "out_of_memory True  micro_batch 2")
    runs(*more, "--out=tight", code=SHORT.format(most=3), says=told)
    tight = [row["loss"] for row in runs.log("tight") if "loss" in row]
    assert tight == pytest.approx([row["loss"] for row in runs.log("roomy")], rel=1e-4)
    told = ("step 1: out of memory with micro_batch 1", "checkpointing = true")
    runs(*more, "--out=none", code=SHORT.format(most=0), status=1, says=told)


BROKEN = """
loss_of, seen = trainer.loss_of, []
def broken(model, batch, chunk):
    seen.append(model.training)
    return loss_of(model, batch, chunk) * (float("nan") if sum(seen) == 6 else 1)
trainer.loss_of = broken
"""
INFINITE = """
backward = trainer.ChunkedLoss.backward
trainer.ChunkedLoss.backward = staticmethod(lambda ctx, up: (backward(ctx, up)[0] * float("inf"), *backward(ctx, up)[1:]))
"""


def test_what_is_no_number_stops_with_step_and_lines(runs):
    told = ("step 3: the loss is nan on d.jsonl line ", "; last checkpoint: out/step-0000002")
    err = runs("--save-every=1", code=BROKEN, status=1, says=told).err
    assert 1 <= err.count("d.jsonl line ") <= 4
    runs("--resume=true")
    told = ("step 1: the gradient is nan on d.jsonl line ",)
    runs("--out=other", code=INFINITE, status=1, says=told)


WAYS = [
    "--method=full --learning-rate=1e-3", "--dora=true", "--rslora=true --alpha=8 --targets=q_proj,v_proj", "--precision=bf16",
    "--precision=fp16 --schedule=linear --warmup=0.5 --weight-decay=0.1 --clip=0",
    "--method=full --precision=pure-bf16 --learning-rate=1e-3", "--packing=true --max-length=128 --batch=2",
    "--packing=true --attention=eager --batch=2 --max-length=128",
]  # fmt: skip


@pytest.mark.parametrize("more", WAYS)
def test_ways_to_train(runs, more):
    runs(*more.split(), "--max-steps=12", "--eval-share=0.1")
    rows = runs.log()
    assert rows[-1]["eval_loss"] < rows[0]["eval_loss"] - 0.3
    assert [row["step"] for row in rows] == list(range(13))


def test_data_of_other_forms_and_an_evaluation_each_step(runs):
    talk = {"messages": [{"role": r, "content": "x"} for r in ("system", "user", "assistant")]}
    files = {
        "q.jsonl": '{"ask": "a", "reply": "b", "__source__": "q.csv line 2"}\n\n' * 9,
        "m.jsonl": json.dumps(talk) + '\n{"chosen": "a", "rejected": "b"}\n',
    }
    plant(runs.folder, files)
    words = ("--columns=prompt=ask,completion=reply", "--max-steps=2", "--eval-every=1")
    runs("--data=q.jsonl", "--eval-data=m.jsonl", *words)
    assert "9 rows of `q.csv`" in (runs.folder / "out/final/README.md").read_text()
    assert [("eval_loss" in row) for row in runs.log()] == [True] * 3


MERGED = """
from transformers import AutoModelForCausalLM, AutoTokenizer
from peft import PeftModel
ids = torch.tensor([[5, 6, 7, 8]])
base = AutoModelForCausalLM.from_pretrained(folder)
plain = base(ids).logits
adapted = PeftModel.from_pretrained(base, "out/final").eval()(ids).logits
merged = AutoModelForCausalLM.from_pretrained("out/merged")
assert merged.dtype == base.dtype
assert torch.allclose(adapted, merged(ids).logits, atol=1e-3)
assert not torch.allclose(adapted, plain, atol=0.1)
AutoTokenizer.from_pretrained("out/merged")
"""


def test_what_a_run_leaves(runs, tiny_model):
    runs("--eval-share=0.2", "--save-every=3", "--keep=2", "--eval-every=8")
    steps = ["step-0000006", "step-0000008"]
    files = ["log.jsonl", "run.json", "samples.jsonl"]
    assert runs.names() == ["final", *files, *steps, "train.log"]
    card = (runs.folder / "out" / "final" / "README.md").read_text()
    assert f"base_model: {tiny_model}" in card
    assert "learning_rate = 0.005" in card
    assert (runs.folder / "out" / "final" / "loss.svg").read_text().count("<polyline") == 2
    (runs.folder / "again.toml").write_text(card.split("```toml\n")[1].split("```")[0])
    done(runs.train("again.toml", "--out=again"))
    assert runs.log("again") == runs.log()
    runs("--merge")
    done(runs.train(code=f"folder = {tiny_model!r}{MERGED}"))


def test_samples_show_what_was_learned_and_change_nothing(runs):
    row = json.dumps({"prompt": "What <b>is</b> it?", "completion": "xxxx"})
    (runs.folder / "h.jsonl").write_text(f"{row}\n" * 3)
    more = ("--eval-data=h.jsonl", "--max-steps=40", "--packing=true", "--max-length=128")
    told = runs(*more, says=("question  What <b>is</b> it?", "  before  ", "   after  xxxx")).out
    assert told.index("Trained for 40 steps: the loss of held-out rows") < told.index("question")
    rows = [json.loads(x) for x in (runs.folder / "out/samples.jsonl").read_text().splitlines()]
    assert [(x["line"], x["wanted"], x["after"][:4]) for x in rows] == [
        (f"h.jsonl line {n}", "xxxx", "xxxx") for n in (1, 2)
    ]
    assert "xxxx" not in rows[0]["before"]
    card = (runs.folder / "out/final/README.md").read_text()
    assert "* question: What &lt;b>is&lt;/b> it?\n  * before: " in card
    runs(*more, "--samples=0", "--out=none")
    assert "samples.jsonl" not in runs.names("none")
    left = [(runs.folder / o / "final/adapter_model.safetensors").read_bytes() for o in ("out", "none")]  # fmt: skip
    assert left[0] == left[1]
    assert runs.log("none") == runs.log()


NOISE = """
load = trainer.load_model
def noisy(*arguments):
    print("NOISE 1")
    os.write(2, b"NOISE 2\\n")
    trainer.say("a \\x1b[31mword")
    return load(*arguments)
trainer.load_model = noisy
"""


def test_libraries_speak_to_the_log(runs):
    ended = runs("--max-steps=1", code=f"import os{NOISE}")
    assert "NOISE" not in ended.out + ended.err
    assert "a  [31mword\n" in ended.out
    log = (runs.folder / "out/train.log").read_text()
    assert "NOISE 1" in log
    assert "NOISE 2" in log


def test_a_run_goes_on_as_it_began_or_not_at_all(runs):
    runs("--max-steps=2", "--save-every=1")
    runs(status=2, says=("out already holds a run",))
    for change in ("--rank=4", "--seed=1", "--batch=4", "--learning-rate=1"):
        runs("--resume=true", change, status=2, says=(" before, now ",))
    (runs.folder / "d.jsonl").write_text(DATA + DATA)
    runs("--resume=true", status=2, says=(" before, now ",))
    (runs.folder / "out" / "step-0000002" / "trainer_state.json").write_bytes(b"cut")
    told = ("step-0000002 does not load: trainer_state.json changed since", "out/step-0000001")
    runs("--resume=true", status=2, says=told)


def test_a_dry_run_takes_the_longest_rows_and_leaves_nothing(runs):
    """Of fewer rows than a batch has it is filled: else less is measured, and processes have unequal parts."""
    ended = runs("--dry-run", code=SHORT.format(most=2), says=("micro_batch 2", "8 steps of "))
    # neither bars nor announcements of libraries
    assert "it/s" not in ended.err
    assert "Warning" not in ended.err
    assert runs.names(".") == ["d.jsonl"]
    (runs.folder / "d.jsonl").write_text("".join(DATA.splitlines(keepends=True)[:3]))
    runs("--dry-run", says=("tried the longest 8 rows",))
