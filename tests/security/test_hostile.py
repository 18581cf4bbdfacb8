"""Folders of somebody else's: no command runs their code, waits, floods, acts on a terminal or fails by itself."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planting import Copy, Link, plant
from rows import holds
from security.hostile_folders import HOSTILE, Hostile, Step
from typed import doctor, soon
from wrong_inputs import TINY

REAL = Path(sys.executable).resolve()
PLACES = {"@real": str(REAL), "@bin": str(REAL.parent), "@own": sys.prefix,
    "@python": sys.executable,
    "@table": str(Path(__file__).parents[1] / "samples/smi/nvidia-smi_table_590_h100_mig.txt"),
    "@lib": "python{}.{}".format(*sys.version_info)}  # fmt: skip
CPU = 9
"""Seconds of a command and its children; a check takes a thirtieth of that, and neighbours slow it."""
GOOD = {key: one for key, one in TINY.items() if key != "tie_word_embeddings"} | {"vocab_size": 99}
SENSELESS = ("-5", "0", "1e30", '"64"', "[1, 2]", "true", "NaN", "Infinity", "-Infinity", "1.5", "{}", "[]", "[[1]]", "9" * 4000)  # fmt: skip


def filled(value: Any, places: dict[str, Any]) -> Any:
    """Return a value with the names of places replaced; "@each" can stand for any value."""
    if isinstance(value, str):
        if value in places:
            return places[value]
        for name, place in places.items():
            value = value.replace(name, str(place))
        return value
    if isinstance(value, dict):
        return {filled(key, places): filled(one, places) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, places) for one in value]
    if isinstance(value, (Link, Copy)):
        return type(value)(*(filled(one, places) for one in vars(value).values()))
    return value


def senseless_configurations() -> Iterator[Hostile]:
    """Yield a model for each number of its configuration that cannot be."""
    for key, usual in list(GOOD.items())[1:]:
        for value in SENSELESS if key == "hidden_size" else SENSELESS[:4]:
            text = json.dumps(GOOD).replace(f'"{key}": {usual}', f'"{key}": {value}')
            line = [f"config.json: {key} is ", "; expected "]
            steps = [Step(["fit", ".", "--vram", "24"], line=line)]
            yield Hostile(f"{key}: {value[:9]}", steps, files={"config.json": text})


CASES = [
    pytest.param(one, each, id=f"{one.name} {number or ''}".strip())
    for one in (*HOSTILE, *senseless_configurations())
    for number, each in enumerate(one.each)
]


@pytest.mark.parametrize(("hostile", "each"), CASES)
def test_a_hostile_folder(hostile, each, tmp_path, monkeypatch, inside):
    monkeypatch.chdir(tmp_path)
    places = {**PLACES, "@root": str(tmp_path)}
    if len(hostile.each) > 1:
        places["@each"] = filled(each, places)
    files = {**hostile.folder, **hostile.files}
    for name, times in hostile.many.items():
        files |= {name.replace("#", f"{n:05}"): "" for n in range(times)}
    if hostile.config is not None:
        files["config.json"] = json.dumps(GOOD | hostile.config)
    for name, printed in hostile.tools.items():
        files |= {
            f"said/{name}": printed,
            f"bin/{name}": f"#!/bin/sh\nexec cat @root/said/{name}\n",
        }
    plant(tmp_path, filled(files, places))
    for step in hostile.steps:
        argv, env = filled(step.argv, places), filled(step.env, places)
        before = os.times()
        # what is run has the streams of the process
        start = doctor if argv[0] == "run" else inside
        ended = start(*argv, cwd=tmp_path / step.cwd, **env)
        used = [now - then for now, then in zip(os.times()[:4], before[:4], strict=True)]
        out, err = ended.stdout, ended.stderr
        shown = f"{argv} {ended.returncode}\n{out}\n{err}"
        assert sum(used) < CPU, shown
        plain = json.dumps(json.loads(out), ensure_ascii=False) if out.startswith("{") else out
        assert all(c.isprintable() or c == "\n" for c in plain + err), shown
        assert (tmp_path / "started").exists() is step.starts, shown
        words = {"out": filled(step.out, places), "err": filled(step.err, places)}
        if step.line is not None:
            assert (ended.returncode, out, err.count("\n")) == (2, "", 1), shown
            assert len(err) < 600, shown
            words["err"] += filled(step.line, places)
        codes = step.code if isinstance(step.code, tuple) else (step.code,)
        assert ended.returncode in codes, shown
        for stream, text in (("out", " ".join(plain.split())), ("err", " ".join(err.split()))):
            assert not [w for w in words[stream] if w not in text], shown
            assert all(text.count(w) <= most for w, most in step.most.items()), shown
        assert not [w for w in filled(step.absent, places) if w in out + err], shown
        if step.report is not None:
            assert holds(json.loads(out), filled(step.report, places)), shown


def test_the_attacks_are_real(tmp_path):
    """The controls: a pipe is waited for, and the pattern that once read requirements is quadratic."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["cat", tmp_path / "pipe"], timeout=0.3, check=False)
    requires = "b; " + "extra;" * 2700

    def read(size: int) -> object:
        return re.search(r";.*\bextra\s*(?:==|in\b)", requires[:size], re.DOTALL)

    began = time.process_time()
    read(16_000)
    assert soon(lambda: read(4_000), (time.process_time() - began) / 8)


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.skipif(sys.platform != "linux", reason="the fuzzer reads /proc and rusage of Linux")
@pytest.mark.skipif(not BENCHMARKS.exists(), reason="not a checkout: no benchmarks here")
def test_a_few_cases_of_the_fuzzer_are_without_fault(tmp_path):
    argv = [sys.executable, BENCHMARKS / "fuzz.py", "--cases=12", "--round=3", "--minutes=60"]
    ended = subprocess.run([*argv, "--seed=1"], capture_output=True, cwd=tmp_path, check=False)
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["faults"]) == (0, {})
    assert len(told["commands"]) >= 4, "cases of several commands"
