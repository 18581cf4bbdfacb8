"""doctor run with real commands: nothing changes for the command, and a failure is explained."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typed import on_terminal

DOCTOR = [sys.executable, "-m", "tunedoctor", "run"]
PYTHON = [*DOCTOR, "--", sys.executable]
ENV = {**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
STILL = 300.0
"""Seconds that a test waits for what must come."""


def run(*argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    whole = [*DOCTOR, *argv]
    return subprocess.run(
        whole, input=stdin, capture_output=True, env=ENV, timeout=STILL, check=False
    )


def started(code: str, *, alone: bool = True) -> "subprocess.Popen[bytes]":
    """Start doctor run around `code`; of what is alone in its session the first line is awaited: it is ready."""
    pipe = subprocess.PIPE
    argv = [*PYTHON, "-uc", code]
    # what is read ahead would be lost to communicate
    child = subprocess.Popen(
        argv, stdout=pipe, stderr=pipe, bufsize=0, env=ENV, start_new_session=alone
    )
    assert not alone or child.stdout.readline() == b"ready\n"
    return child


@pytest.mark.parametrize(
    ("argv", "stdin", "code", "stdout", "stderr", "words", "no_words"),
    [
        pytest.param(
            ["--", "python3", "-c", "import sys; print('out'); print('err', file=sys.stderr)"],
            "",
            0,
            "out\n",
            "err\n",
            [],
            [],
            id="success says nothing",
        ),
        pytest.param(
            ["--", "python3", "-c", "raise SystemExit(1)"],
            "",
            1,
            None,
            None,
            [],
            [],
            id="exit status 1",
        ),
        pytest.param(
            ["--", "python3", "-c", "raise SystemExit(77)"],
            "",
            77,
            None,
            None,
            [],
            [],
            id="exit status 77",
        ),
        pytest.param(
            ["--", "python3", "-c", "raise SystemExit(255)"],
            "",
            255,
            None,
            None,
            [],
            [],
            id="exit status 255",
        ),
        pytest.param(
            ["--", "python3", "-c", "import os; os.kill(os.getpid(), 9)"],
            "",
            137,
            None,
            None,
            ["was ended by SIGKILL"],
            ["The system ran out of RAM"],
            id="SIGKILL",
        ),
        pytest.param(
            ["--", "python3", "-c", "import os; os.kill(os.getpid(), 11)"],
            "",
            139,
            None,
            None,
            ["was ended by SIGSEGV"],
            ["The system ran out of RAM"],
            id="SIGSEGV",
        ),
        pytest.param(
            ["--", "python3", "-c", "import os; os.kill(os.getpid(), 6)"],
            "",
            134,
            None,
            None,
            ["was ended by SIGABRT"],
            ["The system ran out of RAM"],
            id="SIGABRT",
        ),
        pytest.param(
            ["--", "python3", "-c", "import os; os.kill(os.getpid(), 15)"],
            "",
            143,
            None,
            None,
            [],
            ["was ended by SIGTERM"],
            id="SIGTERM is a wish, not a fault",
        ),
        pytest.param(
            ["--", "no-such-command-anywhere"],
            "",
            127,
            None,
            None,
            ["no-such-command-anywhere"],
            [],
            id="a command that is not there",
        ),
        pytest.param(["--", "/"], "", 126, None, None, [], [], id="a folder"),
        pytest.param([], "", 2, None, None, [], [], id="no command"),
        pytest.param(
            ["--", "python3", "-c", "import sys; sys.exit('wrong arguments')"],
            "",
            1,
            None,
            None,
            ["ended with exit status 1"],
            [],
            id="a fault of the script alone is not put on the environment",
        ),
        pytest.param(
            [
                "--",
                "python3",
                "-c",
                "raise ImportError('libcudart.so.12: cannot open shared object file: No such file or directory')",
            ],
            "",
            1,
            "",
            None,
            ["cuda-library-missing"],
            [],
            id="a missing library is diagnosed on stderr alone",
        ),
        pytest.param(
            ["--", "bash", "-c", "ulimit -v 300000; python3 -c 'x = bytearray(10**9)'"],
            "",
            1,
            None,
            None,
            ["MemoryError", "ram-too-small"],
            [],
            id="memory that the system refuses",
        ),
        pytest.param(
            [
                "--",
                "python3",
                "-c",
                "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.read()]))",
                "--target",
                "x y",
                "-v",
                "*",
                "$HOME",
                "",
                "ä\n",
            ],
            "iné\x00",
            0,
            '[["--target", "x y", "-v", "*", "$HOME", "", "\\u00e4\\n"], "in\\u00e9\\u0000"]\n',
            None,
            [],
            [],
            id="arguments and streams as they are",
        ),
        pytest.param(
            [
                "--",
                "python3",
                "-c",
                "import os, time; os.close(1); os.close(2); time.sleep(0.5); os._exit(5)",
            ],
            "",
            5,
            None,
            None,
            [],
            [],
            id="a child that closes its streams is waited for",
        ),
    ],
)
def test_a_command_ends_as_without_doctor(argv, stdin, code, stdout, stderr, words, no_words):
    """An output that is None is not compared; `words` and `no_words` are of the errors."""
    argv = [sys.executable if one == "python3" else one for one in argv]
    ended = run(*argv, stdin=stdin.encode())
    out, err = ended.stdout.decode(), ended.stderr.decode()
    assert ended.returncode == code, err
    assert out == (out if stdout is None else stdout)
    assert err == (err if stderr is None else stderr)
    assert not [word for word in words if word not in err], err
    assert not [word for word in no_words if word in err], err


def test_neither_a_signal_mask_nor_ignored_signals_are_handed_down():
    code = (
        "import signal\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, ()), "
        "[s.name for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN])"
    )
    plain = subprocess.run([sys.executable, "-c", code], capture_output=True, env=ENV, check=True)
    assert run("--", sys.executable, "-c", code).stdout == plain.stdout


def test_one_pipe_for_both_streams_keeps_their_order(tmp_path):
    code = "import os\nfor i in range(200): os.write(1 + i % 2, b'%d\\n' % i)"
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([*PYTHON, "-c", code], stdout=log, stderr=log, env=ENV, check=True)
    assert (tmp_path / "log").read_bytes() == b"".join(b"%d\n" % i for i in range(200))


def test_a_report_is_of_the_python_that_was_started_unless_that_is_the_doctors(tmp_path):
    code = "raise ImportError('libcudart.so.12: cannot open shared object file: No such file or directory')"
    report, other = tmp_path / "report.json", tmp_path / "python3"
    other.symlink_to(Path(sys.executable).resolve())
    for python in (str(other), sys.executable):
        told = run("--report", str(report), "--", python, "-c", code).stderr
        found = json.loads(report.read_text(encoding="utf-8"))
        ids = [f["id"] for f in (*found["findings"], *found["symptoms"])]
        own = python == sys.executable
        assert ("cuda-library-missing" in ids, b"doctor's own Python" in told) == (True, own)
        assert found["target"]["python"] == ("" if own else python)
        assert own == ("torch-missing" not in ids)


def test_two_hundred_megabytes_of_output_cost_no_memory():
    code = (
        "import os, sys\nblock = (b'x' * 99 + b'\\n') * 10000\n"
        "for i in range(200): os.write(1, block)\n"
        "raise RuntimeError('CUDA error: no kernel image is available for execution on the device')"
    )
    with started(code, alone=False) as child:
        assert child.stderr is not None
        digest, size, peak = hashlib.sha256(), 0, 0
        while block := child.stdout.read(1 << 20):
            digest.update(block)
            size += len(block)
            # rusage's would be that of the tests, which outlives exec
            status = Path(f"/proc/{child.pid}/status").read_text()
            peak = max(peak, *map(int, status.partition("VmHWM:")[2].split()[:1]), 0)
        said = child.stderr.read().decode()
    whole = (b"x" * 99 + b"\n") * 10000 * 200
    assert (size, digest.hexdigest()) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert "no kernel image" in said
    assert 0 < peak < (150 << 10), "KiB; 200 MB went through"


def test_a_daemon_that_holds_the_streams_is_not_waited_for():
    code = "import os, time\nif os.fork() == 0:\n os.setsid(); time.sleep(90); os._exit(0)\nprint('last', flush=True)"
    child = started(code, alone=False)
    assert child.wait(80) == 0
    assert os.read(child.stdout.fileno(), 100) == b"last\n"
    child.stdout.close()


def test_a_reader_that_goes_away_ends_the_command_as_without_the_doctor():
    line = f"{sys.executable} -m tunedoctor run -- yes | head -n 2; echo ${{PIPESTATUS[0]}}"
    argv = ["bash", "-c", line]
    ended = subprocess.run(argv, capture_output=True, env=ENV, timeout=STILL, check=False)
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
WITH_A_CHILD = """\
import subprocess, sys, signal
one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
signal.signal(signal.SIGTERM, lambda *_: None)
print('ready')
sys.exit(-one.wait())
"""
"""Without a terminal the children of the command get the signal too."""


@pytest.mark.parametrize(
    ("code", "name", "status"),
    [
        *((GRACEFUL, name, 7) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1")),
        (WITH_A_CHILD, "SIGTERM", signal.SIGTERM),
    ],
)
def test_a_signal_to_the_doctor_reaches_the_command_once(code, name, status):
    child = started(code)
    child.send_signal(signal.Signals[name])
    out, err = child.communicate(timeout=STILL)
    assert (child.returncode, out) == (status, f"{name}\n".encode() if code == GRACEFUL else b"")
    assert err == b""  # it was asked to end: nothing to explain


def test_ctrl_c_twice_kills_who_ignores_the_first():
    code = (
        "import signal, time\n"
        "def first(*_):\n signal.signal(signal.SIGINT, signal.SIG_DFL); print('again', flush=True)\n"
        "signal.signal(signal.SIGINT, first)\nprint('ready', flush=True)\n"
        "while True: time.sleep(0.05)"
    )
    child = started(code)
    child.send_signal(signal.SIGINT)
    assert child.stdout.readline() == b"again\n"
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=STILL)
    assert child.returncode == 130


def test_in_a_terminal_the_command_has_one_and_what_is_typed_reaches_it_once():
    code = (
        "import os, sys\nsize = os.get_terminal_size(1)\n"
        "print([os.isatty(i) for i in range(3)], size.columns >= 0)\n"
        "sys.stderr.write('10%\\r20%\\r\\n')"
    )
    how = {"PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
    one = on_terminal([*PYTHON, "-uc", code], **how)
    assert (one.returncode, one.stdout) == (0, "[True, True, True] True\r\n10%\r20%\r\r\n")
    one = on_terminal(
        [*PYTHON, "-uc", "print('ready'); print('got', input())"], None, b"hello\r", b"ready", **how
    )
    assert (one.returncode, "got hello" in one.stdout) == (0, True)
    one = on_terminal([*PYTHON, "-uc", GRACEFUL], None, b"\x03", b"ready", **how)
    assert (one.returncode, one.stdout.count("SIGINT"), "SIGINT\r\n" in one.stdout) == (7, 1, True)
    assert "doctor:" not in one.stdout
