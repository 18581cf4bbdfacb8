"""`doctor smoke --then-train`: on to the training where the tiny one went well, and nowhere else."""

import json
from pathlib import Path

import pytest
from smoke.training import PLANTED, doctor, needs_torch, torch_target


@pytest.mark.parametrize(("options", "says"), [
    (("--then-train", "nowhere.toml"), "doctor train --init nowhere.toml"),
    (("--then-train", "nowhere.toml", "--format", "json"), "leave --format json out"),
])  # fmt: skip
def test_misuse_is_told_before_any_work(options: tuple[str, ...], says: str) -> None:
    ended = doctor("nowhere", *options)
    assert ended.returncode == 2
    assert says in ended.stderr


def _config(folder: Path, model: str) -> Path:
    data = folder / "data.jsonl"
    rows = [{"prompt": f"Say {n}.", "completion": f"Here is {n}."} for n in range(8)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = folder / "train.toml"
    out = folder / "out"
    config.write_text(
        f'model = "{model}"\ndata = "{data}"\nout = "{out}"\nmax_steps = 2\ndevice = "cpu"\n'
        'batch = 2\nmicro_batch = 2\nmax_length = 32\nprecision = "fp32"\ntemplate = "none"\n',
        encoding="utf-8",
    )
    return config


@needs_torch
def test_the_training_follows(tmp_path: Path, model: str) -> None:
    config = _config(tmp_path, model)
    ended = doctor(torch_target(), "--device", "cpu", "--then-train", str(config))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    smoked, _, trained = ended.stdout.partition(
        "✓ This environment can fine-tune with LoRA on the CPU"
    )
    assert all(len(line) <= 80 for line in smoked.splitlines())
    assert "loss" in trained
    assert list((tmp_path / "out").rglob("adapter_model.safetensors"))


@needs_torch
def test_no_training_follows_a_failure(tmp_path: Path, model: str) -> None:
    config = _config(tmp_path, model)
    ended = doctor(
        torch_target(),
        *("--device", "cpu", "--then-train", str(config)),
        PLANTED="nan_weight",
        PYTHONPATH=str(PLANTED),
    )
    assert ended.returncode == 1
    assert not (tmp_path / "out").exists()
