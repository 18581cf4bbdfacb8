"""doctor's trainer beside HF Trainer and TRL's SFTTrainer: same model, rows, order, seed and settings, on the CPU.

    python benchmarks/train.py TARGET_PYTHON [--pairs N] [--vocabulary N] [--steps N]

Each run is a process of its own in the target, and they take turns. Printed: the largest difference of a loss to HF
Trainer's, and medians of tokens per CPU second of the training loop, and of the process's peak of memory.
"""
# ruff: noqa: E501  what the children run is a string

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

TRAINER = Path(__file__).parent.parent / "src" / "tunedoctor" / "target" / "trainer.py"

RUN = r"""
import importlib.util, json, os, resource, sys, time, warnings
warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
sys.modules["bitsandbytes"] = None
who, folder, trainer_file, steps = sys.argv[1:5]
steps, LENGTH, BATCH, RATE = int(steps), 128, 8, 1e-3
import torch
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("trainer", trainer_file)
trainer = importlib.util.module_from_spec(spec)
sys.modules["trainer"] = trainer
spec.loader.exec_module(trainer)
rows = [json.loads(line) for line in open(folder + "/rows.jsonl")]
config = trainer.Config(model=folder, data="-", batch=BATCH, micro_batch=BATCH, max_steps=steps, learning_rate=RATE,
                        warmup=0.0, schedule="linear", max_length=LENGTH, out=folder + "/" + who, precision="fp32", save_every=10**6, samples=0)
samples = [trainer.Row([i], ids, [-100, *ids[1:]], range(len(ids))) for i, ids in enumerate(rows)]
order = [row.lines[0] for step in range(steps) for row in trainer.rows_of(step, samples, config)]
peft_config = dict(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
from transformers import AutoModelForCausalLM
from peft import LoraConfig, get_peft_model
losses = []
if who == "doctor":
    class Known:  # a tokenizer that writes nothing, and a configuration that knows every token
        vocab_size = 10**9
        def get_text_config(self): return self
        def save_pretrained(self, folder): pass
    trainer.load_tokenizer = lambda _: (Known(), Known())
    trainer.read_data = lambda *_: (samples, "")
    run = trainer.Run(config)
    update = run.update
    run.update = lambda rows: (lambda row: (losses.append(row["loss"]), row)[1])(update(rows))
    work = run.go
else:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    data = [dict(input_ids=rows[i], labels=rows[i]) for i in order]
    common = dict(output_dir=folder + "/" + who, per_device_train_batch_size=BATCH, max_steps=steps, learning_rate=RATE, seed=0,
                  lr_scheduler_type="linear", warmup_steps=0, logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, bf16=False,
                  gradient_checkpointing=False, optim="adamw_torch_fused", weight_decay=0.0, max_grad_norm=1.0, disable_tqdm=True,
                  dataloader_drop_last=False, remove_unused_columns=False)
    in_order = lambda self, *_: torch.utils.data.SequentialSampler(self.train_dataset)
    import transformers
    class Told(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if "loss" in logs: losses.append(logs["loss"])
    if who == "hf":
        class One(transformers.Trainer):
            _get_train_sampler = in_order
        def stack(batch): return {k: torch.tensor([x[k] for x in batch]) for k in ("input_ids", "labels")}
        torch.manual_seed(0)
        one = One(model=get_peft_model(model, LoraConfig(**peft_config)), args=transformers.TrainingArguments(**common),
                  train_dataset=data, data_collator=stack, callbacks=[Told()])
    else:
        import datasets, trl
        class One(trl.SFTTrainer):
            _get_train_sampler = in_order
        class Tokens(transformers.PreTrainedTokenizerFast): pass
        common.pop("remove_unused_columns")
        torch.manual_seed(0)
        one = One(model=model, args=trl.SFTConfig(max_length=LENGTH, **common), peft_config=LoraConfig(**peft_config),
                  train_dataset=datasets.Dataset.from_list([dict(input_ids=rows[i]) for i in order]),
                  processing_class=Tokens.from_pretrained(folder), callbacks=[Told()])
    work = one.train
sys.stdout, out = sys.stderr, sys.stdout
began = time.process_time()
work()
spent = time.process_time() - began
print(json.dumps(dict(losses=losses, rate=steps * BATCH * LENGTH / spent, peak=resource.getrusage(0).ru_maxrss / 1024)), file=out)
"""

MODEL = r"""
import json, random, sys
import torch
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
folder, vocabulary = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
                             num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True, initializer_range=0.1)).save_pretrained(folder)
words = {f"w{i}": i for i in range(vocabulary)}
PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")), pad_token="w0", eos_token="w1").save_pretrained(folder)
dice = random.Random(0)
with open(folder + "/rows.jsonl", "w") as file:
    for _ in range(64): file.write(json.dumps([dice.randint(3, vocabulary - 1) for _ in range(128)]) + "\n")
"""


def child(python: str, code: str, *arguments: str) -> str:
    """Run code in the target and return what it prints."""
    done = subprocess.run(
        [python, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


def main() -> None:
    """Print the comparison."""
    options = argparse.ArgumentParser()
    options.add_argument("python")
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--vocabulary", type=int, default=8192)
    options.add_argument("--steps", type=int, default=6)
    given = options.parse_args()
    has_trl = (
        subprocess.run(
            [given.python, "-c", "import trl"], capture_output=True, check=False
        ).returncode
        == 0
    )
    who = ("doctor", "hf", "trl") if has_trl else ("doctor", "hf")
    ran: dict[str, list[dict[str, object]]] = {one: [] for one in who}
    for _ in range(given.pairs):
        for one in who:
            with tempfile.TemporaryDirectory() as folder:
                child(given.python, MODEL, folder, str(given.vocabulary))
                out = child(given.python, RUN, one, folder, str(TRAINER), str(given.steps))
                ran[one].append(json.loads(out.splitlines()[-1]))
    for one in who:
        apart = max(
            abs(a - b)
            for ours, theirs in zip(ran[one], ran["hf"], strict=True)
            for a, b in zip(ours["losses"], theirs["losses"], strict=True)  # type: ignore[call-overload]
        )
        rate, peak = (
            statistics.median(float(str(x[key])) for x in ran[one]) for key in ("rate", "peak")
        )
        print(
            f"{one:7} loss +-{apart:.1e}  {rate:7.0f} tokens/s of CPU  {peak:6.0f} MiB at the peak"
        )


if __name__ == "__main__":
    main()
