"""doctor's dpo and orpo beside TRL's DPOTrainer and ORPOTrainer: same model, pairs, order, seed and settings.

    python benchmarks/preference.py TARGET_PYTHON [--steps N]

The target needs torch, transformers, peft, datasets and trl. Printed for each objective and form of the data: the
largest difference of the losses and of the rewards over all steps, on the CPU in fp32. Exit code 1 if one is over 1e-4.
"""
# ruff: noqa: E501  what the children run is a string

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent.parent
TRAINER = SOURCE / "src" / "tunedoctor" / "target" / "trainer.py"
MODEL_MAKER = SOURCE / "tests" / "target" / "trainer_server.py"
CLOSE = 1e-4

COMMON = r"""
import importlib.util, json, os, sys, warnings
warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
sys.modules["bitsandbytes"] = None
import torch
torch.set_num_threads(1)
def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    found = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
"""

MODEL = r"""
module("server", sys.argv[1]).tiny("m")
def pair(i, form):
    prompt, chosen, rejected = f"What is {i}?", "x" * (i * 7 % 23) + f" {i}", "y" * (i * 5 % 19) + f" {i + 1}"
    if form == "text":
        return dict(prompt=prompt, chosen=chosen, rejected=rejected)
    turns = [[dict(role=r, content=t)] for r, t in (("user", prompt), ("assistant", chosen), ("assistant", rejected))]
    if form == "explicit":
        return dict(zip(("prompt", "chosen", "rejected"), turns))
    return dict(chosen=turns[0] + turns[1], rejected=turns[0] + turns[2])
for form in ("text", "explicit", "implicit"):
    with open(form + ".jsonl", "w") as file:
        for i in range(40): file.write(json.dumps(pair(i, form)) + "\n")
"""

RUN = r"""
who, trainer_file, objective, form, steps = sys.argv[1:6]
steps, BATCH, RATE, BETA, LENGTH = int(steps), 8, 1e-3, 0.1, 128
trainer = module("trainer", trainer_file)
config = trainer.Config(model="m", data=form + ".jsonl", objective=objective, beta=BETA, batch=BATCH, micro_batch=BATCH, max_steps=steps,
                        learning_rate=RATE, warmup=0.0, schedule="linear", max_length=LENGTH, out=who, precision="fp32", samples=0,
                        device="cpu", template="none" if form == "text" else "model")
rows = [json.loads(line) for line in open(form + ".jsonl")]
made = [trainer.Row([i], [i], [i], [i]) for i in range(len(rows))]
order = [row.lines[0] for step in range(steps) for row in trainer.rows_of(step, made, config)]
losses, rewards = [], []
if who == "doctor":
    run = trainer.Run(config)
    update = run.update
    def updated(rows):
        row = update(rows)
        losses.append(row["loss"])
        rewards.append([row["reward_chosen"], row["reward_rejected"], row["reward_margin"], row["reward_accuracy"]])
        return row
    run.update = updated
    work = run.go
else:
    import datasets, transformers
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    if objective == "dpo":
        from trl import DPOConfig as TheirConfig, DPOTrainer as TheirTrainer
    else:
        from trl.experimental.orpo import ORPOConfig as TheirConfig, ORPOTrainer as TheirTrainer
    tokenizer = AutoTokenizer.from_pretrained("m")
    if objective == "orpo":
        tokenizer.bos_token = None  # else TRL writes one before the prompt, which its DPOTrainer does not
    peft_config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    data = datasets.Dataset.from_list([rows[i] for i in order])
    arguments = TheirConfig(output_dir=who, beta=BETA, max_length=LENGTH, per_device_train_batch_size=BATCH, max_steps=steps, learning_rate=RATE, seed=0,
        lr_scheduler_type="linear", warmup_steps=0, logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, bf16=False,
        gradient_checkpointing=False, optim="adamw_torch_fused", weight_decay=0.0, max_grad_norm=1.0, disable_tqdm=True)
    class Logged(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if "loss" in logs:
                losses.append(float(logs["loss"]))
                rewards.append([float(logs["rewards/" + key]) for key in ("chosen", "rejected", "margins", "accuracies")])
    class InOrder(TheirTrainer):
        _get_train_sampler = lambda self, *_: torch.utils.data.SequentialSampler(self.train_dataset)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained("m", dtype=torch.float32)
    torch.manual_seed(0)
    work = InOrder(model=model, args=arguments, train_dataset=data, processing_class=tokenizer, peft_config=peft_config, callbacks=[Logged()]).train
sys.stdout, out = sys.stderr, sys.stdout
work()
print("RESULT " + json.dumps(dict(losses=losses, rewards=rewards)), file=out, flush=True)
os._exit(0)
"""


def child(python: str, folder: str, code: str, *arguments: str) -> str:
    """Run code in the target and return what it prints."""
    ended = subprocess.run(
        [python, "-c", COMMON + code, *arguments],
        capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if ended.returncode:
        raise SystemExit(ended.stderr[-2000:])
    return ended.stdout


def compare(python: str, objective: str, form: str, steps: int) -> tuple[float, float]:
    """Return the largest difference of a loss and of a reward between doctor and TRL."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        child(python, folder, MODEL, str(MODEL_MAKER))
        for who in ("doctor", "trl"):
            out = child(python, folder, RUN, who, str(TRAINER), objective, form, str(steps))
            found.append(json.loads(out.rpartition("RESULT ")[2]))
    ours, theirs = found
    if not len(ours["losses"]) == len(theirs["losses"]) == steps:
        raise SystemExit(f"{len(ours['losses'])} and {len(theirs['losses'])} losses of {steps}")
    loss = max(abs(a - b) for a, b in zip(ours["losses"], theirs["losses"], strict=True))
    rewards = zip(ours["rewards"], theirs["rewards"], strict=True)
    return loss, max(abs(a - b) for x, y in rewards for a, b in zip(x, y, strict=True))


def main() -> int:
    """Print the comparison; return the exit code."""
    options = argparse.ArgumentParser()
    options.add_argument("python")
    options.add_argument("--steps", type=int, default=20)
    given = options.parse_args()
    worst = 0.0
    for objective in ("dpo", "orpo"):
        for form in ("text", "explicit", "implicit"):
            loss, reward = compare(given.python, objective, form, given.steps)
            print(f"{objective:4} {form:8}  loss +-{loss:.1e}  rewards +-{reward:.1e}", flush=True)
            worst = max(worst, loss, reward)
    return int(worst > CLOSE)


if __name__ == "__main__":
    raise SystemExit(main())
