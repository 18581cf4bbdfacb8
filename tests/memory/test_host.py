"""RAM: what processes take, and what is reckoned."""

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
