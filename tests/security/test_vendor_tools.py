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
HONEST = f"print({ROW.format(0, 1, 0)!r})"
TABLE = Path(__file__).parent.parent / "samples" / "smi" / "nvidia-smi_table_590_h100_mig.txt"
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


def check(folder: Path, body: str | None) -> "tuple[int, dict[str, Any], str, float]":
    """Return exit status, report, screen and seconds of a check with a nvidia-smi of that body."""
    folder.mkdir()
    if body is not None:
        script = folder / "nvidia-smi"
        script.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{body}\n")
        script.chmod(0o755)
    argv = [sys.executable, "-m", "tunedoctor", "check", "--target", sys.executable]
    argv += ["--fail-on", "never"]  # nothing else decides
    env = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "NO_COLOR": "1"}
    began = time.monotonic()
    report, screen = (
        subprocess.run(
            [*argv, *more], env=env, capture_output=True, text=True, check=False, timeout=120
        )
        for more in (["--format", "json"], [])
    )
    assert "Traceback" not in report.stderr + screen.stderr
    assert report.returncode == screen.returncode
    return report.returncode, json.loads(report.stdout), screen.stdout, time.monotonic() - began


def test_honest_answers_are_believed(tmp_path: Path) -> None:
    """The controls: one GPU, a table, none that the driver offers, and no tool at all."""
    code, report, _, _ = check(tmp_path / "gpu", HONEST)
    assert (code, [g["name"] for g in report["machine"]["gpus"]]) == (0, ["NVIDIA H100 80GB HBM3"])
    _, report, _, _ = check(tmp_path / "table", f"print(open({str(TABLE)!r}).read())")
    assert report["machine"]["gpus"]
    for name, body in {"none": "print('No devices were found'); sys.exit(6)", "away": None}.items():
        code, report, _, _ = check(tmp_path / name, body)
        assert (code, report["verdict"], report["machine"]["gpus_known"]) == (0, "ready", True)


@pytest.mark.parametrize("fool", FOOLS)
def test_nonsense_is_not_known(tmp_path: Path, fool: str) -> None:
    code, report, screen, seconds = check(tmp_path / "bin", FOOLS[fool])
    assert (code, report["verdict"], report["machine"]["gpus_known"]) == (2, "unknown", False)
    assert "on the CPU" not in screen
    assert "nvidia-smi" in screen
    assert all(c.isprintable() or c == "\n" for c in screen)
    assert seconds < 30, "two checks"
