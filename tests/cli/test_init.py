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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from museum import snapshot_of
from rows import plant
from torch_target import WHY_NOT, torch_target
from typed import doctor
from wrong_inputs import TINY, gguf

from tunedoctor.cli import found
from tunedoctor.model.snapshot import to_data

WIDE = 60
QUESTIONS = ("Which model", "What should it learn from?", "learn to do?")


class Terminal:
    """A command on a terminal of its own: what it shows is waited for, then answered."""

    def __init__(self, folder: Path, *argv: str, **env: str) -> None:
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDE, 0, 0))
        own = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / ".hub"), "NO_COLOR": "1"}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tunedoctor", *argv],
            cwd=folder,
            env={**os.environ, **own, **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  for Ctrl-C
            start_new_session=True,
        )
        os.close(slave)
        self.shown, self.seen = "", 0

    def until(self, text: str) -> None:
        """Wait until a text is shown after what was waited for before; the end of the command where it is ""."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if text and (at := self.shown.find(text, self.seen)) >= 0:
                self.seen = at + len(text)
                return
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 4096)
                except OSError:  # the other side is closed
                    data = b""
                self.shown += data.decode(errors="replace")
                if not data and not text:
                    return
                assert data, f"it ended without {text!r}: {self.shown}"
            elif not text and self.child.poll() is not None:
                return
        pytest.fail(f"{text!r} did not come: {self.shown}")

    def says(self, text: str | bytes) -> None:
        os.write(self.master, text.encode() if isinstance(text, str) else text)


@contextmanager
def terminal(folder: Path, *argv: str, **env: str) -> Iterator[Terminal]:
    one = Terminal(folder, *argv, **env)
    yield one
    one.child.kill()
    one.child.wait()
    os.close(one.master)


def model(folder: Path) -> None:
    """A small .gguf file and two files of data."""
    rows = '{"prompt": "a", "completion": "b"}\n' * 80
    plant(folder, {"small.gguf": gguf(), "eval.jsonl": rows, "train.jsonl": rows, "log.txt": ""})


def test_four_questions_make_a_configuration(tmp_path: Path) -> None:
    model(tmp_path)
    with terminal(tmp_path, "init", "my run.toml") as one:
        one.until("Which model do you want to train?")
        one.until("]: ")
        one.says("qwen3 8b\n")
        one.until("Models with 'qwen3 8b'")
        one.until(" 1  Qwen/Qwen3-8B")
        one.until("]: ")
        one.says("nobody/nothing\n")  # offline, and told
        one.until("HF_HUB_OFFLINE")
        one.says("small.gguf\n")
        one.until("What should it learn from?")
        one.until(" 1  train.jsonl")  # what its name says is to be trained on comes first
        one.says("~no-such-user/d.jsonl\n")
        one.until("can't be read")
        one.until("]: ")
        one.says("\n")
        one.until("What should it learn to do?")
        one.until(" 3  facts")
        one.says(b"4x\xff\n")
        one.until("type a number from 1 to 4")
        one.until("]: ")
        one.says("1\n")
        one.until("")
    assert one.child.returncode in (0, -9), one.shown
    lines = [line.partition("]: ")[0] for line in one.shown.splitlines()]
    assert [line for line in lines if len(line) > WIDE and not line.startswith("doctor: ")] == []
    assert "Next: doctor fit 'my run.toml'" in one.shown
    told = tomllib.loads((tmp_path / "my run.toml").read_text())
    assert (told["model"], told["data"], told["out"]) == ("small.gguf", "train.jsonl", "out")
    assert (told["epochs"], told["batch"], told["eval_share"]) == (3.0, 8, 0.05)


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_who_leaves_leaves_nothing_behind(tmp_path: Path, key: str, number: int) -> None:
    model(tmp_path)
    before = sorted(tmp_path.iterdir())
    with terminal(tmp_path, "init") as one:
        for question in QUESTIONS[:number]:
            one.until(question)
            one.until("]: ")
            one.says("\n")
        one.until(QUESTIONS[number])
        one.until("]: ")
        one.says(key)
        one.until("nothing was written")
        assert one.child.wait(20) == 130
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_what_it_writes_runs_as_it_is(tmp_path: Path, tiny_model: str) -> None:
    model(tmp_path)
    (tmp_path / "tiny").symlink_to(tiny_model)
    target = ("--target", torch_target())
    ended = doctor(
        "init", "--model=tiny", "--data=train.jsonl", "--goal=facts", *target, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    assert f"doctor train config.toml --target {torch_target()} trains" in ended.stderr
    ended = doctor("train", "config.toml", "--no-check", "--max-steps=2", *target, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert (tmp_path / "out/final/adapter_model.safetensors").is_file()
    again = doctor("init", "-", "--model=tiny", "--data=train.jsonl", cwd=tmp_path)
    assert tomllib.loads(again.stdout)["out"] == "out-2", "the first run's folder is in use"


def test_models_are_found_soon_and_nothing_is_followed_or_started(tmp_path: Path) -> None:
    one = {"config.json": "{}", "model.safetensors": ""}
    files: dict[str, object] = {f"models/owner/name/{name}": text for name, text in one.items()}
    files |= {f".hidden/{name}": text for name, text in one.items()}
    files |= {f"venv/lib/{name}": text for name, text in one.items()} | {"venv/pyvenv.cfg": ""}
    files |= {f"deep/a/b/c/{name}": text for name, text in one.items()}
    files |= {
        "a.gguf": "",
        "bad\nname.gguf": "",
        "loop": {"link": "@root"},
        "../site/pkg/b.gguf": "",
    }
    files |= {f"many/{number}/x": "" for number in range(3000)}
    folder = plant(tmp_path / "work", files)
    site = str(tmp_path / "site")
    spent, wall = time.process_time(), time.perf_counter()
    seen = found.models(str(folder), [site])
    assert seen == ["a.gguf", "models/owner/name", f"{site}/pkg/b.gguf"]
    assert min(time.process_time() - spent, time.perf_counter() - wall) < 0.05


def test_a_card_and_the_time_decide(tmp_path: Path) -> None:
    wide = {**TINY, "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336}
    card = json.dumps(to_data(snapshot_of("healthy-rtx4090")))
    row = '{"text": "' + "word " * 200 + '"}\n'
    whole = {"m/config.json": json.dumps(wide), "m/model.safetensors": "", "m/tokenizer.json": "{}"}
    plant(tmp_path, {**whole, "d.jsonl": row * 2000, "s.json": card})
    words = ("init", "-", "--from=s.json", "--model=m", "--data=d.jsonl", "--goal=text")
    free, cut = (
        tomllib.loads(doctor(*words, *more, cwd=tmp_path).stdout)
        for more in ((), ("--hours=0.05",))
    )
    assert (free["method"], free["epochs"], free["packing"]) == ("lora", 1.0, True)
    assert 0 < cut["epochs"] < 0.5
