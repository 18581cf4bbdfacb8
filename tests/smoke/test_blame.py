"""Judging and blaming, without a child; what is read beside minutes of load."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import pytest
from museum import snapshot_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Errors, ErrorText, KernelLog, NvidiaGpu, NvidiaGpus, SharedMemory, Xid
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.runtime import Line, Run
from tunedoctor.smoke.answer import (
    BY_STAGE,
    REASONS,
    Answer,
    Asked,
    blames_of,
    found_in,
    made,
)
from tunedoctor.smoke.stages import Reading, SmokeStage, load_of, stages_of, stages_of_load
from tunedoctor.system.child import Ended


def line(**fields: Any) -> Line:
    """A line as the script prints it."""
    return msgspec.convert(fields, Line)


def ended(how: Literal["exit", "signal", "hung"], code: int = 0, err: str = "") -> Ended:
    """How the child ended."""
    return Ended(how, code, "", err)


def run_of(
    lines: Sequence[Line], end: Ended, for_memory: bool | None = None, ranks: int = 1
) -> Run:
    """One run of the part "core"."""
    return Run(tuple(lines), end, name="core", ranks=ranks, for_memory=for_memory)


NONE = (diagnose(Snapshot({}), ()),) * 2


@pytest.mark.parametrize(
    ("for_memory", "reason"), [(True, "killed-for-memory"), (False, "killed"), (None, "killed")]
)
def test_the_kernels_counter_tells_a_kill_for_memory(for_memory: bool | None, reason: str) -> None:
    run = run_of([line(begin="train"), line(step={"number": 7})], ended("signal", 9), for_memory)
    (stage,) = stages_of(run)
    assert (stage.outcome, stage.reason, stage.at_step) == ("crashed", reason, 8)
    (blame,) = blames_of([stage], *NONE, strict=False)
    assert blame.severity == "error"
    assert ("the kernel killed a process for memory" in blame.cause) is (for_memory is True)


def test_of_ranks_the_worst_is_told_once_and_who_is_missing() -> None:
    lines = [
        line(begin="join"),
        line(begin="import torch", rank=2),
        line(end="import torch", ok=True),
        line(end="import torch", ok=True, rank=1),
        line(end="join", error="Wrong: rank 0 waited", data={"reason": "rank-missing"}),
    ]
    found = stages_of(run_of(lines, ended("exit", 1), ranks=4))
    assert [(one.name, one.outcome) for one in found] == [
        ("import torch", "ok"),
        ("join", "failed"),
    ]
    assert "rank 3 said nothing; rank 2 stood in import torch" in found[1].error


def test_a_finding_of_the_doctor_is_the_cause_of_dead_workers() -> None:
    shm = Snapshot.of([SharedMemory(total=64 << 20, free=64 << 20)])
    checks = tuple(one for one in all_checks(()) if one.id == "shm-too-small")
    text = "RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error."
    told = shm.having(Errors(errors=(ErrorText(text=text, where="workers"),)))
    findings = diagnose(shm, checks), diagnose(told, checks)
    dead = SmokeStage(name="workers", outcome="failed", required=False, error=text)
    (blame,) = blames_of([dead], *findings, strict=False)
    assert (blame.severity, blame.finding) == ("warning", "shm-too-small")
    assert "64 MiB" in blame.cause


def test_libraries_that_clash_are_the_cause_of_a_failed_import() -> None:
    here = snapshot_of("peft-0.17-with-transformers-5")
    checks = all_checks(())
    before = diagnose(here, checks)
    error = "ImportError: cannot import name 'HybridCache' from 'transformers'"
    stage = SmokeStage(name="import peft", outcome="failed", required=True, error=error)
    (blame,) = blames_of([stage], before, before, strict=False)
    assert blame.finding == "library-version-clash"


def test_what_is_found_is_said_in_a_sentence() -> None:
    refused = SmokeStage(name="kernels bfloat16", outcome="failed", required=False, error="E: no")
    (blame,) = blames_of([refused], *NONE, strict=True)
    assert (blame.severity, "bfloat16" in blame.cause) == ("error", True), "strict"
    error = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    stage = SmokeStage(name="train", outcome="failed", required=True, error=error, at_step=3)
    (blame,) = blames_of([stage], *NONE, strict=False)
    assert blame.found.endswith("in step 3")
    assert "less free memory" in blame.cause
    error = '  File "/a/torch/x.py", line 3, in f\nRuntimeError: first line\nmore of it'
    stage = SmokeStage(name="train", outcome="failed", required=True, error=error, at_step=3)
    assert found_in(stage) == "RuntimeError: first line in step 3", "after the frames"


@pytest.mark.parametrize("name", [*REASONS, *BY_STAGE])
def test_every_reason_says_what_it_means(name: str) -> None:
    reason = REASONS.get(name) or BY_STAGE[name]
    words = f"{reason.means} {reason.cause} {reason.cure}"
    assert reason.means
    for bad in ("may ", "might", "please", "invalid", "error occurred", "!"):
        assert bad not in words.lower()


COOL = NvidiaGpu(
    index=0, name="NVIDIA GeForce RTX 4090", memory_total=24 << 30, compute_capability="8.9", ecc_uncorrected=0,
    temperature=44, clock=2520, clock_most=3105, power=60, power_limit=450,
)  # fmt: skip
WARM = msgspec.structs.replace(COOL, temperature=71, clock=2490, power=447)
HOT = msgspec.structs.replace(WARM, temperature=92, clock=1100, throttle=("hw-thermal",))
OLD = Xid(number=31, slot="0000:01:00.0", text="MMU Fault")
NEW = Xid(number=48, slot="0000:01:00.0", text="DBE (double bit error)")
RAN = {"rounds": 40, "minutes": 10.01}


def reading(card: NvidiaGpu | None, *xids: Xid) -> Reading:
    """A look at one card, and at a log with these lines."""
    return Reading(NvidiaGpus(gpus=(card,)) if card else None, KernelLog(xids=xids))


def judged(*readings: Reading) -> dict[str, tuple[str, str]]:
    """Outcome and words of both stages."""
    load = load_of(run_of([line(end="load", data=RAN)], ended("exit")), readings)
    assert load is not None
    return {s.name: (s.outcome, s.says or s.error) for s in stages_of_load(load, readings)}


def test_a_cool_card_is_well_and_a_single_moment_is_no_heat() -> None:
    found = judged(reading(COOL, OLD), reading(WARM, OLD), reading(COOL, OLD))
    assert found["load heat"] == ("ok", "up to 71 °C, 447 of 450 W, 2490 of 3105 MHz")
    assert found["load errors"] == ("ok", "no new memory error, no new Xid")
    assert judged(reading(COOL), reading(HOT), reading(WARM))["load heat"][0] == "ok"


def test_heat_is_told_with_its_reason() -> None:
    outcome, says = judged(reading(COOL), reading(HOT), reading(HOT), reading(WARM))["load heat"]
    assert outcome == "failed"
    assert says == "GPU 0 (NVIDIA GeForce RTX 4090): hw-thermal in 2 of 4 readings, up to 92 °C"


def test_new_errors_of_the_hardware_are_an_error() -> None:
    more = msgspec.structs.replace(WARM, ecc_uncorrected=3)
    outcome, says = judged(reading(COOL, OLD), reading(more, OLD, NEW))["load errors"]
    assert outcome == "failed"
    assert "3 uncorrectable memory errors" in says
    assert "Xid 48 at 0000:01:00.0" in says
    assert "31" not in says
    again = judged(reading(COOL, OLD), reading(COOL, OLD, OLD))["load errors"]
    assert again[0] == "failed", "an Xid that comes again is new"


def _made(*readings: Reading) -> tuple[Answer, Snapshot]:
    lines = (
        line(begin="load", limit=60.0),
        line(end="load", ok=True, data={**RAN, "losses": [5.0]}),
        line(done=True),
    )
    run = Run(lines, ended("exit"), name="load")
    known = Snapshot.of([NvidiaGpus(gpus=(COOL,)), KernelLog()])
    return made([run], Asked(minutes=10.0), known, all_checks(()), 601.0, readings)


def test_the_checks_judge_the_card_as_the_load_showed_it() -> None:
    answer, after = _made(reading(COOL), reading(HOT), reading(HOT), reading(COOL))
    assert answer.verdict == "ready"
    (blame,) = answer.blames
    assert (blame.stage, blame.severity, blame.finding) == ("load heat", "warning", "gpu-throttled")
    seen = after.find(NvidiaGpus)
    assert seen is not None
    assert seen.gpus[0].throttle == ("hw-thermal",)
