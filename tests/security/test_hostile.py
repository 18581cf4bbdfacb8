"""Folders of somebody else's: no command runs their code, waits, floods, acts on a terminal or fails by itself.

A row has `files` (see tests/planting.py), on top of those of the folder that it is `in`, `many` empty ones, fields of a
`config` that differ from a good one, and `tools` on PATH with what they print; `each` is a row for each thing that
"@each" stands for. A step is what is typed: `argv`, `env`, `cwd`; the exit `code` (one or several), words in `out` and
in `err`, in neither (`not`), how often at `most`, `json` of the output, or the one `line` of a refusal. The interpreter
of "theirs" leaves "started" when it is started, which is seen where the doctor says so (`starts`).
"""

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
from planting import plant
from rows import holds, rows
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
EVERY = rows("security/hostile.jsonl")
FOLDERS = {row["folder"]: row["files"] for row in EVERY if "folder" in row}
SENSELESS = ("-5", "0", "1e30", '"64"', "[1, 2]", "true", "NaN", "Infinity", "-Infinity", "1.5", "{}", "[]", "[[1]]", "9" * 4000)  # fmt: skip


def _every() -> Iterator[dict[str, Any]]:
    for row in EVERY:
        for number, each in enumerate(row.get("each", [None]) if "steps" in row else ()):
            text = json.dumps({**row, "each": None}).replace('"@each"', json.dumps(each))
            yield {**json.loads(text), "name": f"{row['name']} {number or ''}".strip()}
    for key, usual in list(GOOD.items())[1:]:
        for value in SENSELESS if key == "hidden_size" else SENSELESS[:4]:
            text = json.dumps(GOOD).replace(f'"{key}": {usual}', f'"{key}": {value}')
            line = [f"config.json: {key} is ", "; expected "]
            steps = [{"argv": ["fit", ".", "--vram", "24"], "line": line}]
            yield {"name": f"{key}: {value[:9]}", "files": {"config.json": text}, "steps": steps}


@pytest.mark.parametrize("row", list(_every()), ids=lambda row: row["name"])
def test_a_hostile_folder(row, tmp_path, monkeypatch, inside):
    monkeypatch.chdir(tmp_path)
    files = {**FOLDERS.get(row.get("in", ""), {}), **row.get("files", {})}
    for name, times in row.get("many", {}).items():
        files |= {name.replace("#", f"{n:05}"): "" for n in range(times)}
    if "config" in row:
        files["config.json"] = json.dumps(GOOD | row["config"])
    for name, said in row.get("tools", {}).items():
        files |= {f"said/{name}": said, f"bin/{name}": f"#!/bin/sh\nexec cat @root/said/{name}\n"}
    places = {**PLACES, "@root": str(tmp_path)}

    def named(value):
        text = json.dumps(value)
        for name, place in places.items():
            text = text.replace(name, place)
        return json.loads(text)

    plant(tmp_path, named(files))
    for step in map(named, row["steps"]):
        before = os.times()
        # what is run has the streams of the process
        start = doctor if step["argv"][0] == "run" else inside
        ended = start(*step["argv"], cwd=tmp_path / step.get("cwd", ""), **step.get("env", {}))
        used = [now - then for now, then in zip(os.times()[:4], before[:4], strict=True)]
        out, err = ended.stdout, ended.stderr
        told = f"{step['argv']} {ended.returncode}\n{out}\n{err}"
        assert sum(used) < CPU, told
        plain = json.dumps(json.loads(out), ensure_ascii=False) if out.startswith("{") else out
        assert all(c.isprintable() or c == "\n" for c in plain + err), told
        assert (tmp_path / "started").exists() is step.get("starts", False), told
        if "line" in step:
            assert (ended.returncode, out, err.count("\n")) == (2, "", 1), told
            assert len(err) < 600, told
        wanted = step.get("code", (0, 1, 2))
        assert ended.returncode in (wanted if isinstance(wanted, (list, tuple)) else [wanted]), told
        flat = {"out": " ".join(plain.split()), "err": " ".join(err.split())}
        flat["line"] = flat["err"]
        for stream, text in flat.items():
            assert not [w for w in step.get(stream, []) if w not in text], told
            assert all(text.count(w) <= most for w, most in step.get("most", {}).items()), told
        assert not [w for w in step.get("not", []) if w in out + err], told
        assert holds(json.loads(out) if "json" in step else {}, step.get("json", {})), told


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
