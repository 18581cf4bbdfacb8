"""Children can't hang, flood or outlive the doctor."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from tunedoctor.child import Ended, run, run_lines

PY = sys.executable


def test_output_and_status() -> None:
    ended = run(
        [PY, "-c", "import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)"], timeout=20
    )
    assert (ended.how, ended.code, ended.out.strip(), ended.err.strip()) == ("exit", 3, "a", "b")
    assert ended.death == "exit status 3"


def test_a_hang_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(mark)!r}, 'w').write(str(p.pid)); print('begun', flush=True); time.sleep(60)"
    )
    ended = run([PY, "-c", script], timeout=3)
    assert ended.how == "hung"
    assert ended.out == "begun\n"
    grandchild = int(mark.read_text())
    for _ in range(50):
        stat = Path(f"/proc/{grandchild}/stat")
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the grandchild is still there")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_crash_names_its_signal() -> None:
    ended = run([PY, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"], timeout=20)
    assert ended.death == "signal SIGSEGV"


def test_a_flood_is_cut() -> None:
    ended = run([PY, "-c", "print('x' * 10**7)"], timeout=20, limit=1000)
    assert ended.ok
    assert len(ended.out) == 1000
    assert ended.truncated


def test_a_program_that_is_not_there() -> None:
    ended = run(["/no/such/program"], timeout=1)
    assert ended.how == "not started"
    assert "FileNotFoundError" in ended.death


def test_nul_in_an_argument_is_no_crash() -> None:
    assert run([PY, "a\0b"], timeout=1).how == "not started"


def test_bytes_that_are_no_text() -> None:
    ended = run([PY, "-c", "import os; os.write(1, bytes(range(256)))"], timeout=20)
    assert ended.ok
    assert "\ufffd" in ended.out


def test_stdin_reaches_it() -> None:
    assert run([PY, "-c", "print(input())"], timeout=20, stdin="hello\n").out == "hello\n"


def _lines(script: str, **limits: float) -> tuple[list[str], Ended]:
    heard: list[str] = []

    def hear(line: str) -> float:
        heard.append(line)
        return 60.0

    return heard, run_lines([PY, "-u", "-c", script], heard=hear, silence=60, timeout=90, **limits)


def test_a_child_that_does_no_work_is_hung_and_says_where() -> None:
    script = "import faulthandler, sys, time\nfaulthandler.enable(sys.stdout)\nprint('begun')\ntime.sleep(60)"
    began = time.monotonic()
    heard, ended = _lines(script, idle=2.0)
    assert ended.how == "hung"
    assert time.monotonic() - began < 30
    assert heard[0] == "begun"
    assert any("most recent call first" in line for line in heard)


def test_a_child_that_works_in_silence_is_let_be() -> None:
    script = (
        "import time\nend = time.monotonic() + 5\nwhile time.monotonic() < end: pass\nprint('done')"
    )
    heard, ended = _lines(script, idle=2.0)
    assert ended.ok
    assert heard == ["done"]


@pytest.mark.skipif(os.name == "nt", reason="Windows waits for the readers instead")
@pytest.mark.parametrize("held", [False, True], ids=["alone", "a daemon holds the pipe"])
def test_last_words_are_read_where_readers_come_late(
    monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """On a busy machine a thread starts long after the child has ended."""
    begin, late = threading.Thread.run, 1.5

    def run_late(self: threading.Thread) -> None:
        time.sleep(late)
        begin(self)

    monkeypatch.setattr(threading.Thread, "run", run_late)
    # cleared of its mark, in a session of its own: while other children live nobody knows whose it is
    daemon = "if not os.fork(): os.setsid(); os.execve('/bin/sleep', ['sleep', '20'], {})\n"
    script = f"import os\n{daemon * held}os.write(1, b'a\\n' * 20000); os.write(2, b'last')"
    other = threading.Thread(target=lambda: run(["/bin/sleep", "4"], timeout=20), daemon=True)
    other.start()
    time.sleep(late + 0.5)
    began = time.monotonic()
    ended = run([PY, "-S", "-c", script], timeout=20)
    assert (len(ended.out), ended.err) == (40_000, "last")
    heard, ended = _lines(script)
    assert (heard, ended.err) == (["a"] * 20_000, "last")
    assert time.monotonic() - began < 15
    other.join()
