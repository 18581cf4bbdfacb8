"""What tests of trainers share: data, how one ended, and what it left."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from typed import HANGS

import tunedoctor

TRAINER = Path(tunedoctor.__file__).parent / "target" / "trainer.py"
DATA = "".join(
    json.dumps({"prompt": f"What is {i}?", "completion": "x" * (i * 7 % 23) + f" {i}"}) + "\n"
    for i in range(40)
)

TH = """
import json
d = json.load(open('{0}/tokenizer.json'))
d['model']['vocab'] = {{('th' if i == 258 else c): i for c, i in d['model']['vocab'].items()}}
d['model']['merges'] = [['t', 'h']]
json.dump(d, open('{0}/tokenizer.json', 'w'))
"""
"""Give a tokenizer the one merge that a .gguf file needs."""
LOADS = """
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM
import os
ids, here = torch.tensor([[5, 6, 7, 8]]), os.getcwd()
os.chdir("/")
one = AutoPeftModelForCausalLM.from_pretrained(here + "/out/final").eval()(ids).logits
one = one[..., :259]  # peft makes room for a token that transformers gives to each GPT-2 kind
two = AutoModelForCausalLM.from_pretrained(here + "/merged").eval()(ids).logits
assert torch.allclose(one, two, atol=1e-3)
"""
"""What was merged answers as the adapter on its base does, from any folder."""


class Ended(NamedTuple):
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


def done(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err + ended.out
    return ended


class Runs(NamedTuple):
    """Trainers in one folder with the same options and what a test adds; each ends as the test says."""

    train: Train
    options: list[str]
    folder: Path

    def __call__(
        self,
        *words: str,
        status: int = 0,
        says: tuple[str, ...] = (),
        code: str = "",
        two: bool = False,
    ) -> Ended:
        ended = self.train(*self.options, *words, code=code, two=two)
        told = ended.out + ended.err
        assert (ended.code, [word for word in says if word not in told]) == (status, []), told
        return ended

    def log(self, name: str = "out") -> list[dict[str, Any]]:
        return log(self.folder / name)

    def names(self, name: str = "out") -> list[str]:
        return sorted(one.name for one in (self.folder / name).iterdir())


def run(folder: Path, *argv: str) -> str:
    """Run a process in a folder to its good end; returns what it printed."""
    env, pipe = {**os.environ, "HF_HUB_OFFLINE": "1"}, subprocess.PIPE
    ended = subprocess.run(
        argv, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True, timeout=HANGS, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout
