"""A target with real torch, where there is one, and trainers that run in it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch_target

import tunedoctor

TRAINER = Path(tunedoctor.__file__).parent / "target" / "trainer.py"
DATA = "".join(
    json.dumps({"prompt": f"What is {i}?", "completion": "x" * (i * 7 % 23) + f" {i}"}) + "\n"
    for i in range(40)
)


class Ended(NamedTuple):
    """How a trainer ended: exit status, or -signal."""

    code: int
    out: str
    err: str


Train = Callable[..., Ended]


@pytest.fixture(scope="session")
def torch_python() -> str:
    """Return the interpreter that trainers run in."""
    return torch_target.torch_python() or pytest.skip(torch_target.WHY_NOT)


@pytest.fixture(scope="session")
def server(torch_python: str) -> Iterator["subprocess.Popen[str]"]:
    script = Path(__file__).parent / "trainer_server.py"
    with subprocess.Popen(
        [torch_python, str(script), str(TRAINER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        yield child
        child.kill()


@pytest.fixture
def train(server: "subprocess.Popen[str]", tmp_path: Path) -> Train:
    """Run the trainer in tmp_path: train("--key=value", .., code="what is run before")."""

    def run(*arguments: str, code: str = "") -> Ended:
        assert server.stdin
        assert server.stdout
        order = {"arguments": list(arguments), "code": code, "folder": str(tmp_path)}
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        line = server.stdout.readline()
        assert line, "the trainers' process is gone"
        return Ended(**json.loads(line))

    return run


@pytest.fixture(scope="session")
def tiny_model(server: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a small Llama and a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("model")
    assert server.stdin
    assert server.stdout
    order = {"arguments": [], "code": "tiny('.')", "folder": str(folder)}
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    ended = json.loads(server.stdout.readline())
    assert ended["code"] == 0, ended["err"]
    return str(folder)


@pytest.fixture
def options(tiny_model: str, tmp_path: Path) -> list[str]:
    """A run of eight steps with dropout."""
    (tmp_path / "d.jsonl").write_text(DATA)
    common = (
        "--data=d.jsonl",
        "--batch=8",
        "--max-steps=8",
        "--learning-rate=5e-3",
        "--dropout=0.1",
        "--device=cpu",
    )
    return [f"--model={tiny_model}", *common]


def log(folder: Path) -> list[dict[str, Any]]:
    """The log without what time and memory make of it."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in row.items() if k not in ("tokens_per_s", "mfu", "memory_gib")}
        for row in rows
    ]


def weights(folder: Path) -> bytes:
    return next(folder.glob("*model.safetensors")).read_bytes()


def done(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err + ended.out
    return ended
