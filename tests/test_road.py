"""The road that docs/road.md pastes, command for command, with a tiny model in the environment of the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch_target import lacks
from trainers import LOADS, TH, done

ROOT = Path(__file__).parents[1]


def test_each_command_of_the_road_ends_well(torch_python, train, tmp_path):
    target = Path(torch_python).parents[1]
    if lacks("gguf"):
        pytest.skip("the target lacks gguf")
    done(train(code="tiny('tiny')" + TH.format("tiny")))
    (tmp_path / ".venv").symlink_to(target)
    walk = [sys.executable, str(ROOT / "tools" / "walk.py"), str(ROOT / "docs" / "road.md")]
    walk += ["--folder", str(tmp_path), "--skip", "pip install", "--skip", "fix --new"]
    walk += ["--change", "SmolLM2-135M-Instruct.Q4_1.gguf=tiny", "--env", "HF_HUB_OFFLINE=1"]
    walk += ["--env", f"PATH={Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"]
    ended = subprocess.run(walk, capture_output=True, text=True, check=False)
    said = ended.stdout
    assert ended.returncode == 0, said[-3000:] + ended.stderr
    for text in (
        "✓ train.jsonl has 10 rows",
        "wrote varnholm.toml",
        "✓ fits",
        "Trained for 100 steps: the loss of held-out rows went from",
        "doctor: wrote report.html",
        "adapter:\n",
        "varnholm.gguf: F16; verified",
    ):
        assert text in said, text
    answers = [one.partition(" -> ")[2] for one in said.splitlines() if " {" in one and "->" in one]
    assert len(answers) == 3
    assert len(set(answers)) == 1, answers
    text = (tmp_path / "Modelfile").read_text()
    assert f"FROM {tmp_path / 'varnholm.gguf'}\n" in text
    assert "{{ if .Prompt }}u:{{ .Prompt }}</s>{{ end }}a:{{ .Response }}</s>" in text
    done(train(code=LOADS))
