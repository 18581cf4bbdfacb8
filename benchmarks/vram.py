"""Predicted against measured memory: `python benchmarks/vram.py ROWS.jsonl [--rows]`.

Each row is a public measurement. What its source leaves unsaid is filled in by `_run`, for a whole source at a time:
no row has a setting of its own. Rows without a length, of encoder-decoders, or of methods that the doctor does not
reckon are left out, and counted. Beside it, what simple calculators say.
"""

import json
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.memory.band import CONTEXT, reserve
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.fits import Device, Fit, fit
from tunedoctor.memory.optimizer import optimizer_name
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.memory.stacks import STACKS

GIB = 1 << 30
_OWN = {"phi-1.5 1.3b": "phi-1.5", "stablelm alpha 3b": "stablelm-base-alpha-3b", "mistral-7b": "mistral-7b-v0.1",
        "qwen-1.8b": "qwen-1_8b"}  # fmt: skip
_DEEPSPEED = 2 * 2e8 * 2 / GIB
"""GiB of ZeRO-2's two buffers of gradients under way (stage_1_and_2.py, overlap_comm): reduce_bucket_size is
2e8 elements in Qwen's ds_config_zero2.json. ZeRO-3's buffer is hidden x hidden elements there ("auto"): nothing."""
_CONTEXT_2023 = 1343 / 1024
"""GiB of the context before modules were loaded as needed: what "GPU memory occupied" shows after one tensor, on
transformers' page on the anatomy of training."""
_KNOWN = ("peft", "qwen lora", "qwen lora emb", "qwen full", "qwen qlora")
"""Sources whose stack and lengths are stated."""


class Case(NamedTuple):
    """One usable row."""

    row: dict[str, Any]
    source: str
    shape: Shape
    run: Run
    seen: Callable[[float], float]
    """From GiB of the allocator to what the source's meter shows."""


def source_of(row: dict[str, Any]) -> str:
    """Name the source and its method in a word or two."""
    place = row["source"]
    for word, name in (("litgpt", "litgpt"), ("torchtune", "torchtune"), ("huggingface/peft", "peft"),
                       ("axolotl", "axolotl"), ("blog/pull", "hf blog"), ("issues", "issues")):  # fmt: skip
        if word in place:
            return name
    if "QwenLM" in place:
        method = "lora emb" if "(emb)" in row["notes"] else row["method"]
        return f"qwen {method}"
    return "other"


def shape_for(row: dict[str, Any]) -> Shape:
    """Find the shape of a row's model. Raises MemoryModelError."""
    name = row["model"].lower()
    shape = named(_OWN.get(name, name))
    # litgpt builds a head of its own for every model
    return msgspec.structs.replace(shape, tied=False) if source_of(row) == "litgpt" else shape


def case_of(row: dict[str, Any]) -> Case | str:  # noqa: PLR0911  one for each reason
    """Return a row with a run, or why it can't be had."""
    source = source_of(row)
    if row["method"] not in ("lora", "qlora", "full", "lora-8bit"):
        return f"method {row['method']}"
    if not row["seq_len"]:
        return "no length"
    if "fp32/bf16 mixed" in (row["precision"] or ""):
        return "encoder-decoder"
    try:
        shape = shape_for(row)
        run = _run(row, source, shape)
    except MemoryModelError as error:
        return str(error).partition(":")[0]
    if _contradicts(row, shape, run):
        return "less than weights, gradients and the states of its optimizer"
    if "allocated" in row["metric"]:
        return Case(row, source, shape, run, lambda gib: gib)
    if "reserved" in row["metric"]:
        return Case(row, source, shape, run, lambda gib: gib * reserve(run))
    around = _CONTEXT_2023 if source.startswith("qwen") else CONTEXT
    return Case(row, source, shape, run, lambda gib: gib * reserve(run) + around)


def _contradicts(row: dict[str, Any], shape: Shape, run: Run) -> bool:
    """Tell whether a row states less than what its own words need at the very least."""
    full = run.method == "full" and row["peak_gib"] and run.gpus == 1 and run.optimizer == "adamw"
    return bool(full and parameters(shape).total * 8 / GIB > row["peak_gib"])


def _run(row: dict[str, Any], source: str, shape: Shape) -> Run:  # noqa: PLR0911  one for each source
    method = {"lora-8bit": "qlora"}.get(row["method"], row["method"])
    base = Run(
        method=method,
        rank=row["rank"] or 16,
        seq=row["seq_len"],
        batch=row["batch"] or 1,
        checkpointing=row["grad_ckpt"] is not False,
        optimizer=optimizer_name(row["optimizer"] or "adamw"),
        targets=_targets(row["lora_targets"], shape),
        quantisation="int8"
        if row["method"] == "lora-8bit"
        else "nf4"
        if "nf4" in (row["precision"] or "")
        and "dq" not in (row["precision"] or "")
        and source == "litgpt"
        else "nf4-dq",
        dora="dora" in row["notes"] and "bdlora" not in row["notes"],
        precision="fp32"
        if "fp32" in (row["precision"] or "") and "adapter" not in row["precision"]
        else "bf16",
    )
    change = msgspec.structs.replace
    match source.partition(" ")[0]:
        case "litgpt":
            if method == "full":
                return change(
                    base, stack=STACKS["litgpt"], gpus=row["n_gpus"] or 1, sharding="fsdp"
                )
            return change(base, stack=STACKS["litgpt"], dropout=0.05)
        case "torchtune":
            return change(base, stack=STACKS["torchtune"])
        case "axolotl":
            return change(base, stack=STACKS["axolotl"])
        case "peft":
            return change(base, stack=STACKS["hf"])
        case (
            "qwen"
        ):  # README: accumulation 8, torch 2.0; its scripts: LoRA by the Trainer, else DeepSpeed
            own = change(STACKS["hf-2023"], loss="whole-narrow")
            if row["method"] == "full":
                own = change(own, autocast=False)
                return change(base, stack=own, attention="flash", accum=8, sharding="zero3")
            if row["method"] == "qlora":
                own = change(own, autocast=False, reserve=_DEEPSPEED)
                return change(base, stack=own, attention="flash", accum=8, sharding="zero2")
            return change(
                base, stack=own, attention="flash", accum=8, embeddings="(emb)" in row["notes"]
            )
        case _:
            stack = "unsloth" if row["notes"].lower().startswith("unsloth") else "hf"
            return change(base, stack=STACKS[stack])


def _targets(said: object, shape: Shape) -> tuple[str, ...]:
    """Put a row's names of modules in those of the shape; litgpt has its own."""
    if not isinstance(said, list):
        return ()
    if "head" in said:
        return ()
    words = {
        "query": 0,
        "value": 2,
        "key": 1,
        "projection": 3,
        "q_proj": 0,
        "k_proj": 1,
        "v_proj": 2,
    }
    names = [n for n in said if n in shape.names]
    if not names:
        fused = shape.names[:1] in {("query_key_value",), ("c_attn",), ("qkv_proj",), ("W_pack",)}
        names = [shape.names[0 if fused else words[n]] for n in said if n in words]
    return tuple(dict.fromkeys(names))


def naive(shape: Shape, run: Run) -> dict[str, float]:
    """Return GiB by the simple rules.

    accelerate estimate-memory, "training with Adam": the largest of its parts, which is four times fp32 weights for
    fp32, and twice them for 16 bit; it knows no adapters, no activations and no logits.
    """
    count = parameters(shape).total
    return {
        "accelerate": count * (16 if run.precision == "fp32" else 8) / GIB,
        "weights x 1.2": 1.2 * count * (0.5 if run.method == "qlora" else 2) / GIB,
        "rule of thumb": count * {"qlora": 0.7, "lora": 2.4, "full": 16}[run.method] / GIB,
    }


def quantile(values: list[float], part: float) -> float:
    """Return the value below which `part` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def cases(rows: Iterable[dict[str, Any]]) -> tuple[list[Case], Counter[str]]:
    """Return the usable rows, and why the others aren't."""
    found: list[Case] = []
    left: Counter[str] = Counter()
    for row in rows:
        case = case_of(row)
        if isinstance(case, str):
            left[case] += 1
        else:
            found.append(case)
    return found, left


def card_gib(row: dict[str, Any]) -> float | None:
    """Return GiB of the card that a row names."""
    size = re.search(r"(\d+) ?GB", row["gpu"] or "")
    return float(size[1]) if size else None


def false_fits(found: list[Case]) -> list[tuple[Case, Fit]]:
    """Return the rows that ran out of memory and yet are said to fit."""
    bad: list[tuple[Case, Fit]] = []
    for case in found:
        size = card_gib(case.row)
        if case.row["outcome"] != "oom" or size is None:
            continue
        judged = fit(case.shape, case.run, Device(case.row["gpu"], "nvidia", size))
        if judged.verdict == "fits":
            bad.append((case, judged))
    return bad


def error(case: Case) -> float:
    """Return how far the prediction is off, as a part of what was measured."""
    return predicted(case) / case.row["peak_gib"] - 1


def predicted(case: Case) -> float:
    """Return GiB as the source's meter shows them."""
    found = peak(case.shape, case.run)
    gib = case.seen(found.total / GIB)
    return gib if "allocated" in case.row["metric"] else gib + found.cached / GIB


def line_of(case: Case) -> str:
    """Return one row, measured and predicted."""
    row, run = case.row, case.run
    return (
        f"{row['id']} {case.source:13} {row['model'][:28]:28} {row['method']:6} r{run.rank:<3} s{run.seq:<6}"
        f"b{run.batch} {row['peak_gib']:7.2f} {predicted(case):7.2f} {error(case):+7.1%} "
        f"{peak(case.shape, run).phase}"
    )


class Off(NamedTuple):
    """How far predictions are off, as parts of what was measured."""

    cases: int
    median: float
    p90: float
    worst: float


def off(members: list[Case]) -> Off:
    """Return how far the predictions of some measured rows are off."""
    errors = [abs(error(case)) for case in members]
    return Off(len(errors), statistics.median(errors), quantile(errors, 0.9), max(errors))


def groups(measured: list[Case]) -> dict[str, list[Case]]:
    """Return measured rows by source and method, then those whose stack is known, then all."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in measured:
        qwen = case.source.startswith("qwen")
        found[case.source if qwen else f"{case.source} {case.row['method']}"].append(case)
    known = [case for case in measured if case.source in _KNOWN]
    return {**dict(sorted(found.items())), "known": known, "all": measured}


def main(argv: list[str]) -> int:
    """Print the table."""
    rows = [json.loads(line) for line in Path(argv[0]).read_text().splitlines() if line]
    found, left = cases(rows)
    measured = [case for case in found if case.row["peak_gib"]]
    for case in measured if "--rows" in argv else ():
        print(line_of(case))
    rivals_named = "medians of: accelerate, weights x 1.2, rule of thumb"
    print(
        f"{'source and method':22} {'n':>3} {'median':>8} {'p90':>7} {'worst':>7}   {rivals_named}"
    )
    for name, members in groups(measured).items():
        if not members:
            continue
        count, median, p90, worst = off(members)
        rivals = [naive(c.shape, c.run) for c in members]
        beside = "  ".join(
            f"{statistics.median(abs(r[k] / c.row['peak_gib'] - 1) for r, c in zip(rivals, members, strict=True)):6.0%}"
            for k in rivals[0]
        )
        print(f"{name:22} {count:3} {median:8.1%} {p90:7.1%} {worst:7.1%}   {beside}")
    print("left out:", dict(left))
    bad = false_fits(found)
    for case, judged in bad:
        print("FITS BUT RAN OUT:", case.row["id"], judged.need_gib)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
