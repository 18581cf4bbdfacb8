"""What a hostile program starts dies with it, whatever it does to get away; what the user starts is let be."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tricks are Linux's")

DOCTOR = [sys.executable, "-m", "tunedoctor"]
TRICKS = {
    "a background job": "os.fork() or stay(None)",
    "a session of its own": "os.fork() or (os.setsid(), stay(None))",
    "a daemon": "os.fork() or (os.setsid(), os.fork() or stay(None))",
    "a daemon of a daemon": "os.fork() or (os.setsid(), os.fork() or (os.setsid(), os.fork() or stay({}), stay(None)))",
    "a group of its own, without environment": "os.fork() or (os.setpgid(0, 0), stay({}))",
}
"""How a program leaves something behind; `stay` becomes a sleeper with that environment."""


def tool(folder: Path, name: str, trick: str, end: str) -> Path:
    """Make a program that leaves sleepers, which note their numbers, and then hangs or ends."""
    folder.mkdir(parents=True)
    script = folder / name
    script.write_text(
        f"""#!{sys.executable} -IS
import os, sys, time
def stay(environment):
    open({str(folder)!r} + "/note", "a").write(f"{{os.getpid()}}\\n")
    argv = [sys.executable, "-IS", "-c", "import time; time.sleep(300)"]
    os.execve(argv[0], argv, os.environ if environment is None else environment)
if os.fork() == 0:
    {trick}
    os._exit(0)
os.wait()
time.sleep(0.3)
{end}
"""
    )
    script.chmod(0o755)
    return script


def left(folder: Path) -> list[int]:
    """Return the sleepers that still run, and end them."""
    living: list[int] = []
    for pid in map(int, (folder / "note").read_text().split()):
        state = ""
        for _ in range(10):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                state = "gone"
            if state in ("gone", "Z"):
                break
            time.sleep(0.05)
        else:
            living.append(pid)
            os.kill(pid, signal.SIGKILL)
    return living


def check(folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.run(
        [*DOCTOR, "check", "--target", sys.executable, *more],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("trick", TRICKS)
def test_what_a_tool_leaves_is_ended(tmp_path: Path, trick: str) -> None:
    script = tool(
        tmp_path / "control", "nvidia-smi", TRICKS[trick], "print('No devices were found')"
    )
    subprocess.run([str(script)], capture_output=False, stdout=subprocess.DEVNULL, check=True)
    assert left(tmp_path / "control"), "nobody ended it, and it is gone: the attack is none"

    tool(tmp_path / "bin", "nvidia-smi", TRICKS[trick], "print('No devices were found')")
    check(tmp_path / "bin")
    assert left(tmp_path / "bin") == []


def test_what_a_hung_interpreter_leaves_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / "env" / "bin"
    python = tool(folder, "python", TRICKS["a daemon of a daemon"], "time.sleep(300)")
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.1\n")
    done = check(tmp_path, "--deep", "--target", str(python))
    assert done.returncode != 0
    assert left(folder) == []


def test_who_floods_is_ended_before_the_limit_of_time() -> None:
    code = """
import sys, time
from tunedoctor.system.child import run, run_lines
flood = [sys.executable, "-IS", "-c", "import os\\nwhile True: os.write({}, b'x' * 65535 + bytes([10]))"]
for fd in "12":
    argv = [*flood[:-1], flood[-1].format(fd)]
    began = time.monotonic()
    print(run(argv, timeout=60).how, run_lines(argv, heard=lambda _: 60.0, silence=60, timeout=60).how)
    assert time.monotonic() - began < 40
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.split() == ["flooded"] * 4, done.stderr


def test_a_daemon_that_the_user_starts_is_the_users(tmp_path: Path) -> None:
    script = tool(tmp_path / "bin", "mine", TRICKS["a daemon"], "")
    done = subprocess.run(
        [*DOCTOR, "run", "--", str(script)], capture_output=False, check=False, timeout=120
    )
    assert done.returncode == 0
    assert len(left(tmp_path / "bin")) == 1


def test_side_by_side_children_keep_what_is_theirs() -> None:
    """One child ends; the daemon of another that still runs answers it."""
    code = """
import os, subprocess, sys, threading
from tunedoctor.system.child import run
helped = '''
import os, sys, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(2)
        os.write(write, b"helped")
    os._exit(0)
os.close(write)
print(os.read(read, 9))
'''
said = []
def ask(): said.append(run([sys.executable, "-IS", "-c", helped], timeout=30).out.strip())
one = threading.Thread(target=ask)
one.start()
while one.is_alive(): run([sys.executable, "-IS", "-c", "pass"], timeout=30)
own = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(300)"])
run([sys.executable, "-IS", "-c", "pass"], timeout=30)
print(said, own.poll())
own.kill()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "[\"b'helped'\"] None", done.stderr
