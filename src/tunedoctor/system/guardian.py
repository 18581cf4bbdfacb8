"""End what a doctor started after that doctor has ended: `python guardian.py PARENT`.

Nothing else can do that if doctor gets SIGKILL. Standard input is a pipe whose other end only that doctor has
open. The first line is doctor's mark, which its children have in their environment; a second line, SECONDS, asks to
end them gently: a training first saves a checkpoint. Uses only the standard library; Windows has jobs instead.
"""

import os
import select
import signal
import subprocess
import sys
import time

VARIABLE = b"DOCTOR_CHILD="
_LOOKS_AT_PARENT = 0.5
"""Seconds. A process that doctor forked and that is still running holds the pipe open."""
_AGAIN = 0.5
"""Seconds to keep looking: a child that is being started gets its environment a moment later."""
_LONGEST = 10.0


def main(parent: int) -> None:
    """Wait until doctor has ended, then end everything with its mark."""
    mark, gentle = _wait(parent)
    if not mark:
        return
    if gentle:
        _end_gently(mark, gentle)
    kill_marked(mark, _AGAIN)


def kill_marked(mark: bytes, seconds: float = 0.0) -> None:
    """Kill all processes with a mark, until none was seen for some seconds."""
    began = last = time.monotonic()
    while True:
        found = marked(mark)
        for pid in found:
            _send(pid, signal.SIGKILL)
        now = time.monotonic()
        last = now if found else last
        if (now - last >= seconds and not found) or now - began > _LONGEST:
            return
        time.sleep(0.02)


def marked(mark: bytes) -> list[int]:
    """Return the numbers of the processes that have a mark in their environment, except this one."""
    if sys.platform != "linux":
        return _marked_by_ps(mark)
    result: list[int] = []
    for name in os.listdir("/proc"):  # noqa: PTH208  names alone
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123  pathlib takes as long as all of this
                text = b"\0" + file.read()
        except OSError:  # another user's, or ended; a zombie has none
            continue
        _, _, value = text.partition(b"\0" + VARIABLE)
        if mark in value.partition(b"\0")[0]:
            result.append(int(name))
    return result


def _marked_by_ps(mark: bytes) -> list[int]:
    argv = ["/bin/ps", "-axwwE", "-o", "pid=,command="]
    text = subprocess.run(argv, capture_output=True, check=False).stdout  # noqa: S603
    lines = (line.split(None, 1) for line in text.splitlines() if mark in line)
    return [int(pid) for pid, _ in lines if pid.isdigit() and int(pid) != os.getpid()]


def _end_gently(mark: bytes, seconds: float) -> None:
    """Send SIGHUP, then SIGTERM, and wait."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        for pid in marked(mark):
            _send(pid, number)
        time.sleep(0.1)
    ends = time.monotonic() + seconds
    while marked(mark) and time.monotonic() < ends:
        time.sleep(0.1)


def _wait(parent: int) -> tuple[bytes, float]:
    """Read lines until the pipe ends or the parent changes; return the mark and the seconds."""
    text = b""
    while os.getppid() == parent:
        if select.select([0], [], [], _LOOKS_AT_PARENT)[0]:
            block = os.read(0, 4096)
            if not block:
                break
            text += block
    lines = text.split(b"\n")
    last = lines[-2] if len(lines) > 2 else b"0"
    return lines[0], float(last)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        return


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # only doctor decides
        signal.signal(each, signal.SIG_IGN)
    main(int(sys.argv[1]))
