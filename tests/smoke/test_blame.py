"""Judging and blaming, without a child; what is read beside minutes of load."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from museum import snapshot_of
from rows import cases

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import KernelLog, NvidiaGpu, NvidiaGpus, Xid
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.runtime import Line, Run
from tunedoctor.smoke.answer import Answer, Asked, Blame, blames_of, made
from tunedoctor.smoke.stages import Reading, SmokeStage, stage, stages_of
from tunedoctor.system.child import Ended


def run_of(*lines: dict[str, Any], killed: bool = False, **more: Any) -> Run:
    """A run of the part "core" that printed these lines."""
    ended = Ended("signal", 9, "", "") if killed else Ended("exit", 1, "", "")
    return Run(msgspec.convert(lines, tuple[Line, ...]), ended, **{"name": "core", **more})


def blame_of(one: SmokeStage, *, strict: bool = False, machine: str = "") -> Blame:
    here = snapshot_of(machine) if machine else Snapshot({})
    before = diagnose(here, all_checks(()) if machine else ())
    (blame,) = blames_of([one], before, before, strict=strict)
    return blame


@pytest.mark.parametrize("for_memory", [True, False, None])
def test_the_kernels_counter_tells_a_kill_for_memory(for_memory):
    run = run_of({"begin": "train"}, {"step": {"number": 7}}, killed=True, for_memory=for_memory)
    (one,) = stages_of(run)
    reason = "killed-for-memory" if for_memory else "killed"
    assert (one.outcome, one.reason, one.at_step) == ("crashed", reason, 8)
    cause = blame_of(one).cause
    assert ("the kernel killed a process for memory" in cause) is (for_memory is True)


def test_of_ranks_the_worst_is_told_once_and_who_is_missing():
    imported = {"end": "import torch", "ok": True}
    failed = {"end": "join", "error": "Wrong: rank 0 waited", "data": {"reason": "rank-missing"}}
    begun = ({"begin": "join"}, {"begin": "import torch", "rank": 2})
    first, last = stages_of(run_of(*begun, imported, {**imported, "rank": 1}, failed, ranks=4))
    assert (first.name, first.outcome) == ("import torch", "ok")
    assert (last.name, last.outcome) == ("join", "failed")
    assert "rank 3 said nothing; rank 2 stood in import torch" in last.error


REPORTS = Path(__file__).parents[1] / "reports" / "reports"
OUT = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
LONG = '  File "/a/torch/x.py", line 3, in f\nRuntimeError: first line\nmore of it'
CLASH = "ImportError: cannot import name 'HybridCache' from 'transformers'"


def test_what_is_found_is_said_in_a_sentence():
    blame = blame_of(stage("kernels bfloat16", "failed", error="E: no"), strict=True)
    assert (blame.severity, "bfloat16" in blame.cause) == ("error", True), "strict"
    blame = blame_of(stage("train", "failed", error=OUT, at_step=3))
    assert (blame.found, "less free memory" in blame.cause) == (f"{OUT[:-1]}. in step 3", True)
    blame = blame_of(stage("train", "failed", error=LONG, at_step=3))
    assert blame.found == "RuntimeError: first line in step 3", "after the frames"
    clash = stage("import peft", "failed", error=CLASH)
    blame = blame_of(clash, machine="peft-0.17-with-transformers-5")
    assert blame.finding == "library-version-clash"


COOL = NvidiaGpu(
    index=0, name="NVIDIA GeForce RTX 4090", memory_total=24 << 30, compute_capability="8.9", ecc_uncorrected=0,
    temperature=44, clock=2520, clock_most=3105, power=60, power_limit=450,
)  # fmt: skip
WARM = msgspec.structs.replace(COOL, temperature=71, clock=2490, power=447)
HOT = msgspec.structs.replace(WARM, temperature=92, clock=1100, throttle=("hw-thermal",))
SICK = msgspec.structs.replace(WARM, ecc_uncorrected=3)
OLD = Xid(number=31, slot="0000:01:00.0", text="MMU Fault")
NEW = Xid(number=48, slot="0000:01:00.0", text="DBE (double bit error)")
GPU = "GPU 0 (NVIDIA GeForce RTX 4090)"
WELL = "no new memory error, no new Xid"


def after(*looks: tuple[NvidiaGpu, *tuple[Xid, ...]]) -> tuple[Answer, Snapshot]:
    """What is made of a load beside which the card and the log were read so."""
    readings = [Reading(NvidiaGpus(gpus=(card,)), KernelLog(xids=xids)) for card, *xids in looks]
    ran = {"end": "load", "ok": True, "data": {"rounds": 40, "minutes": 10.01, "losses": [5.0]}}
    run = run_of({"begin": "load", "limit": 60.0}, ran, {"done": True}, name="load")
    known = Snapshot.of([NvidiaGpus(gpus=(COOL,)), KernelLog()])
    return made([run], Asked(minutes=10.0), known, all_checks(()), 601.0, readings)


@pytest.mark.parametrize(("looks", "heat", "errors"), [
    ([(COOL, OLD), (WARM, OLD), (COOL, OLD)], "up to 71 °C, 447 of 450 W, 2490 of 3105 MHz", WELL),
    ([(COOL,), (HOT,), (WARM,)], "up to 92 °C, 447 of 450 W, 1100 of 3105 MHz", WELL),  # a moment is no heat
    ([(COOL,), (HOT,), (HOT,), (WARM,)], f"✗{GPU}: hw-thermal in 2 of 4 readings, up to 92 °C", WELL),
    ([(COOL, OLD), (SICK, OLD, NEW)], "up to 71 °C, 447 of 450 W, 2490 of 3105 MHz",
     f"✗{GPU}: 3 uncorrectable memory errors; Xid 48 at 0000:01:00.0: DBE (double bit error)"),
    ([(COOL, OLD), (COOL, OLD, OLD)], "up to 44 °C, 60 of 450 W, 2520 of 3105 MHz", "✗Xid 31 at 0000:01:00.0: MMU Fault"),
])  # fmt: skip
def test_heat_and_new_errors_of_the_hardware_are_told(looks, heat, errors):
    found, _ = after(*looks)
    told = {s.name: s.says or f"✗{s.error}" for s in found.stages}
    assert (told["load heat"], told["load errors"]) == (heat, errors)
    assert (found.verdict == "ready") is (errors == WELL)


def test_the_checks_judge_the_card_as_the_load_showed_it():
    found, then = after((COOL,), (HOT,), (HOT,), (COOL,))
    (blame,) = found.blames
    assert (blame.stage, blame.severity, blame.finding) == ("load heat", "warning", "gpu-throttled")
    seen = then.find(NvidiaGpus)
    assert seen.gpus[0].throttle == ("hw-thermal",)


@cases("smoke/cases.jsonl")
def test_what_was_recorded_on_other_gpus_is_blamed(report, error, finding):
    text = (REPORTS / f"{report}.txt").read_text()
    line = next(one for one in text.splitlines() if error in one)
    run = run_of({"begin": "train"}, {"end": "train", "error": line})
    answer, _ = made([run], Asked(), Snapshot({}), all_checks(()), 1.0, [])
    (blame,) = answer.blames
    assert (blame.stage, blame.finding) == ("train", finding)
    assert blame.cure


@pytest.mark.parametrize(("states", "generation"), [((8, 0, 8), 4), ((8, 0, 0), 4), ((8, 8, 8), 1)])
def test_the_generation_of_the_link_is_that_of_the_load(states, generation):
    """An idle card lowers it: what counts is the best in the fastest state."""

    def link(state, now):
        return msgspec.structs.replace(COOL, performance_state=state, pcie_generation=now)

    looks = [link(state, now) for state, now in zip(states, (1, generation, 1), strict=True)]
    (card,) = after(*((one,) for one in looks))[1].find(NvidiaGpus).gpus
    assert (card.performance_state, card.pcie_generation) == (min(states), generation)
