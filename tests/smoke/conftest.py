"""A small model on the disk, written by the target."""

import subprocess
from pathlib import Path

import pytest
from smoke.training import torch_target

from tunedoctor.targeting import choose


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    python = choose(torch_target(), {}, str(folder), "").python
    script = Path(__file__).parent / "make_model.py"
    subprocess.run([python, str(script), str(folder)], check=True, capture_output=True)
    return str(folder)
