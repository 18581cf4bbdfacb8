"""A command of the doctor as a user types it, tools of its developers, and whether a process ends."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

from tunedoctor.cli.app import run

Ran = subprocess.CompletedProcess[str]
Child = subprocess.Popen[str]
Inside = Callable[..., Ran]
"""A command in this process: the fixture of that name."""
AROUND = {
    (k, v)
    for k, v in os.environ.items()
    if k.startswith(("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_", "UV_", "PYENV_", "HOME"))
}
"""Environments of the person who runs the tests are nobody's target, and their package sources nobody's."""


HOME = os.path.join(gettempdir(), "no-such-home")  # noqa: PTH118
"""Of a user who has nothing."""
HANGS = 1200
"""Seconds after which what runs is taken for hung, on a machine that is slow for all."""


def bare() -> dict[str, str]:
    return {"HOME": HOME} | {k: v for k, v in os.environ.items() if (k, v) not in AROUND}


def ran(
    *argv: object, stdin: str = "", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Ran:
    how: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "timeout": HANGS}
    return subprocess.run([*map(str, argv)], input=stdin, cwd=cwd, env=env, check=False, **how)


def doctor(*argv: str, stdin: str = "", cwd: Path | None = None, **env: str) -> Ran:
    """Run it to its end; a fault of the doctor's own fails the test."""
    around = {**bare(), "PYTHONIOENCODING": "utf-8", **env}
    ended = ran(sys.executable, "-m", "tunedoctor", *argv, stdin=stdin, cwd=cwd, env=around)
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
    return ended


def on_terminal(
    argv: list[str], cwd: Path | None = None, keys: bytes = b"", when: bytes = b"", **env: str
) -> Ran:
    """Run a process to its end on a terminal of its own; `stdout` is all that it showed, `keys` are typed `when`."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd or ".")
        os.execvpe(argv[0], argv, {**os.environ, **env})  # noqa: S606
    said = b""
    try:
        while block := os.read(master, 1 << 16):
            said += block
            if keys and when in said:
                os.write(master, keys)
                keys = b""
    except OSError:  # how Linux tells that nobody writes any more
        pass
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(master)
    return Ran(argv, status, said.decode(), "")


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait for what comes, and return it."""
    end = time.monotonic() + seconds
    while not (told := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return told


def soon(work: Callable[[], object], seconds: float, tries: int = 20) -> bool:
    """Tell whether work takes less time of a processor, by the least of some runs: neighbours slow each of them."""
    for _ in range(tries):
        began = time.process_time()
        work()
        if time.process_time() - began < seconds:
            return True
    return False


def gone(pid: int, tries: int = 400) -> bool:
    """Tell whether a process ends in time; one that is dead and not yet reaped has."""
    for _ in range(tries):
        stat = Path(f"/proc/{pid}/stat")
        try:
            os.kill(pid, 0)
            if stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def started(*argv: object, cwd: Path | None = None, **env: str) -> Child:
    """Start a command of the doctor whose streams are pipes."""
    words = [sys.executable, "-m", "tunedoctor", *map(str, argv)]
    how: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    around = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **env}
    return subprocess.Popen(words, cwd=cwd, env=around, encoding="utf-8", **how)


def inside(*argv: str, stdin: str = "", cwd: Path | None = None, **env: str) -> Ran:
    """Run it in this process, which is quicker; what hangs ends by an alarm."""
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(HANGS)
    streams = [TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - bare().keys():
            patch.delenv(name)
        for name, value in {**bare(), **env}.items():
            patch.setenv(name, value)
        patch.chdir(cwd or ".")
        patch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        try:
            code = run([*argv])
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            signal.alarm(0)
    out, err = (one.buffer.getvalue().decode() for one in streams)
    assert "Traceback" not in out + err, out + err
    return Ran(argv, code, out, err)


def _alarm(*_: object) -> None:
    msg = f"it takes more than {HANGS} seconds"
    raise TimeoutError(msg)


def tool(name: str, folder: str = "tools") -> Any:
    """Return a program of the developers as a module; there is one in a checkout alone."""
    place = Path(__file__).parents[1] / folder
    if not place.is_dir():
        pytest.skip(f"not a checkout: {folder} is not here", allow_module_level=True)
    with pytest.MonkeyPatch.context() as patch:
        # what judges the product imports benchmarks and the museum, which are no packages
        for one in (place, place.parent / "benchmarks", place.parent / "tests" / "museum"):
            patch.syspath_prepend(one)
        return import_module(name)
