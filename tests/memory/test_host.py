"""RAM that processes take, GPU memory by public measurements, the closed form against the classes in the target."""

import json
import sys
from pathlib import Path

import pytest
from torch_target import WHY_NOT, torch_python
from trainers import done
from typed import tool

from tunedoctor.memory.band import relative_error
from tunedoctor.memory.catalogue import find_model
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.host import ram
from tunedoctor.memory.run import STACKS, Run

bench = tool("host_ram", "benchmarks")
GIB = 1 << 30


@pytest.mark.skipif(not torch_python() or sys.platform != "linux", reason=WHY_NOT)
@pytest.mark.parametrize("name", ["load 64M bf16 as fp32"])
def test_what_a_process_takes(name, tmp_path):
    """Of anonymous memory alone: how many pages of files count goes by what the kernel has at hand."""
    known = bench.settings(bench.Place(torch_python(), str(tmp_path)))
    one, imports = known[name](), known["imports"]()
    bare, found = bench.measured(imports.argv).there, 0
    there = one.there - imports.there + bare  # a CUDA build of torch takes 160 MiB more
    for _ in range(
        5
    ):  # who looks every few milliseconds can miss a peak where others take the processor
        found = max(found, bench.measured(one.argv).there)
        if found == pytest.approx(there, rel=0.13):
            return
    assert there == pytest.approx(found, rel=0.15)


@pytest.mark.parametrize(
    ("run", "loading", "training", "merging"),
    [
        ({}, 2.4, 2.75, 30.3),
        ({"stack": "hf"}, 2.4, 2.5, 15.3),
        ({"method": "full", "precision": "mixed"}, 32.3, 62.3, 0),
        (
            {"method": "full", "stack": "hf", "gpus": 8, "sharding": "zero3", "offload": "all"},
            19.4,
            169,
            0,
        ),
    ],
)
def test_what_8b_takes(run, loading, training, merging):
    stack = {"stack": STACKS[run["stack"]]} if "stack" in run else {}
    found = ram(find_model("Llama-3.1-8B"), Run(**{**run, **stack}))
    assert found.loading_gib == pytest.approx(loading, rel=0.02)
    assert found.training_gib == pytest.approx(training, rel=0.05)
    assert found.merging_gib == pytest.approx(merging, rel=0.02)


vram = tool("vram", "benchmarks")


def test_measured_rows():
    """Held to what was reached; benchmarks/vram.py prints it by source, meter and method."""
    found, _ = vram.cases(vram.rows_of([vram.ROWS]))
    measured = [case for case in found if case.row.get("gib") and case.row["outcome"] == "ran"]
    known = vram.off([case for case in measured if case.row["stated"]])
    assert known.cases >= 190
    assert known.median <= 0.02
    assert known.p90 <= 0.12
    assert known.inside >= 0.85
    stated = [case for case in found if case.row["stated"]]
    assert len(vram.false_fits(stated)) <= 1
    assert vram.refused(stated) == []


TRAINED = (4, 5, 7, 8, 15, 18, 22)
"""Settings of the benchmark that train in a second: each method, model, precision, loss, DoRA, dropout and packing."""
CONFIGS = json.loads(Path(__file__).with_name("traced.json").read_bytes())
RUNS = {
    "lora, checkpointed": Run(stack=STACKS["doctor"], seq=1024),
    "lora, all kept": Run(stack=STACKS["hf"], checkpointing=False, seq=1024),
    "dpo": Run(stack=STACKS["doctor"], seq=512, objective="dpo"),
    "orpo": Run(stack=STACKS["doctor"], seq=512, objective="orpo", checkpointing=False),
}


def test_the_trainer_takes_what_is_reckoned(torch_python):
    """Each block that the CPU's allocator hands out in two real steps is counted."""
    allocator = tool("allocator", "benchmarks")
    cases = [allocator.TRAINED[at] for at in TRAINED]
    for case, truth, found in allocator.trained(torch_python, cases):
        assert found == pytest.approx(truth, rel=0.02), case


def test_the_closed_form_is_near_the_tracer(torch_python):
    """All in one process of the target."""
    exact = tool("exact", "benchmarks")
    exact.RUNS = RUNS
    compared = exact.compared(torch_python, CONFIGS)
    assert len(compared) == len(CONFIGS) * len(RUNS)
    for row in compared:
        told = relative_error(shape_of(CONFIGS[row.model]), RUNS[row.run])
        assert abs(row.off) <= max(0.04, told), row


def test_a_fault_of_the_target_is_an_answer(train):
    """What can't be traced is told in one line, and the next request is answered all the same."""
    exact = tool("exact", "benchmarks")
    config = CONFIGS["llama"]
    good = exact.request(config, shape_of(config), RUNS["lora, checkpointed"])
    bad = {**good, "config": {**config, "model_type": "nothing_of_the_kind"}}
    asked = f"{json.dumps(bad)}\n{json.dumps(good)}\n"
    code = f"import io, runpy, sys\nsys.stdin = io.StringIO({asked!r})\n"
    ended = done(train(code=f"{code}runpy.run_path({str(exact.SCRIPT)!r}, run_name='__main__')"))
    first, second = (json.loads(line) for line in ended.out.splitlines())
    assert "nothing_of_the_kind" in first["error"]
    assert second["peak"] > 0
