"""Judging and blaming, without a child."""

import msgspec
import pytest
from museum import snapshot_of
from smoke.lines_made import ended, line, run_of

from tunedoctor.engine import diagnose
from tunedoctor.facts import Errors, ErrorText, SharedMemory
from tunedoctor.registry import all_checks
from tunedoctor.smoke.answer import (
    BY_STAGE,
    REASONS,
    RELATED,
    Findings,
    blames_of,
    found_in,
)
from tunedoctor.smoke.make import Asked, made, parts_of
from tunedoctor.smoke.stages import TABLE, SmokeStage, stages_of
from tunedoctor.snapshot import Snapshot

NONE = Findings(diagnose(Snapshot({}), ()), diagnose(Snapshot({}), ()))


@pytest.mark.parametrize(
    ("for_memory", "reason"), [(True, "killed-for-memory"), (False, "killed"), (None, "killed")]
)
def test_the_kernels_counter_tells_a_kill_for_memory(for_memory: bool | None, reason: str) -> None:
    run = run_of([line(begin="train"), line(step={"number": 7})], ended("signal", 9), for_memory)
    (stage,) = stages_of(run)
    assert (stage.outcome, stage.reason, stage.at_step) == ("crashed", reason, 8)
    (blame,) = blames_of([stage], NONE, strict=False)
    assert blame.severity == "error"
    assert ("the kernel killed a process for memory" in blame.cause) is (for_memory is True)


def test_a_part_that_dies_before_any_stage_is_told() -> None:
    (stage,) = stages_of(run_of([], ended("exit", 1, "bad interpreter")))
    assert (stage.name, stage.outcome) == ("start core", "crashed")
    assert "bad interpreter" in stage.error


def test_a_part_that_ends_well_has_no_broken_stage() -> None:
    lines = [line(begin="device"), line(end="device", ok=True), line(done=True)]
    (stage,) = stages_of(run_of(lines, ended("exit", 0)))
    assert stage.outcome == "ok"


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
    findings = Findings(diagnose(shm, checks), diagnose(told, checks))
    dead = SmokeStage(name="workers", outcome="failed", required=False, error=text)
    (blame,) = blames_of([dead], findings, strict=False)
    assert (blame.severity, blame.finding) == ("warning", "shm-too-small")
    assert "64 MiB" in blame.cause


def test_findings_that_are_named_exist() -> None:
    ids = {one.id for one in all_checks(())}
    assert {*TABLE["libraries"], *(id_ for related in RELATED.values() for id_ in related)} <= ids


def test_libraries_that_clash_are_the_cause_of_a_failed_import() -> None:
    here = snapshot_of("peft-0.17-with-transformers-5")
    checks = all_checks(())
    before = diagnose(here, checks)
    error = "ImportError: cannot import name 'HybridCache' from 'transformers'"
    stage = SmokeStage(name="import peft", outcome="failed", required=True, error=error)
    (blame,) = blames_of([stage], Findings(before, before), strict=False)
    assert blame.finding == "library-version-clash"


def test_a_note_of_libraries_is_no_cause() -> None:
    """As that datasets and trl are not there, which this training does without."""
    here = snapshot_of("no-trl")
    before = diagnose(here, [one for one in all_checks(()) if one.id == "missing-dependency"])
    assert [one.severity for one in before.causes] == ["note"]
    stage = SmokeStage(name="build", outcome="failed", required=True, error="KeyError: 1")
    (blame,) = blames_of([stage], Findings(before, before), strict=False)
    assert (blame.finding, blame.cause) == ("", "")


def test_what_is_found_is_said_in_a_sentence() -> None:
    refused = SmokeStage(name="kernels bfloat16", outcome="failed", required=False, error="E: no")
    (blame,) = blames_of([refused], NONE, strict=True)
    assert (blame.severity, "bfloat16" in blame.cause) == ("error", True), "strict"
    error = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    stage = SmokeStage(name="train", outcome="failed", required=True, error=error, at_step=3)
    (blame,) = blames_of([stage], NONE, strict=False)
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


def test_parts_are_run_as_asked() -> None:
    assert [one.name for one in parts_of(Asked())] == ["core"]
    full = parts_of(Asked(full=True, ranks=2, device="cpu"))
    assert [one.name for one in full] == ["core", "bitsandbytes", "compile", "ranks"]
    assert all("--device" in one.arguments for one in full)


def test_nothing_told_is_not_well() -> None:
    found = made([run_of([], ended("exit", 1, "no such file"))], Asked(), Snapshot({}), (), 1.0)
    assert found.answer.verdict == "unknown"
    assert "no such file" in found.answer.why
    msgspec.json.encode(found.answer)
