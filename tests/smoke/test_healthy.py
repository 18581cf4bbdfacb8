"""`doctor smoke` on a healthy target with real torch: as it is, on a model of the user's, and on to the training."""

import json
from pathlib import Path

import pytest
from smoke.training import (
    PLANTED,
    Planted,
    answer,
    doctor,
    needs_torch,
    planted,
    stages,
    torch_target,
)

from tunedoctor.facts import Runtime, Smoke
from tunedoctor.model.snapshot import from_json

__all__ = ["planted"]

WHOLE = [
    "import torch", "import tokenizers", "import safetensors", "import transformers", "import peft", "device",
    "kernels float32", "kernels bfloat16", "build", "wrap", "forward", "backward", "optimizer", "train", "adapters",
    "base weights", "save", "reload", "merge", "generate", "repeat", "checkpointing", "16-bit", "workers",
]  # fmt: skip


@needs_torch
def test_every_stage_is_well_and_the_facts_are_kept(tmp_path: Path) -> None:
    """Workers are started as on macOS, Windows and Python 3.14, and a short load repeats its losses."""
    file = tmp_path / "snapshot.json"
    env = {"PLANTED": "workers_spawned", "PYTHONPATH": str(PLANTED)}
    argv = ("--device", "cpu", "--minutes", "0.05", "--snapshot", str(file))
    found = answer(torch_target(), *argv, **env)
    assert (found["verdict"], found["blames"]) == ("ready", [])
    told = stages(found)
    assert [*told][: len(WHOLE)] == WHOLE
    assert {told[name]["outcome"] for name in (*WHOLE, "load")} == {"ok"}
    assert found["losses"][0] > 5
    assert found["losses"][-1] < 0.05
    assert found["tokens_per_second"] > 0
    assert found["load"]["rounds"] >= 1
    assert told["generate"]["says"] == "“The doctor says: this machine can train.”"
    snapshot = from_json(file.read_bytes())
    fact, runtime = snapshot.find(Smoke), snapshot.find(Runtime)
    assert fact is not None
    assert (fact.device, fact.kind, fact.half) == ("cpu", "cpu", "bfloat16")
    assert fact.peak == found["peak"] > 100e6
    assert runtime is not None
    assert runtime.torch_version


@needs_torch
def test_two_ranks_train_together_on_the_cpu() -> None:
    found = answer(torch_target(), "--gpus", "2", "--device", "cpu")
    assert found["verdict"] == "ready"
    assert [s["name"] for s in found["stages"]][-4:] == ["join", "all-reduce", "work", "DDP"]
    assert len(found["ranks"]) == 2


ROWS = ('{"text": "A first sample."}', '{"prompt": "Who?", "completion": "Nobody."}', "")
CHAT = '{"messages": [{"role": "user", "content": "Hello"}]}'


@needs_torch
def test_the_stages_run_on_a_model_and_data_of_the_users(tiny_model: str, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join([*ROWS, CHAT]))
    asked = ("--model", tiny_model, "--data", str(data), "--steps", "3", "--device", "cpu")
    found = answer(torch_target(), *asked)
    told = stages(found)
    assert (found["verdict"], len(found["losses"]), told["data"]["says"]) == (
        "ready",
        3,
        "3 samples",
    )
    assert told["build"]["says"].startswith("LlamaForCausalLM")
    assert {told[n]["outcome"] for n in ("backward", "train", "base weights", "save")} == {"ok"}
    assert list(told)[-1] == "reload"
    # 26,880 weights in float32, and little beside them
    assert 26_880 * 4 < found["forecast"] < 4e6
    assert found["libraries"] > 50e6


@needs_torch
def test_data_that_the_tokenizer_refuses_are_told_before_the_model_is_loaded(
    planted: Planted, tiny_model: str, tmp_path: Path
) -> None:
    (tmp_path / "d.jsonl").write_text('{"text": "well"}\n{"text": "half \\ud800"}')
    found = planted("", "--model", tiny_model, "--data", str(tmp_path / "d.jsonl"))
    (blame,) = found.blames
    assert (found.verdict, blame.stage) == ("findings", "data")
    assert "sample 2: the model's tokenizer or chat template refuses it" in blame.found
    assert "the data are not what was expected" in blame.cause
    assert "build" not in {one.name for one in found.stages}


@needs_torch
@pytest.mark.parametrize("fault", ["", "nan_weight"])
def test_the_training_follows_where_it_went_well(
    tmp_path: Path, tiny_model: str, fault: str
) -> None:
    data, config = tmp_path / "data.jsonl", tmp_path / "train.toml"
    rows = [{"prompt": f"Say {n}.", "completion": f"Here is {n}."} for n in range(8)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config.write_text(
        f'model = "{tiny_model}"\ndata = "{data}"\nout = "{tmp_path}/out"\nmax_steps = 2\ndevice = "cpu"\n'
        'batch = 2\nmicro_batch = 2\nmax_length = 32\nprecision = "fp32"\ntemplate = "none"\n'
    )
    env = {"PLANTED": fault, "PYTHONPATH": str(PLANTED)}
    ended = doctor(torch_target(), "--device", "cpu", "--then-train", str(config), **env)
    assert ended.returncode == bool(fault), ended.stdout + ended.stderr
    assert (tmp_path / "out").exists() is not bool(fault)
    if not fault:
        well = "✓ This environment can fine-tune with LoRA on the CPU"
        smoked, _, trained = ended.stdout.partition(well)
        assert all(len(line) <= 80 for line in smoked.splitlines())
        assert "loss" in trained
        assert list((tmp_path / "out").rglob("adapter_model.safetensors"))
