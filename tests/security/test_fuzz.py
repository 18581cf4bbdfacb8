"""A few cases of benchmarks/fuzz.py on every run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux", reason="the fuzzer reads /proc and rusage of Linux"
    ),
    pytest.mark.skipif(not BENCHMARKS.exists(), reason="not a checkout: no benchmarks here"),
]


def test_no_command_of_a_few_cases_fails(tmp_path: Path) -> None:
    argv = [sys.executable, BENCHMARKS / "fuzz.py", "--cases=24", "--round=3", "--minutes=1"]
    ended = subprocess.run([*argv, "--seed=1"], capture_output=True, cwd=tmp_path, check=False)
    told = json.loads(ended.stdout)
    assert told["faults"] == {}
    assert ended.returncode == 0
    assert len(told["commands"]) >= 4, "cases of several commands"
