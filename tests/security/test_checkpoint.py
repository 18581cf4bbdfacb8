"""A checkpoint or a model's folder that was changed or forged: refused by name, and no code of it runs."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from trainers import Ended

BRANDED = "code ran"


class Forged:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"open({str(self.marker)!r}, 'w').write({BRANDED!r})",))


@pytest.fixture
def forged(tmp_path):
    """A pickle that runs code: the control is that it does."""
    marker = tmp_path / "control"
    pickle.loads(pickle.dumps(Forged(marker)))  # noqa: S301
    assert marker.read_text() == BRANDED
    return pickle.dumps(Forged(tmp_path / "ran"))


def sealed(folder: Path) -> None:
    told = {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in folder.iterdir()
        if one.suffix not in (".md", ".svg") and one.name != "digests.json"
    }
    (folder / "digests.json").write_text(json.dumps(told))


def refused(ended: Ended, says: str, folder: Path) -> None:
    """Check that it said so in its own words, and that no code ran."""
    assert (ended.code, says in ended.err, "Traceback" in ended.err) == (2, True, False), ended.err
    assert not (folder / "ran").exists()


@pytest.fixture
def checkpoint(train, options, tmp_path):
    ended = train(*options, "--max-steps=2", "--save-every=2")
    assert ended.code == 0, ended.err
    (found,) = (tmp_path / "out").glob("step-*")
    return Path(found)


def test_a_changed_file_is_named(train, options, checkpoint):
    again = [*options, "--max-steps=4", "--resume=true"]
    for name in ("adapter_model.safetensors", "trainer_state.json"):
        place = checkpoint / name
        whole = place.read_bytes()
        place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        ended = train(*again)
        assert (ended.code, f"{name} changed since" in ended.err) == (2, True), ended.err
        place.unlink()
        assert f"{name} changed since" in train(*again).err
        place.write_bytes(whole)
    (checkpoint / "more.safetensors").write_bytes(b"")
    assert "more.safetensors changed since" in train(*again).err
    (checkpoint / "more.safetensors").unlink()
    assert train(*again).code == 0, "the control: unchanged, it goes on"


FORGED = ("adapter_model.bin", "trainer_state.safetensors", "trainer_state.json", "digests.json",
    "adapter_config.json")  # fmt: skip


def test_a_forged_checkpoint_runs_no_code(train, options, checkpoint, forged, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(checkpoint, whole)
    for name in FORGED:
        shutil.rmtree(checkpoint)
        shutil.copytree(whole, checkpoint)
        if name == "adapter_model.bin":
            (checkpoint / "adapter_model.safetensors").unlink()
        (checkpoint / name).write_bytes(forged)
        if name != "digests.json":
            sealed(checkpoint)
        ended = train(*options, "--max-steps=4", "--resume=true")
        refused(ended, "step-0000002 does not load", tmp_path)


@pytest.fixture
def model(tiny_model, tmp_path):
    return Path(shutil.copytree(tiny_model, tmp_path / "m"))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_forged_model_runs_no_code(train, options, model, forged, tmp_path, method):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(forged)
    ended = train(*options, "--model=m", f"--method={method}")
    refused(ended, "model m does not load", tmp_path)


def test_code_beside_a_model_is_not_run(train, options, model, tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w').write('x')\nclass C: pass\n"
    (model / "own.py").write_text(code)
    auto = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM"), "own.C")
    own = {"model_type": "own", "auto_map": {**auto, "AutoTokenizer": ["own.C", None]}}
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | own))
    train(
        code="from transformers import AutoConfig\n"
        "try: AutoConfig.from_pretrained('m', trust_remote_code=True)\nexcept Exception: pass"
    )
    assert (tmp_path / "ran").exists(), "the control: trusted, it runs"
    (tmp_path / "ran").unlink()
    refused(train(*options, "--model=m"), "model m does not load", tmp_path)


def test_a_forged_result_is_not_merged(train, options, checkpoint, forged, tmp_path):
    final = checkpoint.parent / "final"
    (final / "README.md").write_text("mine")
    assert train(*options, "--merge").code == 0, "the control"
    (final / "adapter_model.safetensors").unlink()
    (final / "adapter_model.bin").write_bytes(forged)
    sealed(final)
    refused(train(*options, "--merge"), "no model.safetensors", tmp_path)
