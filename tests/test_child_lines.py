"""`child.run_lines`: real children that talk, fall silent, die and leave grandchildren."""

import os
import sys
import time
from pathlib import Path

import pytest

from tunedoctor import child

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX")


def say(
    code: str, *, silence: float = 20.0, timeout: float = 20.0
) -> tuple[list[str], child.Ended]:
    """Run Python code and return its lines and its end; each line allows `silence` seconds."""
    lines: list[str] = []

    def heard(line: str) -> float:
        lines.append(line)
        return silence

    ended = child.run_lines(
        [sys.executable, "-S", "-u", "-c", code], heard=heard, silence=20.0, timeout=timeout
    )
    return lines, ended


def test_lines_come_in_order_and_the_end_is_told() -> None:
    lines, ended = say(
        "import sys; print('a'); print('é'); print('x', file=sys.stderr); sys.exit(3)"
    )
    assert lines == ["a", "é"]
    assert (ended.how, ended.code, ended.err.strip()) == ("exit", 3, "x")


def test_silence_after_a_line_is_a_hang() -> None:
    began = time.monotonic()
    lines, ended = say("import time; print('a'); time.sleep(60)", silence=0.3)
    assert lines == ["a"]
    assert ended.how == "hung"
    assert ended.seconds == pytest.approx(0.3)
    assert time.monotonic() - began < 10


def test_lines_that_keep_coming_end_at_the_limit_for_all() -> None:
    code = "import time\nwhile True: print('a'); time.sleep(0.05)"
    lines, ended = say(code, timeout=0.8)
    assert lines
    assert (ended.how, ended.seconds) == ("hung", 0.8)


@POSIX
def test_a_signal_is_told_by_name() -> None:
    _, ended = say("import os; os.kill(os.getpid(), 11)")
    assert ended.death == "signal SIGSEGV"


@POSIX
def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_doctor(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        f"import os, time\nprint('a')\npid = os.fork()\n"
        f"if pid: open({str(note)!r}, 'w').write(str(pid)); os._exit(0)\ntime.sleep(60)"
    )
    began = time.monotonic()
    lines, ended = say(code)
    assert (lines, ended.how) == (["a"], "exit")
    assert time.monotonic() - began < 10
    assert not alive(int(note.read_text()))


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet reaped does not."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return False
        time.sleep(0.02)
    return True


def test_a_closed_stream_does_not_hide_a_hang() -> None:
    code = "import os, time\nprint('a', flush=True)\nos.close(1)\ntime.sleep(60)"
    _, ended = say(code, silence=0.3)
    assert ended.how == "hung"


def test_a_program_that_is_not_there_is_told() -> None:
    ended = child.run_lines(["/nowhere/python"], heard=lambda _: 1.0, silence=1.0, timeout=1.0)
    assert ended.how == "not started"


def test_a_flood_is_cut() -> None:
    lines: list[str] = []

    def heard(line: str) -> float:
        lines.append(line)
        return 20.0

    ended = child.run_lines(
        [sys.executable, "-S", "-c", "for _ in range(100000): print('0123456789')"],
        heard=heard,
        silence=20.0,
        timeout=20.0,
        limit=1100,
    )
    assert ended.ok
    assert len(lines) == 100
