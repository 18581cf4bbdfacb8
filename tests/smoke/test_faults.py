"""Faults planted in a real target: each is found, and blamed on its stage. Five seconds each: they train."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from smoke.training import PLANTED, answer, needs_torch, planted, stages, torch_target

from tunedoctor.smoke.make import Asked, made
from tunedoctor.smoke.stages import Part, run_part
from tunedoctor.snapshot import Snapshot
from tunedoctor.targeting import choose

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
def test_a_planted_fault_is_blamed(fault: str, stage: str, reason: str, says: str) -> None:
    found = planted(fault)
    assert found["verdict"] == "findings"
    blame = found["blames"][0]
    assert blame["stage"] == stage
    assert says in blame["found"]
    assert blame["means"]
    assert blame["cause"]
    assert blame["cure"]
    failed = stages(found)[stage]
    assert (failed["outcome"], failed["reason"]) == ("failed", reason)
    others = [one for one in found["stages"] if one["name"] != stage]
    assert {one["outcome"] for one in others} == {"ok"}


def test_a_kill_tells_the_step() -> None:
    found = planted("killed")
    last = found["stages"][-1]
    assert (last["name"], last["outcome"], last["at_step"]) == ("train", "crashed", 4)
    assert found["blames"][0]["found"] == "crashed in step 4: signal SIGKILL"


def _warnings(found: dict[str, Any]) -> list[str]:
    assert found["verdict"] == "ready"
    assert {one["severity"] for one in found["blames"]} == {"warning"}
    return [one["stage"] for one in found["blames"]]


def test_what_a_training_can_do_without_is_a_warning() -> None:
    """Workers that start as on macOS, Windows and Python 3.14 find what they are sent."""
    found = planted("bf16_refused,losses_by_chance,workers_spawned")
    assert _warnings(found) == ["kernels bfloat16", "repeat", "16-bit"]
    assert "not implemented for 'BFloat16'" in found["blames"][0]["found"]
    assert stages(found)["workers"]["outcome"] == "ok"


def _small_shm() -> list[str]:
    script = 'mount -t tmpfs -o size=8m tmpfs /dev/shm && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]


def test_small_shared_memory_is_blamed_on_the_workers() -> None:
    if (
        not shutil.which("unshare")
        or subprocess.run([*_small_shm(), "true"], check=False).returncode
    ):
        pytest.skip("this user can't mount a small /dev/shm in a namespace of its own")
    found = answer(torch_target(), before=_small_shm())
    assert _warnings(found) == ["workers"]
    assert found["blames"][0]["finding"] == "shm-too-small"
    assert "8 MiB" in found["blames"][0]["cause"]
    assert found["blames"][0]["cure"]


def test_a_rank_that_never_joins_is_named() -> None:
    found = answer(
        torch_target(),
        *("--gpus", "2", "--device", "cpu"),
        PLANTED="rank_sleeps",
        PYTHONPATH=str(PLANTED),
        TUNEDOCTOR_STAGE_SECONDS="24",
    )
    blame = found["blames"][0]
    assert blame["stage"] == "join"
    assert "rank 1 stood in join" in blame["found"]
    assert "firewall" in blame["cause"]


def test_a_missing_compiler_is_blamed(tmp_path: Path) -> None:
    python = choose(torch_target(), {}, str(tmp_path), "").python
    without = {
        **os.environ,
        "PATH": str(tmp_path),
        "CXX": "no-such-compiler",
        "CC": "no-such-compiler",
    }
    part = Part("compile", ("--device", "cpu"), seconds=180.0, idle=60.0)
    run = run_part(part, python, without, lambda _: None)
    found = made([run], Asked(), Snapshot({}), (), 1.0).answer
    assert found.verdict == "ready"
    (blame,) = found.blames
    assert (blame.stage, blame.severity) == ("compile", "warning")
    assert "ompiler" in blame.found
    assert "no working compiler" in blame.cause
