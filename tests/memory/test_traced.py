"""The closed form against the real model classes, traced in the target; small models of many architectures."""

import json
from pathlib import Path

import pytest
from trainers import done
from typed import tool

from tunedoctor.memory.band import relative_error
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.run import Run
from tunedoctor.memory.stacks import STACKS

TRAINED = (4, 5, 7, 8, 15, 18, 22)
"""Settings of the benchmark that train in a second: each method, model, precision, loss, DoRA, dropout and packing."""
CONFIGS = json.loads(Path(__file__).with_name("traced.json").read_bytes())
RUNS = {
    "lora, checkpointed": Run(stack=STACKS["doctor"], seq=1024),
    "lora, all kept": Run(stack=STACKS["hf"], checkpointing=False, seq=1024),
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
