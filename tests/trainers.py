"""What tests of trainers share: data, how one ended, and what it left."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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
