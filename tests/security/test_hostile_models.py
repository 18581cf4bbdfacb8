"""A chat template is a program that came with a model: what reads it ends within bounds, and names the file."""

import shutil
import sys
import time

import pytest
from trainers import DATA
from typed import doctor

from tunedoctor.system.child import run, run_lines
from tunedoctor.system.weight import Limit
from tunedoctor.target.train_rows import Bounded, TemplateLimitError

GROWS = "{{ 'a' * 3000000000 }}"
TALK = [{"role": "user", "content": "Hello"}]
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="memory is bounded in the process on Linux alone"
)


@linux
@pytest.mark.parametrize(
    "words",
    [
        "data d.jsonl --model m",
        "train --model=m --data=d.jsonl --no-check --out=o",
        "chat m --prompt Hello",
        "export m --modelfile Modelfile",
    ],
)
def test_a_template_that_takes_all_memory_is_stopped_and_named(
    words, torch_python, tiny_model, tmp_path
):
    shutil.copytree(tiny_model, tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").write_text(GROWS)
    (tmp_path / "d.jsonl").write_text(DATA)
    ended = doctor(*words.split(), "--target", torch_python, cwd=tmp_path)
    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode in (1, 2), said
    assert "m/chat_template.jinja needs more than 2 GiB of memory for one conversation" in said
    assert (tmp_path / "o" / "final").exists() is False


def never_ends(_, **__):
    while True:
        pass


def test_a_template_that_does_not_end_is_stopped():
    one = Bounded(never_ends, "m/chat_template.jinja")
    one.SECONDS = 0.2
    with pytest.raises(TemplateLimitError, match=r"m/chat_template.jinja takes more than 0 s"):
        one(TALK)


def test_a_template_that_writes_too_much_is_stopped_and_a_long_conversation_is_not():
    one = Bounded(lambda talk, **_: talk[0]["content"] * 3, "m/chat_template.jinja")
    assert len(one([{"role": "user", "content": "a" * 10_000_000}])) == 30_000_000
    one = Bounded(lambda *_, **__: "a" * 30_000_000, "m/chat_template.jinja")
    with pytest.raises(TemplateLimitError, match="writes 30,000,000 characters"):
        one(TALK)


@linux
def test_the_limit_is_taken_back():
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    one = Bounded(lambda *_, **__: str(resource.getrlimit(resource.RLIMIT_DATA)[0]), "x")
    assert 0 < int(one(TALK)) < 64 << 30
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


HUNGRY = "import os, time\nif os.fork(): time.sleep(600)\nx = bytearray(3 << 30)\ntime.sleep(600)"


def test_a_child_that_takes_too_much_memory_is_ended_by_whom_started_it():
    argv, most = [sys.executable, "-c", HUNGRY], Limit(1 << 29)
    began = time.monotonic()
    ended = run(argv, timeout=500, memory=most)
    assert (ended.how, ended.death) == ("grown", "it used more than 0.5 GiB of memory")
    ended = run_lines(argv, timeout=500, on_line=lambda _: 500.0, silence=500, memory=most)
    assert (ended.how, ended.death) == ("grown", "it used more than 0.5 GiB of memory")
    assert time.monotonic() - began < 300


def test_a_child_is_ended_before_the_machine_has_no_memory():
    lefts = iter([9 << 30, 9 << 30, *[1 << 20] * 99])
    most = Limit(left=lambda: next(lefts), reserve=1 << 28)
    ended = run([sys.executable, "-c", HUNGRY], timeout=500, memory=most)
    assert ended.how == "grown"
    assert "all that was available" in ended.death


def test_a_batch_that_no_memory_holds_is_refused(tiny_model, tmp_path):
    (tmp_path / "d.jsonl").write_text(DATA)
    words = ["train", f"--model={tiny_model}", "--data=d.jsonl", "--target", sys.executable]
    for key in ("batch", "micro-batch", "rank", "max-length"):
        ended = doctor(*words, f"--{key}=4000000000000000", cwd=tmp_path)
        assert ended.returncode == 2
        assert "it must be 1 or more, and less than 16777216" in ended.stderr
