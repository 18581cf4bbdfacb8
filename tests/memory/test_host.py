"""RAM: what processes take, and what is reckoned; predictions of GPU memory against public measurements."""

import sys

import pytest
from rows import cases
from torch_target import WHY_NOT, torch_python
from typed import tool

from tunedoctor.memory.catalogue import named
from tunedoctor.memory.host import ram
from tunedoctor.memory.run import Run
from tunedoctor.memory.stacks import STACKS

bench = tool("host_ram", "benchmarks")
GIB = 1 << 30


@pytest.mark.skipif(not torch_python() or sys.platform != "linux", reason=WHY_NOT)
@pytest.mark.parametrize("name", ["load 64M bf16 as fp32"])
def test_what_a_process_takes(name, tmp_path):
    """Of anonymous memory alone: how many pages of files count goes by what the kernel has at hand."""
    known = bench.settings(bench.Place(torch_python(), str(tmp_path)))
    one, imports = known[name](), known["imports"]()
    found, bare = bench.measured(one.argv), bench.measured(imports.argv)
    there = one.there - imports.there + bare.there  # a CUDA build of torch takes 160 MiB more
    assert there == pytest.approx(found.there, rel=0.15)


@cases("memory/cases.jsonl")
def test_what_8b_takes(run, loading, training, merging):
    stack = {"stack": STACKS[run["stack"]]} if "stack" in run else {}
    found = ram(named("Llama-3.1-8B"), Run(**{**run, **stack}))
    assert found.loading / GIB == pytest.approx(loading, rel=0.02)
    assert found.training / GIB == pytest.approx(training, rel=0.05)
    assert found.merging / GIB == pytest.approx(merging, rel=0.02)


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
