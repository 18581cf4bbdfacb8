"""Predicted against measured memory: `python benchmarks/vram.py [ROWS.jsonl …] [--rows]`.

Each row is a public measurement; measured.md tells of the sources of benchmarks/measured.jsonl, which is read where no
file is named. A row becomes the options of `doctor fit` by rules that hold for all rows or for a whole source, none for
a row. Beside it, what simple calculators say.
"""

import json
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.memory.band import Band, Device, DeviceFit, band, fit, need
from tunedoctor.memory.catalogue import find_model
from tunedoctor.memory.parameters import optimizer_name, parameters
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import STACKS, Run, Stack, changed, of_releases
from tunedoctor.memory.shape import MemoryModelError, Shape

Row = dict[str, Any]
GIB = 1 << 30
ROWS = Path(__file__).with_name("measured.jsonl")
_SIZES = {
    "T4": 14.56,
    "A100 80GB": 79.25,
    "A100 40GB": 39.4,
    "A10G": 22.2,
    "3090": 23.7,
    "4090": 23.6,
    "H100": 79.1,
}
"""GiB that a card of this name shows."""
_STACKS = {"hf (fms": "trainer", "litgpt": "litgpt", "torchtune": "torchtune", "axolotl": "axolotl", "hf": "hf",
           "unsloth": "unsloth", "llama-factory": "llama-factory", "trl": "trl", "h2o": "trainer"}  # fmt: skip
_NAMES = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "projection": "o_proj"}
_DEEPSPEED = 2 * 2e8 * 2 / GIB
"""GiB of ZeRO-2's two buffers of gradients under way (stage_1_and_2.py, overlap_comm): reduce_bucket_size is
2e8 elements in Qwen's ds_config_zero2.json. ZeRO-3's buffer is hidden x hidden elements there ("auto"): nothing."""


class Case(NamedTuple):
    """One usable row."""

    row: Row
    source: str
    shape: Shape
    run: Run

    @property
    def meter(self) -> str:
        """What was read: allocated, reserved, or shown by nvidia-smi."""
        word = self.row["meter"]
        return next((one for one in ("allocated", "reserved", "active") if one in word), "shown")


def rows_of(files: Iterable[Path]) -> list[Row]:
    """Return the rows of some files, older ones under the names of measured.jsonl."""
    return [
        _named(json.loads(line))
        for file in files
        for line in file.read_text("utf-8").splitlines()
        if line
    ]


def _named(row: Row) -> Row:
    if "meter" in row:
        return row
    quant = row["precision"] and re.search(r"nf4(-dq)?", row["precision"])
    place = row["source"]
    stack = next((one for one in ("litgpt", "torchtune", "axolotl") if one in place), "hf")
    stack = (
        "unsloth"
        if row["notes"].lower().startswith("unsloth")
        else "qwen"
        if "QwenLM" in place
        else stack
    )
    known = "huggingface/peft" in place or "QwenLM" in place
    found = {"meter": row["metric"], "gib": row["peak_gib"], "seq": row["seq_len"], "card": row["gpu"], "stack": stack,
             "checkpointing": row["grad_ckpt"] is not False, "targets": row["lora_targets"], "gpus": row["n_gpus"] or 1,
             "stated": known, "quant": quant[0] if quant else None,
             "outcome": "oom" if row["outcome"] == "oom" else "ran"}  # fmt: skip
    return {**row, **found}


def source_of(row: Row) -> str:
    """Name the source in a word."""
    if "metric" not in row:
        return str(row["id"].rpartition("-")[0])
    return "peft" if "huggingface/peft" in row["source"] else str(row["stack"])


def case_of(row: Row) -> Case | str:
    """Return a row with a run, or why it can't be had."""
    if row["method"] not in ("lora", "qlora", "full", "lora-8bit"):
        return f"method {row['method']}"
    if not (row.get("seq") and row.get("batch") and row.get("stack")):
        return "no length, batch or stack"
    if "foak" in row["stack"]:
        return "kernels of fms-acceleration"
    if "fp32/bf16 mixed" in (row.get("precision") or ""):
        return "encoder-decoder"
    try:
        shape = find_model(row["model"])
        case = Case(row, source_of(row), shape, _run(row, shape))
    except MemoryModelError as error:
        return str(error).partition(":")[0]
    return (
        "less than weights, gradients and the states of its optimizer"
        if _contradicts(case)
        else case
    )


def _contradicts(case: Case) -> bool:
    """Tell whether a row states less than what its own words need at the very least."""
    run, gib = case.run, case.row.get("gib")
    full = (
        run.method == "full"
        and gib
        and run.gpus == 1
        and run.optimizer == "adamw"
        and not run.step_in_backward
    )
    return bool(full and parameters(case.shape).total * 8 / GIB > gib)


def _run(row: Row, shape: Shape) -> Run:
    said = (row.get("precision") or "").lower()
    method = {"lora-8bit": "qlora"}.get(row["method"], row["method"])
    quant = (row.get("quant") or "nf4-dq").split(" ")[0].removesuffix("-4bit")
    sharding = str(row.get("sharding") or "none")
    values: Row = {
        "method": method,
        "rank": row.get("rank") or 16,
        "seq": row["seq"],
        "batch": row["batch"],
        "accum": row.get("accum") or 1,
        "checkpointing": bool(row.get("checkpointing", True)),
        "optimizer": optimizer_name(
            _OPTIMIZERS.get(str(row.get("optimizer")), row.get("optimizer") or "adamw")
        ),
        "targets": _targets(row.get("targets"), shape),
        "quantisation": "int8" if row["method"] == "lora-8bit" else quant,
        "dora": "dora" in row["notes"] and "bdlora" not in row["notes"],
        "precision": "fp32" if "fp32" in said and "adapter" not in said else "bf16",
        "half": "fp16" if "fp16" in said else "bf16",
        "attention": next(
            (one for one in ("flash", "eager") if one in (row.get("attention") or "")), "sdpa"
        ),
        "gpus": row.get("gpus") or 1,
        "sharding": "fsdp" if "fsdp" in sharding else "zero3" if "3" in sharding else "ddp",
        "offload": "all" if "offload" in sharding else "none",
        "prepared": False if "accelerated-peft" in row["notes"] else None,
        "dropout": 0.05 if row["stack"] == "litgpt" and method != "full" else 0.0,
        "stack": _stack(row, shape),
    }
    values |= _flags(row)
    return Run(**values) if row["stack"] != "qwen" else _qwen(row, Run(**values))


_OPTIMIZERS = {
    "AdamW fused": "adamw_fused",
    "AdamW8bit": "adamw_8bit",
    "AdamW": "adamw",
    "PagedAdamW8bit": "paged_adamw_8bit",
}


def _stack(row: Row, shape: Shape) -> Stack:
    word, said = row["stack"].lower(), (row.get("precision") or "").lower()
    name = next((own for start, own in _STACKS.items() if word.startswith(start)), "hf")
    stack = STACKS[name]
    if "autocast" in said:
        stack = changed(stack, {"autocast": "no autocast" not in said})
    if word.startswith("fsdp_qlora"):  # its own modules of adapters, and its own loop
        stack = changed(
            stack, {"adapters": 2, "qlora_adapters": 2, "loss": "whole-old", "prepared": False}
        )
    versions = {**(row.get("versions") or {}), **({"liger": "0"} if "liger" in word else {})}
    return of_releases(
        stack, {key: str(value) for key, value in versions.items()}, shape.model_type
    )


def _flags(row: Row) -> Row:
    """Return what torchtune's table switches on, a row after the other."""
    flags = (
        "+ compile",
        "+ chunked cross",
        "+ activation checkpointing",
        "+ optimizer step",
        "+ activation offloading",
        "+ 8-bit",
    )
    at = next((place for place, flag in enumerate(flags) if f"'{flag}" in row["notes"]), -1)
    if row["stack"] != "torchtune" or (at < 0 and "+ packed" not in row["notes"]):
        return {}
    return {
        "compiled": at >= 0,
        "step_in_backward": at >= 3,
        "offload": "activations" if at >= 4 else "none",
    }


def _qwen(row: Row, base: Run) -> Run:
    """Return a run of Qwen's README: accumulation 8, torch 2.0; its scripts: LoRA by the Trainer, else DeepSpeed."""
    own = changed(STACKS["hf-2023"], {"loss": "whole-narrow", "autocast": row["method"] == "lora"})
    change = msgspec.structs.replace
    if row["method"] == "full":
        return change(base, stack=own, attention="flash", accum=8, sharding="zero3")
    if row["method"] == "qlora":
        return change(
            base,
            stack=changed(own, {"reserve": _DEEPSPEED}),
            attention="flash",
            accum=8,
            sharding="zero2",
        )
    return change(base, stack=own, attention="flash", accum=8, embeddings="(emb)" in row["notes"])


def _targets(said: object, shape: Shape) -> tuple[str, ...]:
    """Put a row's names of modules in those of the shape; all of them where the head is among them."""
    if not isinstance(said, list) or "head" in said:
        return ()
    names = [one for one in said if one in shape.names]
    if not names:
        fused = shape.names[:1] in {("query_key_value",), ("c_attn",), ("qkv_proj",), ("W_pack",)}
        names = [
            shape.names[0] if fused else _NAMES.get(one, one)
            for one in said
            if one in {*_NAMES, *_NAMES.values()}
        ]
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


def cases(rows: Iterable[Row]) -> tuple[list[Case], Counter[str]]:
    """Return the usable rows, and why the others aren't."""
    judged = [case_of(row) for row in rows]
    return [one for one in judged if isinstance(one, Case)], Counter(
        one for one in judged if isinstance(one, str)
    )


def card_gib(row: Row) -> float | None:
    """Return GiB of the card that a row names."""
    if row.get("card_total_mib"):
        return float(row["card_total_mib"]) / 1024
    card = row.get("card") or ""
    known = next((size for name, size in _SIZES.items() if name in card), None)
    size = re.search(r"(\d+) ?GB", card)
    return known or (float(size[1]) * 0.985 if size else None)


def verdicts(found: list[Case]) -> list[tuple[Case, DeviceFit]]:
    """Judge each row whose card is known."""
    sizes = [(case, card_gib(case.row)) for case in found]
    return [
        (case, fit(case.shape, case.run, Device(case.row["card"], "nvidia", size)))
        for case, size in sizes
        if size
    ]


def false_fits(found: list[Case]) -> list[tuple[Case, DeviceFit]]:
    """Return the rows that ran out of memory and yet are said to fit."""
    return [
        (case, one)
        for case, one in verdicts(found)
        if case.row["outcome"] == "oom" and one.verdict == "fits"
    ]


def refused(found: list[Case]) -> list[tuple[Case, DeviceFit]]:
    """Return the rows that ran and yet are said not to fit."""
    return [
        (case, one)
        for case, one in verdicts(found)
        if case.row["outcome"] == "ran" and one.verdict == "doesn't fit"
    ]


def spread(case: Case) -> tuple[float, float, float]:
    """Return the lower end, the prediction and the upper end, GiB as the source's meter shows them."""
    found: Band = band(case.shape, case.run)
    if case.meter in ("allocated", "active"):
        return found.low, found.middle, found.high
    if case.meter == "reserved":
        return found.low, found.middle + found.spare, found.high + 2 * found.spare
    needed = need(found)
    return needed.low, needed.middle, needed.high


def error(case: Case) -> float:
    """Return how far the prediction is off, as a part of what was measured."""
    return float(spread(case)[1] / case.row["gib"] - 1)


def line_of(case: Case) -> str:
    """Return one row, measured and predicted."""
    row, run, (low, middle, high) = case.row, case.run, spread(case)
    inside = " " if low <= row["gib"] <= high else "!"
    settings = f"r{run.rank:<3} s{run.seq:<6}b{run.batch:<3}g{run.gpus}"
    figures = f"{row['gib']:7.2f} {middle:7.2f} {error(case):+7.1%} {inside} {peak(case.shape, run).phase}"
    return f"{row['id']:14} {case.meter:9} {row['model'][-28:]:28} {row['method']:6} {settings} {figures}"


class Off(NamedTuple):
    """How far predictions are off, as parts of what was measured."""

    cases: int
    median: float
    p90: float
    worst: float
    inside: float
    """Part of the measurements that lie in the stated range."""


def off(members: list[Case]) -> Off:
    """Return how far the predictions of some measured rows are off."""
    errors = sorted(abs(error(case)) for case in members)
    inside = sum(
        low <= case.row["gib"] <= high for case in members for low, _, high in [spread(case)]
    )
    p90 = errors[min(len(errors) - 1, int(0.9 * len(errors)))]
    return Off(len(errors), statistics.median(errors), p90, errors[-1], inside / len(errors))


def groups(measured: list[Case]) -> dict[str, list[Case]]:
    """Return measured rows by source, meter and method, then those that state every setting, then all."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in measured:
        found[f"{case.source} {case.row['method']} {case.meter}"].append(case)
    return {
        **dict(sorted(found.items())),
        "known": [case for case in measured if case.row["stated"]],
        "all": measured,
    }


def main(argv: list[str]) -> int:
    """Print the table."""
    files = [Path(one) for one in argv if not one.startswith("-")] or [ROWS]
    found, left = cases(rows_of(files))
    measured = [case for case in found if case.row.get("gib") and case.row["outcome"] == "ran"]
    for case in measured if "--rows" in argv else ():
        print(line_of(case))
    print(
        f"{'source, method, meter':32} {'n':>3} {'median':>7} {'p90':>7} {'worst':>7} {'inside':>7}",
        "  accelerate  x 1.2  thumb",
    )
    for name, members in groups(measured).items():
        if not members:
            continue
        one = off(members)
        rivals = [(naive(case.shape, case.run), case.row["gib"]) for case in members]
        beside = (
            statistics.median(abs(said[key] / gib - 1) for said, gib in rivals)
            for key in rivals[0][0]
        )
        figures = (
            f"{one.cases:3} {one.median:7.1%} {one.p90:7.1%} {one.worst:7.1%} {one.inside:7.0%}"
        )
        print(f"{name:32} {figures}   " + "  ".join(f"{value:6.0%}" for value in beside))
    print("left out:", dict(left))
    for words, bad in (
        ("FITS BUT RAN OUT", false_fits(found)),
        ("REFUSED BUT RAN", refused(found)),
    ):
        for case, judged in bad:
            stated = "" if case.row["stated"] else " (settings not all stated)"
            sizes = f"{judged.need_gib:.1f} of {judged.device.total_gib:.1f} GiB{stated}"
            print(f"{words}: {case.row['id']} {case.row['model']} {sizes}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
