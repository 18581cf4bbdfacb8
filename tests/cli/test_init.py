"""doctor init on a terminal of 60 columns, and what it writes: it runs as it is."""

import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import termios
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from museum import snapshot_of
from planting import plant
from torch_target import WHY_NOT, torch_target
from typed import inside as doctor
from typed import soon
from wrong_inputs import TINY, gguf

from tunedoctor.core import discovery
from tunedoctor.model.snapshot import to_data

WIDE = 60
QUESTIONS = ("Which model do you want to train?", "should it learn from?", "should it learn to do?")
OFFERED = {"small.gguf": gguf(), "log.txt": ""}
OFFERED |= dict.fromkeys(("eval.jsonl", "train.jsonl"), '{"prompt": "a", "completion": "b"}\n' * 80)


class Terminal:
    """doctor init on a terminal of its own: what it shows is waited for, then answered."""

    def __init__(self, folder: Path, *argv: str) -> None:
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDE, 0, 0))
        own = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / ".hub"), "NO_COLOR": "1"}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tunedoctor", "init", *argv],
            cwd=folder,
            env={**os.environ, **own},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  for Ctrl-C
            start_new_session=True,
        )
        os.close(slave)
        self.shown, self.seen = "", 0

    def until(self, text: str, answer: bytes = b"", again: bytes = b"") -> None:
        """Wait until a text is shown after what was waited for before; then answer, where it is asked again."""
        end = time.monotonic() + 300
        while (at := self.shown.find(text, self.seen)) < 0:
            if select.select([self.master], [], [], 3)[0]:
                self.shown += os.read(self.master, 4096).decode(errors="replace")
            elif again:  # a signal just before Python waits for the line is not seen by it
                os.write(self.master, again)
            assert time.monotonic() < end, f"{text!r} did not come: {self.shown}"
        self.seen = at + len(text)
        if answer:
            self.until("]: ")
            os.write(self.master, answer)


def test_four_questions_make_a_configuration(tmp_path):
    plant(tmp_path, OFFERED)
    one = Terminal(tmp_path, "my run.toml")
    one.until(QUESTIONS[0], b"qwen3 8b\n")
    one.until("Models with 'qwen3 8b'")
    one.until(" 1  Qwen/Qwen3-8B", b"nobody/nothing\n")  # offline, and told
    one.until("HF_HUB_OFFLINE", b"small.gguf\n")
    one.until(QUESTIONS[1])
    # what its name says is to be trained on comes first
    one.until(" 1  train.jsonl", b"~no-such-user/d.jsonl\n")
    one.until("can't be read", b"log.txt\n")
    one.until("doctor data log.txt lists all faults", b"\n")
    one.until(QUESTIONS[2])
    one.until(" 3  facts", b"4x\xff\n")
    one.until("type a number from 1 to 4", b"1\n")
    one.until("doctor train 'my run.toml'")
    assert one.child.wait(300) == 0
    lines = [line.partition("]: ")[0] for line in one.shown.splitlines()]
    assert [line for line in lines if len(line) > WIDE and not line.startswith("doctor: ")] == []
    told = tomllib.loads((tmp_path / "my run.toml").read_text())
    assert (told["model"], told["data"], told["out"]) == ("small.gguf", "train.jsonl", "out")
    assert (told["epochs"], told["batch"], told["eval_share"]) == (3.0, 8, 0.05)


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_who_leaves_leaves_nothing_behind(tmp_path, key, number):
    plant(tmp_path, OFFERED)
    one = Terminal(tmp_path)
    for question in QUESTIONS[: number + 1]:
        one.until(question, key if question == QUESTIONS[number] else b"\n")
    one.until("nothing was written", again=key)
    assert one.child.wait(300) == 130
    assert {path.name for path in tmp_path.iterdir()} == {*OFFERED}


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_what_it_writes_runs_as_it_is(tmp_path, tiny_model):
    plant(tmp_path, {**OFFERED, "tiny": {"link": tiny_model}})
    words = ("--model=tiny", "--data=train.jsonl", "--eval-data=eval.jsonl")
    target = ("--target", torch_target())
    ended = doctor("init", *words, "--goal=text", *target, cwd=tmp_path)
    assert f"  doctor train config.toml --target {torch_target()}\n" in ended.stderr
    ended = doctor("train", "config.toml", "--no-check", "--max-steps=2", *target, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert (tmp_path / "out/final/adapter_model.safetensors").is_file()
    told = tomllib.loads(doctor("init", "-", *words, cwd=tmp_path).stdout)
    assert told["out"] == "out-2", "the first run's folder is in use"
    assert (told["eval_data"], "eval_share" in told) == ("eval.jsonl", False)


def test_models_are_found_soon_and_nothing_is_followed_or_started(tmp_path):
    places = ("models/owner/name", ".hidden", "venv/lib", "deep/a/b/c")
    parts = ("config.json", "model.safetensors")
    files: dict[str, Any] = {f"{place}/{name}": "" for place in places for name in parts}
    files |= dict.fromkeys(
        ("venv/pyvenv.cfg", "a.gguf", "bad\nname.gguf", "../site/pkg/b.gguf"), ""
    )
    files |= {"loop": {"link": "@root"}, **{f"many/{number}/x": "" for number in range(3000)}}
    folder, site = plant(tmp_path / "work", files), str(tmp_path / "site")
    wanted = ["a.gguf", "models/owner/name", f"{site}/pkg/b.gguf"]
    assert discovery.models(str(folder), [site]) == wanted
    assert soon(lambda: discovery.models(str(folder), [site]), 0.05)


def test_a_card_and_the_time_decide(tmp_path):
    wide = {**TINY, "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336}
    card, row = json.dumps(to_data(snapshot_of("healthy-rtx4090"))), '{"text": "' + "a b " * 250
    files = {"m/config.json": json.dumps(wide), "m/model.safetensors": "", "m/tokenizer.json": "{}"}
    files |= {"d/train.jsonl": f'{row}"}}\n' * 2000, "d/valid.jsonl": f'{row}"}}\n', "s.json": card}
    files["evil.json"] = card.replace("RTX 4090", "RTX\\nmodel = 'evil'\\u001b[31m")
    plant(tmp_path, files)

    def told(*more, source="s.json"):
        words = ("init", "-", f"--from={source}", "--model=m", *more)
        ended = doctor(*words, cwd=tmp_path, HOME=str(tmp_path))
        assert (" at most" in ended.stderr) == (source == "s.json"), ended.stderr
        return tomllib.loads(ended.stdout)

    free, home = told("--data=d", "--goal=text"), told("--data=~/d/train.jsonl", "--goal=text")
    assert free == {**home, "data": "d"}, "a folder is as large as its train split"
    assert (free["method"], free["epochs"], free["packing"]) == ("lora", 1.0, True)
    assert 0 < told("--data=d", "--goal=text", "--hours=0.05")["epochs"] < 0.5
    assert told("--data=d", source="evil.json")["model"] == "m"
