"""Several processes that are started together: what they are told, signals, and whose status counts."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tunedoctor

LAUNCH = Path(tunedoctor.__file__).parent / "target" / "launch.py"
TOLD = """
import os
with open("told" + os.environ["RANK"], "w") as file:
    file.write(" ".join(os.environ[k] for k in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")))
"""


def started(folder: Path, script: str) -> "subprocess.Popen[bytes]":
    (folder / "one.py").write_text(script)
    return subprocess.Popen([sys.executable, str(LAUNCH), "2", "one.py"], cwd=folder)


def test_each_is_told_its_place(tmp_path: Path) -> None:
    assert started(tmp_path, TOLD).wait(60) == 0
    told = [(tmp_path / f"told{rank}").read_text().split() for rank in (0, 1)]
    assert [one[:4] for one in told] == [["0", "0", "2", "127.0.0.1"], ["1", "1", "2", "127.0.0.1"]]
    assert told[0][4] == told[1][4]


WAITS = "signal.signal(signal.SIGTERM, lambda *_: None)\nif os.environ['RANK'] == '0': raise SystemExit(1)\ntime.sleep(600)"


@pytest.mark.parametrize(("script", "code"), [
    ("raise SystemExit(2)", 2),
    ("if os.environ['RANK'] == '1': os.kill(os.getpid(), 9)", 128 + 9),
    (WAITS, 1),
])  # fmt: skip
def test_the_status_is_theirs(tmp_path: Path, script: str, code: int) -> None:
    assert started(tmp_path, f"import os, signal, time\n{script}").wait(60) == code


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_is_theirs_to_answer(tmp_path: Path) -> None:
    script = """
import os, signal, time
got = []
signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
open("ready" + os.environ["RANK"], "w").close()
while not got: time.sleep(0.01)
time.sleep(0.5)
open("saved" + os.environ["RANK"], "w").close()
"""
    child = started(tmp_path, script)
    while len(list(tmp_path.glob("ready*"))) < 2:
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 0
    assert len(list(tmp_path.glob("saved*"))) == 2
