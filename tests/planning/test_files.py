"""The files of a set, given to the tools that they are for."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from libraries.fixtures import resolve
from libraries.server import Index
from recorded.answers import Answers, Told

from tunedoctor.installers.uv import Failed, find_uv
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.set_answer import MARK, Answer, answered, frozen, project
from tunedoctor.wheels.machine import Gpu, Machine

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ADA = Machine(
    platform="linux",
    arch="x86_64",
    python=PYTHON,
    glibc="2.28",
    driver_version="580.65.06",
    gpus=(Gpu(vendor="nvidia", compute_capability="8.9"),),
)
ASK = Answers(Told(resolve, lambda install, *_: install))
MAC = Machine(platform="macos", arch="arm64", python=PYTHON, macos="15.1")


def _made(machine: Machine) -> tuple[Answer, Made]:
    answer, made = answered(Place(machine, ASK, whole=True), {})
    assert made is not None
    return answer, made


def _uv(*argv: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [find_uv(), *argv], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def test_frozen_pins_install_with_their_hashes(index: Index, tmp_path: Path) -> None:
    text = frozen(*_made(MAC), "requirements.txt", resolve)
    assert isinstance(text, str)
    assert text.startswith(MARK)
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) > 12
    assert text.count("--hash=sha256:") >= len(pins)
    assert any(line.startswith("torch==2.15.0 ") for line in pins)
    (tmp_path / "requirements.txt").write_text(text)
    assert _uv("venv", "-q", "-p", sys.executable, "env", cwd=tmp_path).returncode == 0
    there = ("pip", "install", "--python", "env", "--require-hashes", "-r", "requirements.txt")
    # the set is one for macOS, where torch is on the default index: its wheels here fit every system
    there += ("--python-platform", "aarch64-apple-darwin")
    ended = _uv(*there, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    held = _uv("pip", "freeze", "--python", "env", cwd=tmp_path).stdout
    assert "transformers==5.24.0" in held

    (tmp_path / "requirements.txt").write_text(text.replace("--hash=sha256:", "--hash=sha256:0", 1))
    assert _uv(*there, "--reinstall", cwd=tmp_path).returncode != 0


def test_a_torch_of_its_own_index_stands_in_the_head(index: Index, tmp_path: Path) -> None:
    text = frozen(*_made(ADA), "requirements.txt", resolve)
    assert isinstance(text, str)
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert "torch==2.15.0+cu132 torchvision==0.29.2 --index-url" in head[1]
    assert "--no-deps" in head[2]
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert "torch" not in body
    assert "nvidia" not in body
    assert "transformers==5.24.0" in body


def test_without_an_index_and_a_cache_nothing_is_frozen(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _made(MAC)
    index.close()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    answer = frozen(*made, "requirements.txt", resolve)
    assert isinstance(answer, Failed)


def test_the_project_of_a_default_index_locks(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_CONFIG")
    (tmp_path / "pyproject.toml").write_text(project(*_made(MAC)))
    ended = _uv("lock", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    lock = tomllib.loads((tmp_path / "uv.lock").read_text())
    versions = {one["name"]: one["version"] for one in lock["package"]}
    assert versions["torch"] == "2.15.0"
    assert versions["transformers"] == "5.24.0"


def test_the_project_takes_torch_alone_from_its_index(index: Index, tmp_path: Path) -> None:
    data = tomllib.loads(project(*_made(ADA)))
    assert "torch==2.15.0+cu132" in data["project"]["dependencies"]
    (own,) = data["tool"]["uv"]["index"]
    assert own == {
        "name": "pytorch",
        "url": "https://download.pytorch.org/whl/cu132",
        "explicit": True,
    }
    assert data["tool"]["uv"]["sources"] == {
        "torch": {"index": "pytorch"},
        "torchvision": {"index": "pytorch"},
    }
    assert data["project"]["requires-python"] == f"=={PYTHON}.*"
    assert "x86_64" in data["tool"]["uv"]["environments"][0]
