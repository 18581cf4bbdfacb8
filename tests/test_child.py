"""Children can't hang, flood or outlive the doctor; `run_lines` hears those that talk."""

import subprocess
import sys
import threading
import time

import pytest
from typed import gone

from tunedoctor.system import descendants
from tunedoctor.system.child import ChildResult, run, run_lines

PY = sys.executable


def say(code: str, *, silence: float = 600.0, **limits: float) -> tuple[list[str], ChildResult]:
    """Run Python code and return its lines and its end; each line allows `silence` seconds."""
    lines: list[str] = []

    def heard(line: str) -> float:
        lines.append(line)
        return silence

    given = {"silence": 600.0, "timeout": 900.0, **limits}
    argv = [PY, "-S", "-u", "-c", code]
    return lines, run_lines(argv, on_line=heard, **given)


@pytest.mark.parametrize(
    ("code", "lines", "end"),
    [
        (
            "import sys; print('a'); print('é'); print('x', file=sys.stderr); sys.exit(3)",
            ["a", "é"],
            ["exit", "x", "exit status 3"],
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            [],
            ["signal", "", "signal SIGSEGV"],
        ),
    ],
)
def test_output_and_status(code, lines, end):
    ended = run([PY, "-c", code], timeout=200)
    heard, told = say(code)
    assert ended.out.splitlines() == heard == lines
    for one in (ended, told):
        assert [one.how, one.err.strip(), one.death] == end


def test_a_hang_is_ended_with_its_children(tmp_path):
    mark = tmp_path / "pid"
    script = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(mark)!r}, 'w').write(str(p.pid)); print('begun', flush=True); time.sleep(60)"
    )
    # a machine that is slow has not begun by the first
    ended = next(one for s in (2, 20, 100) if (one := run([PY, "-c", script], timeout=s)).out)
    assert (ended.how, ended.out) == ("hung", "begun\n")
    assert gone(int(mark.read_text()))


def test_a_flood_is_cut():
    ended = run([PY, "-c", "print('x' * 10**7)"], timeout=200, limit=1000)
    assert ended.ok
    assert (len(ended.out), ended.truncated) == (1000, True)
    lines, ended = say("for _ in range(100000): print('0123456789')", limit=1100)
    assert ended.ok
    assert len(lines) == 100


def test_programs_that_do_not_start():
    ended = run(["/no/such/program"], timeout=1)
    assert ended.how == "not started"
    assert "FileNotFoundError" in ended.death
    assert run([PY, "a\0b"], timeout=1).how == "not started"
    ended = run_lines(["/nowhere/python"], on_line=lambda _: 1.0, silence=1.0, timeout=1.0)
    assert ended.how == "not started"


@pytest.mark.parametrize(
    ("code", "limits", "how", "seconds"),
    [
        # silence after a line
        ("import time; print('a'); time.sleep(60)", {"silence": 0.3}, "hung", 0.3),
        # lines that keep coming
        ("import time\nwhile True: print('a'); time.sleep(0.05)", {"timeout": 0.8}, "hung", 0.8),
        # a closed stream does not hide it
        ("import os, time\nprint('a')\nos.close(1)\ntime.sleep(60)", {"silence": 0.3}, "hung", 0.3),
        # who does no work is hung and says where
        (
            (
                "import faulthandler, sys, time\n"
                "faulthandler.enable(sys.stdout)\n"
                "print('a')\n"
                "time.sleep(60)"
            ),
            {"idle": 1.5},
            "hung",
            None,
        ),
        # who works in silence is let be
        (
            (
                "import time\n"
                "end = time.monotonic() + 3\n"
                "while time.monotonic() < end: pass\n"
                "print('a')"
            ),
            {"idle": 1.5},
            "exit",
            None,
        ),
    ],
)
def test_hangs_by_the_limit_that_was_passed(code, limits, how, seconds):
    began = time.monotonic()
    # silence is counted from the start: a machine that is slow has not begun by then
    lines, ended = next(one for _ in range(20) if (one := say(code, **limits))[0])
    assert (lines[0], ended.how) == ("a", how)
    assert seconds is None or ended.seconds == pytest.approx(seconds)
    assert time.monotonic() - began < 50
    assert "faulthandler" not in code or any("most recent call first" in line for line in lines)


def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_doctor(tmp_path):
    note = tmp_path / "pid"
    code = (
        f"import os, time\nprint('a')\npid = os.fork()\n"
        f"if pid: open({str(note)!r}, 'w').write(str(pid)); os._exit(0)\ntime.sleep(60)"
    )
    began = time.monotonic()
    lines, ended = say(code)
    assert (lines, ended.how) == (["a"], "exit")
    assert time.monotonic() - began < 50
    assert gone(int(note.read_text()))


@pytest.mark.parametrize("held", [False, True], ids=["alone", "a daemon holds the pipe"])
def test_last_words_are_read_where_readers_come_late(monkeypatch, held):
    """On a busy machine a thread starts long after the child has ended."""
    begin, late = threading.Thread.run, 1.0

    def run_late(self):
        time.sleep(late)
        begin(self)

    monkeypatch.setattr(threading.Thread, "run", run_late)
    # cleared of its mark, in a session of its own: while other children live nobody knows whose it is
    daemon = "if not os.fork(): os.setsid(); os.execve('/bin/sleep', ['sleep', '99'], {})\n"
    script = f"import os\n{daemon * held}os.write(1, b'a\\n' * 20000); os.write(2, b'last')"
    other = threading.Thread(target=lambda: run(["/bin/sleep", "3"], timeout=20), daemon=True)
    other.start()
    time.sleep(late + 0.5)
    began = time.monotonic()
    ended = run([PY, "-S", "-c", script], timeout=90)
    assert (len(ended.out), ended.err) == (40_000, "last")
    heard, ended = say(script)
    assert (heard, ended.err) == (["a"] * 20_000, "last")
    assert time.monotonic() - began < 80
    other.join()


@pytest.mark.skipif(sys.platform != "linux", reason="others list the children of a process at once")
def test_a_child_is_found_while_threads_end(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    stop = threading.Event()

    def starts_threads() -> None:
        while not stop.is_set():
            one = threading.Thread(target=int)
            one.start(), one.join()

    several = [threading.Thread(target=starts_threads) for _ in range(3)]
    [one.start() for one in several]
    child = descendants.start(["sleep", "900"], env=None, cwd=None, stdin=subprocess.DEVNULL)
    try:
        assert all(child.pid in descendants._candidates() for _ in range(1500))
    finally:
        stop.set(), descendants.end(child)
        [one.join() for one in several]
