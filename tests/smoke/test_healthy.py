"""`doctor smoke` on a healthy target with real torch."""

from pathlib import Path

from smoke.training import answer, needs_torch, stages, torch_target

from tunedoctor.facts import Runtime, Smoke
from tunedoctor.snapshot import from_json

pytestmark = needs_torch

WHOLE = [
    "import torch", "import tokenizers", "import safetensors", "import transformers", "import peft", "device",
    "kernels float32", "kernels bfloat16", "build", "wrap", "forward", "backward", "optimizer", "train", "adapters",
    "base weights", "save", "reload", "merge", "generate", "repeat", "checkpointing", "16-bit", "workers",
]  # fmt: skip


def test_every_stage_is_well_and_the_facts_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "snapshot.json"
    found = answer(torch_target(), "--device", "cpu", "--snapshot", str(file))
    assert found["verdict"] == "ready"
    assert [one["name"] for one in found["stages"]] == WHOLE
    assert {one["outcome"] for one in found["stages"]} == {"ok"}
    assert found["blames"] == []
    assert found["losses"][0] > 5
    assert found["losses"][-1] < 0.05
    assert found["tokens_per_second"] > 0
    assert stages(found)["generate"]["says"] == "“The doctor says: this machine can train.”"
    snapshot = from_json(file.read_bytes())
    fact = snapshot.find(Smoke)
    assert fact is not None
    assert (fact.device, fact.kind, fact.half) == ("cpu", "cpu", "bfloat16")
    assert [one.name for one in fact.stages] == WHOLE
    assert list(fact.losses) == found["losses"]
    assert fact.peak == found["peak"] > 100e6
    runtime = snapshot.find(Runtime)
    assert runtime is not None
    assert runtime.torch_version


def test_two_ranks_train_together_on_the_cpu() -> None:
    found = answer(torch_target(), "--gpus", "2", "--device", "cpu")
    assert found["verdict"] == "ready"
    assert [s["name"] for s in found["stages"]][-4:] == ["join", "all-reduce", "work", "DDP"]
    assert len(found["ranks"]) == 2
