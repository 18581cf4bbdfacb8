"""Start a child so that everything it starts ends with it, whatever group, session or environment that uses.

Each child has a random mark in its environment, which its own children inherit. On Linux, this process adopts orphans
while it has running children (PR_SET_CHILD_SUBREAPER, prctl(2)); those that cleared their environment are killed when
the last of these children has ended. On macOS, an orphan that cleared its environment can't be found. Windows has
jobs.

If doctor gets SIGKILL, it can't end anything. So a child that may run for long is watched by a small separate process
(`guardian.py`), which kills everything with doctor's mark as soon as doctor has ended.
"""

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.system import guardian, programs

_MARK = "DOCTOR_CHILD"
_OWN = os.urandom(16).hex()
"""The mark of this process, with which the mark of each child begins."""
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 1.0
"""Seconds to wait for killed processes. One stuck in a driver call (state D) ends later: no one waits for it."""
_LOOKS = 9
"""Looks at this process's children while its threads end."""


class _Child(NamedTuple):
    process: "subprocess.Popen[bytes]"
    mark: bytes


_LOCK = threading.RLock()
_LIVING: dict[int, _Child] = {}
_OTHERS: set[int] = set()
"""Children that this process had before it started any here."""
_GUARDIANS: list["subprocess.Popen[bytes]"] = []
"""The guardian of this process, once it exists."""
_ONLY: set[str] = set()
"""Programs that may still be started after doctor was stopped; otherwise empty."""
_SHARED = threading.Event()
"""Set if other code in this process also starts children: then those without a mark are not ours."""


def share() -> None:
    """From now on leave children without a mark alone, because this process is not only doctor's."""
    _SHARED.set()


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    cwd: str | None,
    stdin: int,
    guarded: bool = True,
) -> "subprocess.Popen[bytes]":
    """Start `argv` with pipes for its output. Raises OSError and ValueError like Popen.

    `guarded`: it ends even if this process gets SIGKILL. That costs one start of Python per run of doctor.
    """
    mark = new_mark()
    environment = dict(os.environ if env is None else env)
    program = programs.started(argv[0], environment)
    if "PATH" in environment:  # so that the child finds programs where doctor finds them
        environment["PATH"] = programs.safe_path(environment)
    with _LOCK:
        if _ONLY and argv[0] not in _ONLY:
            raise OSError("doctor was stopped")
        if guarded:
            guard()
        if not _LIVING:
            _OTHERS.update(_candidates())
            _adopt_orphans(yes=True)
        try:
            process = subprocess.Popen(  # noqa: S603  argv lists only
                list(argv),
                executable=program,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, **variable(mark)},
                cwd=cwd,
                start_new_session=sys.platform != "win32",
            )
            _LIVING[process.pid] = _Child(process, mark.encode())
        finally:
            _rest()
    if sys.platform == "win32":
        hold(process.pid)
    return process


def new_mark() -> str:
    """Return a mark for a child: this process's, which its guardian knows, and a random part."""
    return f"{_OWN}.{os.urandom(16).hex()}"


def variable(mark: str) -> dict[str, str]:
    """Return the variable that marks a child, including the marks that this process was started with."""
    inherited = os.environ.get(_MARK, "")
    return {_MARK: f"{inherited},{mark}" if inherited else mark}


def guard(gentle: float = 0.0) -> None:
    """Start a process that ends all children of this one when this one ends; they have `gentle` seconds to save.

    If it can't be started, the children only end if this process ends in another way than by SIGKILL.
    """
    if sys.platform == "win32":
        return
    with _LOCK:
        if not _GUARDIANS or _GUARDIANS[0].poll() is not None:
            argv = [sys.executable, "-I", "-S", guardian.__file__, str(os.getpid())]
            null = subprocess.DEVNULL
            with suppress(OSError):
                process = subprocess.Popen(  # noqa: S603  argv lists only
                    argv, stdin=subprocess.PIPE, stdout=null, stderr=null, cwd="/", start_new_session=True
                )  # fmt: skip
                _GUARDIANS[:] = [process]
                _to_guardian(_OWN)
        if gentle:
            _to_guardian(f"{gentle}")


def _to_guardian(line: str) -> None:
    for process in _GUARDIANS:
        with suppress(OSError):
            if process.stdin:
                process.stdin.write(f"{line}\n".encode())
                process.stdin.flush()


def _end_guardian() -> None:
    """End the guardian: it would end the children that it watches."""
    for process in _GUARDIANS:
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()
    _GUARDIANS.clear()


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a child, if it still runs, and everything that it started."""
    with _LOCK:
        child = _LIVING.pop(process.pid, None)
        if child is not None:
            kill(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
            _sweep(child.mark)
            _rest()


def end_living() -> None:
    """End all running children, even those that a thread waits for."""
    with _LOCK:
        for child in list(_LIVING.values()):
            end(child.process)


@contextmanager
def closed(*allowed: str) -> Generator[None]:
    """End all children, and meanwhile only allow these programs to start, because other threads may start some."""
    with _LOCK:
        _ONLY.update(allowed)
        end_living()
    try:
        yield
    finally:
        _ONLY.clear()


@atexit.register
def end_all() -> None:
    """End the children that are no longer needed: doctor was interrupted, or a probe was given up."""
    # wait for a thread that is starting one, and prevent further starts
    if _LOCK.acquire(timeout=_PATIENCE):
        end_living()
        _end_guardian()


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a child and its process group, or its job on Windows. Does not wait."""
    if sys.platform == "win32":
        if job := _JOBS.pop(process.pid, None):
            _kernel32().TerminateJobObject(job, 1)
            _kernel32().CloseHandle(job)
        with suppress(OSError):
            process.kill()
        return
    if sys.platform == "darwin" and process.poll() is None:
        import psutil  # noqa: PLC0415  Linux does without

        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                _kill(child.pid)
    # the group is killed even if the child itself has ended: it may have left helpers behind
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _sweep(mark: bytes) -> None:
    """Kill processes that left the group of a dead child, repeatedly: their orphans come to this process."""
    ends = time.monotonic() + _PATIENCE
    while strays := [candidate for candidate in _candidates() if _is_stray(candidate, mark)]:
        for stray in strays:
            _kill(stray)
        if time.monotonic() > ends:
            return
        time.sleep(0.002)


def _candidates() -> list[int]:
    """Return the children of this process, including adopted ones; on systems without adoption, all processes."""
    if sys.platform == "win32":
        return []
    if sys.platform == "linux":
        for _ in range(_LOOKS):
            with suppress(OSError):  # a thread has ended, and its children moved to another
                lists = [
                    children_file.read_text()
                    for children_file in Path("/proc/self/task").glob("*/children")
                ]
                if lists:  # a kernel can be built without it
                    return [int(pid) for text in lists for pid in text.split()]
    import psutil  # noqa: PLC0415  11 ms, and Linux does without

    if sys.platform == "linux":
        return [child.pid for child in psutil.Process().children()]
    return list(map(int, psutil.pids()))


def _is_stray(pid: int, mark: bytes) -> bool:
    """Return whether a process has the mark of a dead child, or no mark while no child runs that it can belong to."""
    if (
        pid in _LIVING
        or pid in _OTHERS
        or pid in [guardian_process.pid for guardian_process in _GUARDIANS]
    ):
        return False
    marks = _environment(pid)
    if mark in marks or sys.platform != "linux" or _SHARED.is_set():
        return mark in marks
    # children that other code of this process starts stay in its session; process 1 adopts orphans of others
    with suppress(OSError):
        return not _LIVING and os.getpid() != 1 and os.getsid(pid) != os.getsid(0)
    return False


def _environment(pid: int) -> bytes:
    if sys.platform == "linux":
        with suppress(OSError):
            return Path(f"/proc/{pid}/environ").read_bytes()
        return b""
    import psutil  # noqa: PLC0415  Linux does without

    with suppress(psutil.Error, OSError):
        return str(psutil.Process(pid).environ().get(_MARK, "")).encode()
    return b""


def _kill(pid: int) -> None:
    if sys.platform != "win32":
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)  # only this process can reap an adopted one


def _rest() -> None:
    """Stop adopting if no child is running: what others start is not ours."""
    if not _LIVING:
        _adopt_orphans(yes=False)
        _OTHERS.clear()


def _adopt_orphans(*, yes: bool) -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  2 ms, and only who has children pays

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)


_JOBS: dict[int, Any] = {}
"""Windows: process number -> handle of its job, which ends everything that belongs to it. Jobs nest since Windows 8."""
_EXTENDED_LIMITS = 9
"""JobObjectExtendedLimitInformation (winnt.h)."""
_KILL_ON_JOB_CLOSE = (0x2000).to_bytes(4, "little")
"""LimitFlags, after two 64-bit times. Only this process has the handle: if it dies, the system ends the job."""
_ACCESS = 0x0101
"""PROCESS_TERMINATE | PROCESS_SET_QUOTA, which AssignProcessToJobObject needs."""


def hold(pid: int) -> None:
    """On Windows: put a process and everything that it starts into a new job. If that fails, it has none."""
    import ctypes  # noqa: PLC0415  Windows alone has jobs

    kernel32 = _kernel32()
    _JOBS[pid] = job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
    size = 144 if ctypes.sizeof(ctypes.c_void_p) == 8 else 112
    limits = _KILL_ON_JOB_CLOSE.rjust(20, b"\0").ljust(size, b"\0")
    kernel32.SetInformationJobObject(job, _EXTENDED_LIMITS, limits, size)
    process = ctypes.c_void_p(kernel32.OpenProcess(_ACCESS, 0, pid))
    kernel32.AssignProcessToJobObject(job, process)
    kernel32.CloseHandle(process)


def _kernel32() -> Any:  # noqa: ANN401  its functions have no types
    import ctypes  # noqa: PLC0415

    library = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009  other systems' ctypes has none
    library.CreateJobObjectW.restype = library.OpenProcess.restype = ctypes.c_void_p
    return library
