"""The predictions against what torch's CPU allocator hands out: `python benchmarks/allocator.py PYTHON`.

PYTHON is an interpreter with torch, transformers and peft. Small models train two real steps on the CPU; torch.profiler
reports each block that the allocator hands out and takes back, and the highest sum is held against the predictions: in
a plain loop both, of doctor train's own code the closed form. What only a GPU has is left out, cuBLAS' workspaces; what
only the CPU has is done as a GPU does it, the mask of a dropout.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tunedoctor.core.fit import SCRIPT, request
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.fit_report import run_of
from tunedoctor.memory.peak import WORKSPACES, peak
from tunedoctor.memory.run import STACKS, Run

MODELS: dict[str, dict[str, Any]] = {
    "llama": {
        "model_type": "llama", "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 6,
        "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 16000, "tie_word_embeddings": False,
    },
    "qwen3": {
        "model_type": "qwen3", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 5,
        "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 12000,
        "tie_word_embeddings": True,
    },
    "gemma3": {
        "model_type": "gemma3_text", "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6,
        "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 128, "vocab_size": 20000,
        "sliding_window": 4096, "tie_word_embeddings": True,
    },
}  # fmt: skip
RUNS = {
    "lora": Run(stack=STACKS["hf"], rank=8),
    "lora all kept": Run(stack=STACKS["hf"], rank=8, checkpointing=False),
    "full": Run(method="full", stack=STACKS["hf"]),
    "full all kept": Run(method="full", stack=STACKS["hf"], checkpointing=False),
}
LENGTHS = (256, 640)

SMALL = {
    name: {**MODELS[name], **sizes}
    for name, sizes in {
        "llama": {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4, "vocab_size": 4000},
        "qwen3": {"hidden_size": 288, "intermediate_size": 768, "num_hidden_layers": 3, "num_attention_heads": 6,
                  "num_key_value_heads": 2, "vocab_size": 3000},
        "gemma3": {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 2,
                   "head_dim": 128, "vocab_size": 6000},
    }.items()
}  # fmt: skip
"""As small for the trainer, which has more settings."""
Case = tuple[str, str]
"""A model and a configuration of doctor train."""
TRAINED: tuple[Case, ...] = (
    ("llama", "max_length=128 micro_batch=1 batch=1 precision=fp32"),
    ("llama", "max_length=512 micro_batch=2 batch=4 precision=bf16"),
    ("llama", "max_length=512 micro_batch=2 batch=4 precision=bf16 checkpointing=true"),
    ("llama", "max_length=384 micro_batch=4 batch=4 precision=pure-bf16 rank=32 checkpointing=true"),
    ("llama", "max_length=256 micro_batch=2 batch=2 rank=8 targets=q_proj,v_proj chunk=0 precision=fp32"),
    ("llama", "max_length=256 micro_batch=2 batch=2 rank=8 dora=true precision=bf16"),
    ("llama", "max_length=256 micro_batch=2 batch=4 rank=32 dropout=0.1 precision=bf16"),
    ("llama", "max_length=640 micro_batch=1 batch=2 packing=true precision=bf16"),
    ("llama", "method=full max_length=256 micro_batch=2 batch=2 precision=fp32"),
    ("llama", "method=full max_length=256 micro_batch=2 batch=4 precision=bf16"),
    ("llama", "method=full max_length=640 micro_batch=2 batch=4 precision=bf16 checkpointing=true"),
    ("llama", "method=full max_length=384 micro_batch=3 batch=3 precision=pure-bf16 chunk=0"),
    ("qwen3", "max_length=128 micro_batch=4 batch=4 precision=bf16"),
    ("qwen3", "max_length=640 micro_batch=1 batch=2 checkpointing=true precision=fp32"),
    ("qwen3", "max_length=384 micro_batch=2 batch=2 precision=bf16 chunk=0 checkpointing=true"),
    ("qwen3", "max_length=256 micro_batch=2 batch=2 dora=true dropout=0.1 rank=8 checkpointing=true precision=fp32"),
    ("qwen3", "max_length=384 micro_batch=2 batch=4 packing=true checkpointing=true precision=fp32"),
    ("qwen3", "max_length=256 micro_batch=4 batch=4 targets=q_proj,v_proj rank=32 precision=pure-bf16"),
    ("qwen3", "method=full max_length=128 micro_batch=2 batch=4 precision=fp32"),
    ("qwen3", "method=full max_length=512 micro_batch=2 batch=2 precision=bf16 checkpointing=true"),
    ("qwen3", "method=full max_length=384 micro_batch=1 batch=1 precision=bf16 chunk=0"),
    ("qwen3", "method=full max_length=256 micro_batch=4 batch=8 precision=pure-bf16 packing=true"),
    ("gemma3", "max_length=256 micro_batch=2 batch=2 precision=fp32"),
    ("gemma3", "max_length=384 micro_batch=2 batch=4 precision=bf16 rank=32"),
    ("gemma3", "max_length=640 micro_batch=2 batch=2 precision=bf16 checkpointing=true rank=8"),
    ("gemma3", "max_length=256 micro_batch=4 batch=4 precision=pure-bf16 chunk=0 dropout=0.1"),
    ("gemma3", "max_length=384 micro_batch=1 batch=2 dora=true targets=q_proj,v_proj precision=bf16"),
    ("gemma3", "max_length=512 micro_batch=2 batch=2 packing=true precision=bf16"),
    ("gemma3", "method=full max_length=256 micro_batch=2 batch=4 precision=bf16"),
    ("gemma3", "method=full max_length=512 micro_batch=2 batch=2 checkpointing=true chunk=0 precision=fp32"),
)  # fmt: skip

TOLD = r"""
import json, os, sys, importlib.util
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")
import torch
from torch.profiler import profile, ProfilerActivity
from torch._C._profiler import _EventType
torch.set_num_threads(1)

def loaded(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

def blocks(events):
    for one in events:
        if one.tag == _EventType.Allocation:
            yield one.start_time_ns, one.extra_fields.alloc_size
        yield from blocks(one.children)

def highest(model, step):
    # two steps; the most bytes that lie there, those of the model among them
    lying = {p.data_ptr(): p.untyped_storage().nbytes() for p in [*model.parameters(), *model.buffers()]}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step()
        step()
    now, high = sum(lying.values()), 0
    for _, size in sorted(blocks(found.profiler.kineto_results.experimental_event_tree())):
        now += size
        high = max(high, now)
    return high
"""
REAL = (
    TOLD
    + r"""
from transformers import AutoModelForCausalLM
tracer = loaded("trace_memory", sys.argv[1])

for line in sys.stdin:
    asked = json.loads(line)
    kind = torch.bfloat16 if asked["precision"] == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_config(
        tracer.config_of(asked, asked["layers"]), dtype=kind, attn_implementation="sdpa")
    if asked["method"] != "full":
        from peft import LoraConfig, get_peft_model
        names = asked["targets"] or "all-linear"
        model = get_peft_model(model, LoraConfig(r=asked["rank"], target_modules=names, task_type="CAUSAL_LM"))
    model.train()
    if asked["checkpointing"]:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if asked["method"] != "full":
            model.enable_input_require_grads()
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, foreach=True)
    ids = torch.zeros(asked["batch"], asked["seq"], dtype=torch.long)

    def step():
        out = model(input_ids=ids, labels=ids)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    print(json.dumps(highest(model, step)), flush=True)
"""
)
TRAINER = (
    TOLD
    + r"""
import contextlib, gc, tempfile
from pathlib import Path
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
trainer = loaded("trainer", sys.argv[1])

class Dropout(torch.autograd.Function):
    # a GPU's kernel keeps a mask of one byte an element, the CPU one in the type of what is dropped
    @staticmethod
    def forward(ctx, x, p):
        mask = torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - p)
        ctx.save_for_backward(mask)
        ctx.scale = 1 / (1 - p)
        return torch.where(mask, x, 0).mul_(ctx.scale)

    @staticmethod
    def backward(ctx, gradient):
        return torch.where(ctx.saved_tensors[0], gradient, 0).mul_(ctx.scale), None

torch.nn.functional.dropout = lambda x, p, training, *_: Dropout.apply(x, p) if training and p else x

def model_folder(folder, known):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    one = Tokenizer(models.BPE(vocab={"<pad>": 0, "</s>": 1, **{c: i + 2 for i, c in enumerate(letters)}}, merges=[]))
    one.pre_tokenizer, one.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=one, pad_token="<pad>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    AutoModelForCausalLM.from_config(AutoConfig.for_model(**known, **ends)).save_pretrained(folder)

with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(sys.stderr):
    for line in sys.stdin:
        name, known, options = json.loads(line)
        folder, data = Path(place, name), Path(place, "data.jsonl")
        if not folder.exists():
            model_folder(folder, known)
        length = int(options["max_length"]) // (2 if "packing" in options else 1)
        data.write_text((json.dumps({"text": "a" * (length - 1)}) + "\n") * 32)  # and the end's token
        words = [f"--{key}={value}" for key, value in options.items()]
        where = [f"--model={folder}", f"--data={data}", "--device=cpu"]
        run = trainer.Run(trainer.checked_config(["--dry-run", *where, *words]))
        rows = sorted(run.rows, key=lambda row: -len(row.ids))[: run.config.batch]
        gc.collect()
        print(json.dumps(highest(run.model, lambda: run.update(rows))), file=sys.__stdout__, flush=True)
        del run, rows
"""
)


def main(argv: list[str]) -> int:
    """Train, trace and reckon, and print the tables."""
    _loops(argv[0])
    print("\n| model | configuration | MiB in truth | closed form |")
    print("| --- | --- | --- | --- |")
    errors: list[float] = []
    for (name, words), truth, found in trained(argv[0], TRAINED):
        errors.append(abs(found / truth - 1))
        print(f"| {name} | {words} | {truth / 2**20:.1f} | {found / truth - 1:+.2%} |")
    print(f"doctor train: median {statistics.median(errors):.2%}, worst {max(errors):.2%}")
    return 0


def trained(python: str, cases: Sequence[Case]) -> list[tuple[Case, int, int]]:
    """Run doctor train with each configuration; return the peaks in truth and as reckoned, in bytes."""
    configs = [(name, dict(word.split("=") for word in words.split())) for name, words in cases]
    text = "\n".join(json.dumps((name, SMALL[name], options)) for name, options in configs)
    real = _lines([python, "-W", "ignore", "-c", TRAINER, str(SCRIPT.parent / "trainer.py")], text)
    shapes = {name: shape_of(known) for name, known in SMALL.items()}
    found = [peak(shapes[name], run_of(options)).total - WORKSPACES for name, options in configs]
    return list(zip(cases, real, found, strict=True))


def _loops(python: str) -> None:
    """Hold a plain loop against both predictions."""
    cases = [
        (name, title, Run(**{**_fields(run), "seq": seq}))
        for name in MODELS
        for title, run in RUNS.items()
        for seq in LENGTHS
    ]
    text = "\n".join(
        json.dumps(request(MODELS[name], shape_of(MODELS[name]), run)) for name, _, run in cases
    )
    command = [python, "-W", "ignore", "-I"]
    real = _lines([*command, "-c", REAL, str(SCRIPT)], text)
    traced = _lines([*command, str(SCRIPT)], text)
    off: dict[str, list[float]] = {"traced": [], "closed form": []}
    print("| model | run | tokens | MiB in truth | traced | closed form |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (name, title, run), truth, one in zip(cases, real, traced, strict=True):
        both = {
            "traced": one["peak"],
            "closed form": peak(shape_of(MODELS[name]), run).total - WORKSPACES,
        }
        for way, size in both.items():
            off[way].append(abs(size / truth - 1))
        words = " | ".join(f"{size / truth - 1:+.2%}" for size in both.values())
        print(f"| {name} | {title} | {run.seq} | {truth / 2**20:.1f} | {words} |")
    for way, found in off.items():
        print(f"{way}: median {statistics.median(found):.2%}, worst {max(found):.2%}")


def _fields(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def _lines(argv: list[str], text: str) -> list[Any]:
    ended = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stderr[-2000:])
    return [json.loads(line) for line in ended.stdout.splitlines()]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
