"""A tool of a vendor that answers nonsense, too much or nothing is not believed, and stalls nobody."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tools are scripts")

ROW = "{}, NVIDIA H100 80GB HBM3, GPU-{}, 00000000:{:02x}:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0"
TABLE = Path(__file__).parent.parent / "samples" / "smi" / "nvidia-smi_table_590_h100_mig.txt"
HONEST = {
    "one GPU": f"print({ROW.format(0, 1, 0)!r})",
    "a table": f"print(open({str(TABLE)!r}).read())",
    "none": "print('No devices were found'); sys.exit(6)",
    "no tool": None,
}
FOOLS = {
    "garbage": "print('qwerty uiop')",
    "nothing": "",
    "garbage with the status of no devices": "print('qwerty'); sys.exit(6)",
    "garbage with the status of no driver": "print('qwerty'); sys.exit(9)",
    "60,000 rows": f"for i in range(60000): print({ROW!r}.format(i, i, i % 256))",
    "one GPU twice": f"print({ROW.format(0, 1, 0)!r}); print({ROW.format(0, 2, 1)!r})",
    "escape sequences": r"print('\x1b]0;owned\x07\x1b[2J\x1b[31m\u202egarbage')",
    "bytes that are no text": r"os.write(1, bytes(range(256)) * 99)",
    "a table that is cut": f"print(open({str(TABLE)!r}).read()[:600])",
    "a gigabyte": "[os.write(1, b'x' * (1 << 20)) for _ in range(1024)]",
    "a row of ten megabytes": "print('0, ' * (10 << 20))",
    "a pipe that never closes": "os.fork() or (os.setsid(), time.sleep(300))",
}
"""Answers from which nobody can tell whether there is a GPU."""


def check(folder: Path, body: str | None, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run a check with a nvidia-smi of that body."""
    if body is not None:
        script = folder / "nvidia-smi"
        script.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{body}\n")
        script.chmod(0o755)
    argv = [
        sys.executable,
        "-m",
        "tunedoctor",
        "check",
        "--target",
        sys.executable,
        "--fail-on",
        "never",
        *more,
    ]
    env = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "NO_COLOR": "1"}
    began = time.monotonic()
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in ended.stderr
    assert time.monotonic() - began < 15
    return ended


@pytest.mark.parametrize("name", HONEST)
def test_honest_answers_are_believed(tmp_path: Path, name: str) -> None:
    ended = check(tmp_path, HONEST[name], "--format", "json")
    report: dict[str, Any] = json.loads(ended.stdout)
    machine = report["machine"]
    assert (ended.returncode, report["verdict"], machine["gpus_known"]) == (0, "ready", True)
    assert bool(machine["gpus"]) is (name in ("one GPU", "a table"))


@pytest.mark.parametrize("fool", FOOLS)
def test_nonsense_is_not_known(tmp_path: Path, fool: str) -> None:
    ended = check(tmp_path, FOOLS[fool])
    assert ended.returncode == 2
    assert "Could not tell" in ended.stdout
    assert "on the CPU" not in ended.stdout
    assert "nvidia-smi" in ended.stdout
    assert all(c.isprintable() or c == "\n" for c in ended.stdout)
