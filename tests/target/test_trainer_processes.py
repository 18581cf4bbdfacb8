"""Trainers in processes of their own: several that train together, and four bits."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from trainers import TRAINER, Train, done, log


def run(folder: Path, *argv: str) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TRAINER.parent)}
    more: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 300}
    ended = subprocess.run(argv, cwd=folder, env=env, check=False, **more)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.parametrize("more", [
    "",
    "--packing=true --max-length=96",
    "--method=full --shard=true --learning-rate=1e-3",
])  # fmt: skip
def test_two_processes_give_the_losses_of_one(
    train: Train, torch_python: str, options: list[str], tmp_path: Path, more: str
) -> None:
    """Real processes by torchrun with gloo; the sharded ones are stopped and go on, too."""
    # 5 rows are held out: one process has more of them to evaluate than the other
    fixed = (
        "--dropout=0 --max-steps=4 --eval-share=0.12 --micro-batch=1 --resume=true --save-every=2"
    )
    options += [*fixed.split(), *more.split(), "--schedule=constant", "--warmup=0"]
    done(train(*options, "--out=one"))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    argv = [torch_python, *torchrun, str(TRAINER), *options]
    for steps in (["--max-steps=2"], []) if "--shard=true" in more else ([],):
        run(tmp_path, *argv, *steps, "--out=two")
    for one, two in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert {key: two[key] for key in one} == pytest.approx(one, rel=1e-3)


def test_four_bits_learn_after_an_evaluation(
    torch_python: str, options: list[str], tmp_path: Path, train: Train
) -> None:
    """bitsandbytes at rest on the CPU packs weights anew, and gradients were a seventh of what they are."""
    if subprocess.run(
        [torch_python, "-c", "import bitsandbytes"], capture_output=True, check=False
    ).returncode:
        pytest.skip("the target has no bitsandbytes")
    done(train(code="tiny('wide', 64)"))
    options = [*options, "--model=wide", "--method=qlora", "--dropout=0", "--max-steps=2"]
    planted = "import sys, trainer; trainer.Run.{} = lambda self: {}; trainer.main(sys.argv[1:])"
    blind = planted.format("check_model", "None")
    faulty = planted.format("rest", "self.model.eval()")
    for name, argv in {
        "seen": [str(TRAINER)],
        "blind": ["-c", blind],
        "faulty": ["-c", faulty],
    }.items():
        run(tmp_path, torch_python, *argv, *options, f"--out={name}")
    seen, unseen, wrong = (log(tmp_path / name) for name in ("seen", "blind", "faulty"))
    for ours, plain in zip(seen, unseen, strict=True):  # its 4-bit sums vary by 0.5 % between runs
        assert ours == pytest.approx(plain, rel=0.02)
    assert wrong[0]["grad_norm"] < 0.5 * seen[0]["grad_norm"], "the fault is gone: so can the cure"
