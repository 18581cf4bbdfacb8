"""doctor run with real commands: nothing changes for the command, and a failure is explained."""

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rows import rows

DOCTOR = [sys.executable, "-m", "tunedoctor", "run"]
ENV = {**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
STILL = 30.0
"""Seconds that a test waits for what must come."""


def run(
    *argv: str, stdin: bytes = b"", cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*DOCTOR, *argv],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**ENV, **env},
        timeout=120,
        check=False,
    )


def python(code: str, *options: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return run(*options, "--", sys.executable, "-c", code, **env)


def started(code: str) -> "subprocess.Popen[bytes]":
    """Start doctor run around `code`, which prints a line when it is ready."""
    child = subprocess.Popen(
        [*DOCTOR, "--", sys.executable, "-uc", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # what is read ahead would be lost to communicate
        env=ENV,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


@pytest.mark.parametrize("row", rows("cli/run.jsonl"), ids=lambda row: row["name"])
def test_a_command(row: dict[str, Any]) -> None:
    """A row is a command, or code for Python: its status and what is said on top of it."""
    argv = row["argv"] if "argv" in row else ["--", "python3", "-c", row["python"]]
    argv = [sys.executable if one == "python3" else one for one in argv]
    ended = run(*argv, stdin=row.get("stdin", "").encode())
    out, err = ended.stdout.decode(), ended.stderr.decode()
    assert ended.returncode == row["code"], err
    assert out == row.get("out", out)
    assert err == row.get("said", err)
    assert not [word for word in row["err"] if word not in err], err
    assert not [word for word in row.get("not", ()) if word in err], err


def test_neither_a_signal_mask_nor_ignored_signals_are_handed_down() -> None:
    code = (
        "import signal\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, ()), "
        "[s.name for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN])"
    )
    plain = subprocess.run([sys.executable, "-c", code], capture_output=True, env=ENV, check=True)
    assert python(code).stdout == plain.stdout


def test_one_pipe_for_both_streams_keeps_their_order(tmp_path: Path) -> None:
    code = "import os\nfor i in range(200): os.write(1 + i % 2, b'%d\\n' % i)"
    with (tmp_path / "log").open("wb") as log:
        subprocess.run(
            [*DOCTOR, "--", sys.executable, "-c", code], stdout=log, stderr=log, env=ENV, check=True
        )
    assert (tmp_path / "log").read_bytes() == b"".join(b"%d\n" % i for i in range(200))


def test_a_missing_library_is_diagnosed_on_stderr_alone(tmp_path: Path) -> None:
    code = "raise ImportError('libcudart.so.12: cannot open shared object file: No such file or directory')"
    report = tmp_path / "report.json"
    ended = python(code, "--report", str(report))
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert "cuda-library-missing" in ended.stderr.decode()
    found = json.loads(report.read_text(encoding="utf-8"))
    assert "cuda-library-missing" in [f["id"] for f in (*found["findings"], *found["symptoms"])]
    assert found["target"]["python"] == sys.executable  # the Python that was started


def test_two_hundred_megabytes_of_output_cost_no_memory() -> None:
    code = (
        "import os, sys\nblock = (b'x' * 99 + b'\\n') * 10000\n"
        "for i in range(200): os.write(1, block)\n"
        "raise RuntimeError('CUDA error: no kernel image is available for execution on the device')"
    )
    with subprocess.Popen(
        [*DOCTOR, "--", sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENV,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        digest, size, peak = hashlib.sha256(), 0, 0
        while block := child.stdout.read(1 << 20):
            digest.update(block)
            size += len(block)
            peak = max(peak, _peak(child.pid))
        said = child.stderr.read().decode()
    whole = (b"x" * 99 + b"\n") * 10000 * 200
    assert (size, digest.hexdigest()) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert "no kernel image" in said
    assert 0 < peak < (150 << 10), "KiB; 200 MB went through"


def _peak(pid: int) -> int:
    """Return the most memory that a process had, in KiB: rusage's would be that of the tests, which outlives exec."""
    status = Path(f"/proc/{pid}/status")
    found = status.read_text().partition("VmHWM:")[2].split() if status.exists() else []
    return int(found[0]) if found else 0


def test_a_daemon_that_holds_the_streams_is_not_waited_for() -> None:
    code = "import os, time\nif os.fork() == 0:\n os.setsid(); time.sleep(60); os._exit(0)\nprint('last', flush=True)"
    began = time.monotonic()
    child = subprocess.Popen(
        [*DOCTOR, "--", sys.executable, "-c", code], stdout=subprocess.PIPE, env=ENV
    )
    assert child.wait(STILL) == 0
    assert child.stdout is not None
    assert os.read(child.stdout.fileno(), 100) == b"last\n"
    assert time.monotonic() - began < 60
    child.stdout.close()


def test_a_reader_that_goes_away_ends_the_command_as_without_the_doctor() -> None:
    line = f"{sys.executable} -m tunedoctor run -- yes | head -n 2; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", line], capture_output=True, env=ENV, timeout=60, check=False
    )
    assert ended.stdout.decode().split() == ["y", "y", str(128 + signal.SIGPIPE)]
    assert ended.stderr == b""


GRACEFUL = """\
import signal, sys, time
got = []
def note(number, frame):
    got.append(signal.Signals(number).name)
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"):
    signal.signal(getattr(signal, name), note)
print("ready")
while not got:
    time.sleep(0.02)
time.sleep(0.2)
print(*got)
sys.exit(7)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"])
def test_a_signal_to_the_doctor_reaches_the_command_once(name: str) -> None:
    child = started(GRACEFUL)
    child.send_signal(signal.Signals[name])
    out, err = child.communicate(timeout=STILL)
    assert (child.returncode, out) == (7, f"{name}\n".encode())
    assert err == b""  # it was asked to end: nothing to explain


def test_without_a_terminal_the_children_of_the_command_get_it_too() -> None:
    code = (
        "import subprocess, sys, signal\n"
        "one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\nprint('ready')\nsys.exit(-one.wait())"
    )
    child = started(code)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=STILL)
    assert child.returncode == signal.SIGTERM


def test_ctrl_c_twice_kills_who_ignores_the_first() -> None:
    code = (
        "import signal, time\n"
        "def first(*_):\n signal.signal(signal.SIGINT, signal.SIG_DFL); print('again', flush=True)\n"
        "signal.signal(signal.SIGINT, first)\nprint('ready', flush=True)\n"
        "while True: time.sleep(0.05)"
    )
    child = started(code)
    child.send_signal(signal.SIGINT)
    assert child.stdout is not None
    assert child.stdout.readline() == b"again\n"
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=STILL)
    assert child.returncode == 130


def _in_terminal(code: str, keys: bytes = b"", until: bytes = b"") -> tuple[int, bytes]:
    """Run doctor run in a terminal of its own; type `keys` when `until` was printed."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(  # noqa: S606
            sys.executable, [sys.executable, *DOCTOR[1:], "--", sys.executable, "-uc", code], ENV
        )
    said = b""
    end = time.monotonic() + STILL
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 0.2)
        if ready:
            try:
                block = os.read(master, 65536)
            except OSError:
                break
            if not block:
                break
            said += block
        if keys and until in said:
            os.write(master, keys)
            keys = b""
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), said


def test_in_a_terminal_the_command_has_one_and_lines_are_not_changed() -> None:
    code = (
        "import os, sys\nsize = os.get_terminal_size(1)\n"
        "print([os.isatty(i) for i in range(3)], size.columns > 0 or size.columns == 0)\n"
        "sys.stderr.write('10%\\r20%\\r\\n')"
    )
    status, said = _in_terminal(code)
    assert status == 0
    assert said == b"[True, True, True] True\r\n10%\r20%\r\r\n"


def test_what_is_typed_reaches_the_command_once() -> None:
    status, said = _in_terminal("print('ready'); print('got', input())", b"hello\r", b"ready")
    assert status == 0
    assert b"got hello" in said
    status, said = _in_terminal(GRACEFUL, b"\x03", b"ready")
    assert status == 7
    assert b"SIGINT\r\n" in said
    assert said.count(b"SIGINT") == 1
    assert b"doctor:" not in said
