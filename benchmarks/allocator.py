"""Both predictions against what torch's CPU allocator hands out: `python benchmarks/allocator.py PYTHON`.

PYTHON is an interpreter with torch, transformers and peft. Small models train two real steps on the CPU; torch.profiler
reports each block that the allocator hands out and takes back, and the highest sum is held against both predictions.
"""

import json
import statistics
import subprocess
import sys
from typing import Any

from tunedoctor.cli.fit import SCRIPT, request
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.peak import WORKSPACES, peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.stacks import STACKS

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

REAL = r"""
import json, os, sys, importlib.util
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
spec = importlib.util.spec_from_file_location("trace_memory", sys.argv[1])
tracer = importlib.util.module_from_spec(spec); spec.loader.exec_module(tracer)
import torch
from transformers import AutoModelForCausalLM
from torch.profiler import profile, ProfilerActivity
from torch._C._profiler import _EventType
torch.set_num_threads(1)

def blocks(events):
    for one in events:
        if one.tag == _EventType.Allocation:
            yield one.start_time_ns, one.extra_fields.alloc_size
        yield from blocks(one.children)

for line in sys.stdin:
    asked = json.loads(line)
    kind = torch.bfloat16 if asked["precision"] == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_config(
        tracer.configured(asked, asked["layers"]), dtype=kind, attn_implementation="sdpa")
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
    lying = {p.data_ptr(): p.untyped_storage().nbytes() for p in [*model.parameters(), *model.buffers()]}
    optimizer = torch.optim.AdamW(params, foreach=True)
    ids = torch.zeros(asked["batch"], asked["seq"], dtype=torch.long)

    def step():
        out = model(input_ids=ids, labels=ids)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, record_shapes=False) as found:
        step()
        step()
    now, high = sum(lying.values()), 0
    for _, size in sorted(blocks(found.profiler.kineto_results.experimental_event_tree())):
        now += size
        high = max(high, now)
    print(json.dumps(high), flush=True)
"""


def main(argv: list[str]) -> int:
    """Train, trace and reckon, and print the table."""
    cases = [
        (name, title, Run(**{**_fields(run), "seq": seq}))
        for name in MODELS
        for title, run in RUNS.items()
        for seq in LENGTHS
    ]
    text = "\n".join(
        json.dumps(request(MODELS[name], shape_of(MODELS[name]), run)) for name, _, run in cases
    )
    python = [argv[0], "-W", "ignore", "-I"]
    real = _lines([*python, "-c", REAL, str(SCRIPT)], text)
    traced = _lines([*python, str(SCRIPT)], text)
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
    return 0


def _fields(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def _lines(argv: list[str], text: str) -> list[Any]:
    ended = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stderr[-2000:])
    return [json.loads(line) for line in ended.stdout.splitlines()]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
