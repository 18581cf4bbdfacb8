"""Faults planted in a real target: each is found, and blamed on its stage."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from smoke.training import PLANTED, Planted, answer, needs_torch, planted, stages, torch_target

from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.targeting import choose
from tunedoctor.smoke.answer import Asked, made
from tunedoctor.smoke.stages import Part, run_part

__all__ = ["planted"]
pytestmark = needs_torch


@pytest.mark.parametrize(("fault", "stage", "reason", "says"), [
    ("adapters_unused", "backward", "no-backward", "depends on no adapter"),
    ("query_adapters_unused", "backward", "no-backward", "8 of 28 adapters get no gradient"),
    ("checkpointing", "checkpointing", "no-backward-checkpointing", "28 of 28 adapters"),
    ("optimizer_of_copies", "optimizer", "optimizer-misses", "holds other tensors"),
    ("nan_weight", "build", "weight-not-finite", "model.layers.1.mlp.up_proj.weight"),
    ("base_weight_moves", "base weights", "base-changed", "1 of 20 frozen weights changed"),
    ("gradients_explode", "train", "gradient-not-finite", "not finite in step 7"),
    ("file_cut", "save", "file-damaged", "can't be read back"),
    ("loads_otherwise", "reload", "reload-differs", "other logits"),
    ("wrong_matmul", "kernels float32", "wrong-numbers", "product of small whole numbers"),
    ("memory_ends", "train", "", "(Cannot allocate memory) in step 3"),
])  # fmt: skip
def test_a_planted_fault_is_blamed(
    planted: Planted, fault: str, stage: str, reason: str, says: str
) -> None:
    found = planted(fault)
    assert found.verdict == "findings"
    blame = found.blames[0]
    assert (blame.stage, says in blame.found) == (stage, True)
    assert all((blame.means, blame.cause, blame.cure))
    told = {one.name: (one.outcome, one.reason) for one in found.stages}
    assert told.pop(stage) == ("failed", reason)
    assert {outcome for outcome, _ in told.values()} == {"ok"}


def test_a_kill_tells_the_step(planted: Planted) -> None:
    found = planted("killed")
    last = found.stages[-1]
    assert (last.name, last.outcome, last.at_step) == ("train", "crashed", 4)
    assert found.blames[0].found == "crashed in step 4: signal SIGKILL"


def test_a_number_that_changes_under_load_is_found(planted: Planted) -> None:
    found = planted("bit_flips_under_load", "--minutes", "0.1", part="load")
    assert (found.verdict, found.blames[0].stage) == ("findings", "load")
    assert "of the same training gives the loss" in found.blames[0].found
    assert [one.reason for one in found.stages if one.name == "load"] == ["load-differs"]


def _small_shm() -> list[str]:
    script = 'mount -t tmpfs -o size=8m tmpfs /dev/shm && exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    there = shutil.which("unshare")
    return argv if there and not subprocess.run([*argv, "true"], check=False).returncode else []


def test_what_a_training_can_do_without_is_a_warning() -> None:
    """Through the command; where this user may, in a namespace whose shared memory is too small for workers."""
    small = _small_shm()
    env: dict[str, Any] = {"PLANTED": "bf16_refused,losses_by_chance", "PYTHONPATH": str(PLANTED)}
    found = answer(torch_target(), before=small, **env)
    assert found["verdict"] == "ready", found["blames"]
    blames = {one["stage"]: one for one in found["blames"]}
    assert {one["severity"] for one in blames.values()} == {"warning"}
    assert {*blames} == {"kernels bfloat16", "repeat", "16-bit", *(["workers"] if small else [])}
    assert "not implemented for 'BFloat16'" in blames["kernels bfloat16"]["found"]
    if small:
        assert blames["workers"]["finding"] == "shm-too-small"
        assert "8 MiB" in blames["workers"]["cause"]


def test_a_rank_that_never_joins_is_named() -> None:
    env = {"PYTHONPATH": str(PLANTED), "TUNEDOCTOR_STAGE_SECONDS": "15"}
    found = answer(torch_target(), "--gpus", "2", "--device", "cpu", PLANTED="rank_sleeps", **env)
    blame = found["blames"][0]
    assert (blame["stage"], "firewall" in blame["cause"]) == ("join", True)
    assert "rank 1 stood in join" in blame["found"]
    assert stages(found)["train"]["outcome"] == "ok"


def test_a_missing_compiler_is_blamed(tmp_path: Path) -> None:
    python = choose(torch_target(), {}, str(tmp_path), "").python
    without = {**os.environ, "PATH": str(tmp_path), "CXX": "no-such-one", "CC": "no-such-one"}
    part = Part("compile", ("--device", "cpu"), seconds=180.0, idle=60.0)
    run = run_part(part, python, without, lambda _: None)
    found = made([run], Asked(), Snapshot({}), (), 1.0)[0]
    (blame,) = found.blames
    assert (found.verdict, blame.stage, blame.severity) == ("ready", "compile", "warning")
    assert "ompiler" in blame.found
    assert "no working compiler" in blame.cause
