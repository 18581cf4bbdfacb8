"""Fork for each case that comes on standard input, run the command in the child, and tell how it ended.

Started by fuzz.py as `fuzz_server.py MODULE:FUNCTION`; it imports the doctor and nothing of the fuzzer, so that what a
child takes is what the command takes. A case is a line of JSON: argv, folder, env, fresh, seconds; standard output,
standard error and what was raised and caught go to the files out, err and raised beside the folder.
"""

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOM = 2 << 30
"""Bytes of address space and of a written file, so that a bomb ends the case and not the machine."""


def noted(function: Callable[..., Any], place: Path) -> Callable[..., Any]:
    """Return the function; a fault that it raises is written down and goes on."""

    def run(*args: Any, **named: Any) -> Any:  # noqa: ANN401
        try:
            return function(*args, **named)
        except Exception as error:
            # what the system refuses is no fault of a probe
            if not isinstance(error, OSError):
                with place.open("a", encoding="utf-8", errors="replace") as file:
                    file.write(traceback.format_exc() + "\0")
            raise

    return run


def warm_up() -> None:
    """Import all of the doctor but what runs in targets, which a single command imports by and by."""
    package = importlib.import_module("tunedoctor")
    for one in pkgutil.walk_packages(package.__path__, "tunedoctor."):
        if not one.name.startswith(("tunedoctor.target.", "tunedoctor.__main__")):
            with contextlib.suppress(ImportError):
                importlib.import_module(one.name)
    importlib.import_module("tunedoctor.__main__")


def listen_to_faults(place: Path) -> None:
    """Hear of what checks, probes and readers raise, which the doctor catches."""
    from tunedoctor.diagnosis import engine  # noqa: PLC0415  not where another command is run
    from tunedoctor.probes import probing  # noqa: PLC0415  not where another command is run
    from tunedoctor.readers import read  # noqa: PLC0415

    engine.call = noted(engine.call, place)  # type: ignore[attr-defined]
    probing.call = noted(probing.call, place)  # type: ignore[attr-defined]
    read._READERS = tuple(noted(one, place) for one in read._READERS)  # noqa: SLF001


def become(case: dict[str, Any], command: Callable[[], None]) -> None:
    """Run a case in this process, which is the child; returns or raises as the command does."""
    folder = Path(case["folder"])
    os.setsid()
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(folder.parent / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    seconds = int(case["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
    os.environ.clear()
    os.environ.update(case["env"])
    if case["fresh"]:
        os.execve(sys.executable, [sys.executable, "-m", "tunedoctor", *case["argv"]], case["env"])  # noqa: S606
    sys.argv = ["doctor", *case["argv"]]
    if "tunedoctor" in sys.modules:
        listen_to_faults(folder.parent / "raised")
    command()


def status_of(case: dict[str, Any], command: Callable[[], None]) -> int:
    """Run a case and return its exit status; ends as the interpreter does, but tears nothing down."""
    status: Any = 0
    try:
        become(case, command)
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001  as at the end of a script
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()  # noqa: SLF001  children are ended here
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return status if isinstance(status, int) else int(status is not None)


def wait(child: int, seconds: float) -> dict[str, Any]:
    """Wait for a child, end it when its time is over, and return what it took."""
    began = time.monotonic()
    done = 0
    while not done:
        done, status, used = os.wait4(child, os.WNOHANG)
        if not done and time.monotonic() - began > 3 * seconds + 1:
            os.kill(child, signal.SIGKILL)
            done, status, used = os.wait4(child, 0)
        time.sleep(0 if done else 0.002)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "cpu": used.ru_utime + used.ru_stime,
        "wall": time.monotonic() - began,
        "peak": used.ru_maxrss,
        "left": survivors(),
    }


def survivors() -> int:
    """End what a case left running; it has become a child of this process. Returns how many there were."""
    time.sleep(0.001)
    ended: set[str] = set()
    for turn in range(50):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        alive = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        if not alive:
            break
        if turn > 20:  # what was killed needs a moment to go
            ended |= set(alive)
            for one in alive:
                os.kill(int(one), signal.SIGKILL)
        time.sleep(0.01)
    return len(ended)


def main() -> None:
    """Serve until standard input ends."""
    module, _, name = sys.argv[1].partition(":")
    if module == "tunedoctor.__main__":
        warm_up()
    command = getattr(importlib.import_module(module), name)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to this process
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    for line in iter(requests.readline, ""):
        case = json.loads(line)
        child = os.fork()
        if not child:
            os.close(answers.fileno())
            os._exit(status_of(case, command))
        answers.write(json.dumps(wait(child, case["seconds"])) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
