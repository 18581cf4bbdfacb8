"""doctor set as a user starts it, over an index on loopback."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import jsonschema
from libraries import running
from libraries.catalogue import Release
from libraries.fixtures import index, uv_cache
from libraries.running import made
from libraries.server import Index

from tunedoctor.installers.uv import find_uv
from tunedoctor.planning.set_answer import schema

__all__ = ["index", "uv_cache"]

ADA = ("--platform", "linux", "--gpu", "8.9", "--driver", "580.65.06", "--python", "3.12")
WHOLE = ("filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0", "accelerate==1.13.0")
WHOLE += ("tokenizers==0.22.2", "transformers==4.57.6")


def doctor(*argv: str, cwd: Path | None = None) -> running.Ran:
    return running.doctor("set", *argv, cwd=cwd)


def data(*argv: str) -> dict[str, object]:
    ended = doctor(*argv, "--format", "json")
    found: dict[str, object] = json.loads(ended.stdout)
    jsonschema.validate(found, schema())
    codes = {"set": 0, "none": 1, "unknown": 2}
    assert ended.returncode == codes[str(found["verdict"])]
    return found


def _uv(*argv: str) -> str:
    ended = subprocess.run(
        [find_uv(), *argv], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_the_printed_commands_make_the_set(index: Index, tmp_path: Path) -> None:
    env = tmp_path / "my env"
    _uv("venv", "-q", "-p", sys.executable, str(env))
    into = ("pip", "install", "--python", str(env))
    _uv(
        *into,
        "torch==2.14.1",
        *(one for one in WHOLE if "numpy" not in one),
        "peft==0.17.1",
        "pyarrow==26.0.1",
        "numpy==1.26.4",
        "datasets==4.8.5",
    )
    _uv(*into, "--no-deps", "huggingface-hub==1.5.0")
    there = ("--target", str(env), "--gpu", "none", "--driver", "none")
    found = data(*there)
    commands = found["commands"]["uv"]  # type: ignore[index]
    assert commands
    for command in commands:
        first, *rest = shlex.split(command)
        assert first == "uv"
        _uv(*rest)
    held = _uv("pip", "freeze", "--python", str(env))
    assert "huggingface-hub==0.36.2" in held
    assert "pyarrow==26.0.1" in held
    assert "numpy==2" in held
    assert "torch==2.14.1" in held
    assert "compatible" in _uv("pip", "check", "--python", str(env))
    assert doctor(*there).stdout.splitlines()[-1].endswith("nothing to change")


LOOSE = Release("vllm", "0.2.2", "", ("torch>=2.1", "numpy"))
"""It is compiled for torch 2.1 and does not say so."""
VLLM = (
    LOOSE,
    Release("vllm", "0.5.0", "", ("torch==2.5.1", "numpy")),
    Release("vllm", "0.11.2", "", ("torch==2.13.0", "numpy<2.2")),
    Release("numpy", "2.1.3", ""),
)


def test_a_release_goes_with_its_torch_or_uv_says_why_there_is_none(
    index: Index, tmp_path: Path
) -> None:
    """Of releases that name a torch the newest counts, though the pins that stay would take an older one."""
    index.releases = (*index.releases, *VLLM)
    env = made(tmp_path, index.url, "torch==2.14.1", *WHOLE, "huggingface-hub==0.36.2")
    there = ("--target", str(env))
    found = data("vllm<0.12", *there)
    packages: list[dict[str, str]] = found["packages"]  # type: ignore[assignment]
    versions = {one["name"]: one["version"] for one in packages}
    assert (versions["vllm"], versions["torch"]) == ("0.11.2", "2.13.0")
    assert versions["numpy"] == "2.1.3"
    none = data("vllm<0.12", "torch==2.14.1", *there)
    assert none["verdict"] == "none"
    assert "vllm==0.5.0 depends on torch==2.5.1" in " ".join(str(none["details"]).split())
