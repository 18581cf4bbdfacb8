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
def server(torch_python: str) -> Iterator[Callable[..., Ended]]:
    """One process in which trainers are forked: what it is asked, and how that ended."""
    argv = [torch_python, str(Path(__file__).parent / "trainer_server.py"), str(TRAINER)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=env) as child:
        assert child.stdin
        assert child.stdout

        def ask(folder: Path, arguments: tuple[str, ...], code: str) -> Ended:
            order = {"arguments": arguments, "code": code, "folder": str(folder)}
            print(json.dumps(order), file=child.stdin, flush=True)
            line = child.stdout.readline() if child.stdout else ""
            assert line, "the trainers' process is gone"
            return Ended(**json.loads(line))

        yield ask
        child.kill()


@pytest.fixture
def train(server: Callable[..., Ended], tmp_path: Path) -> Train:
    """Run the trainer in tmp_path: train("--key=value", .., code="what is run before")"""
    return lambda *arguments, code="": server(tmp_path, arguments, code)


@pytest.fixture(scope="session")
def tiny_model(server: Callable[..., Ended], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a small Llama and a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("model")
    done(server(folder, (), "tiny('.')"))
    return str(folder)


@pytest.fixture
def options(tiny_model: str, tmp_path: Path) -> list[str]:
    """A run of eight steps with dropout."""
    (tmp_path / "d.jsonl").write_text(DATA)
    common = (
        "--data=d.jsonl --batch=8 --max-steps=8 --learning-rate=5e-3 --dropout=0.1 --device=cpu"
    )
    return [f"--model={tiny_model}", *common.split()]


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
