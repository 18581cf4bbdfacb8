"""What a hostile program starts dies with it, whatever it does to get away; what the user starts is let be."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from planting import plant
from typed import doctor, gone, ran

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tricks are Linux's")

TRICKS = {
    "a background job": "os.fork() or stay(None)",
    "a session of its own": "os.fork() or (os.setsid(), stay(None))",
    "a daemon": "os.fork() or (os.setsid(), os.fork() or stay(None))",
    "a daemon of a daemon": "os.fork() or (os.setsid(), os.fork() or (os.setsid(), os.fork() or stay({}), stay(None)))",
    "a group of its own, without environment": "os.fork() or (os.setpgid(0, 0), stay({}))",
}
"""How a program leaves something behind; `stay` becomes a sleeper with that environment."""


def tool(script: Path, end: str, *tricks: str) -> Path:
    """Make a program that leaves sleepers in such ways, which note their numbers, and then hangs or ends."""
    lines = "".join(f"leave({name!r}, lambda: {TRICKS[name]})\n" for name in tricks or TRICKS)
    code = f"""#!{sys.executable} -IS
import os, sys, time
def stay(environment):
    open({str(script)!r} + ".note", "a").write(f"{{os.getpid()}} {{trick}}\\n")
    argv = [sys.executable, "-IS", "-c", "import time; time.sleep(300)"]
    os.execve(argv[0], argv, os.environ if environment is None else environment)
def leave(name, way):
    global trick
    trick = name
    if os.fork() == 0:
        way()
        os._exit(0)
    os.wait()
{lines}
while open({str(script)!r} + ".note").read().count("\\n") < {len(tricks or TRICKS)}: time.sleep(0.02)
{end}
"""
    plant(script.parent, {script.name: code, f"{script.name}.note": ""})
    return script


def left(script: Path) -> list[str]:
    """Return by what tricks sleepers still run, and end them."""
    living: list[str] = []
    for line in script.with_name(f"{script.name}.note").read_text().splitlines():
        pid, _, trick = line.partition(" ")
        if not gone(int(pid), tries=10):
            living.append(trick)
            os.kill(int(pid), signal.SIGKILL)
    return living


def test_what_a_tool_leaves_is_ended(tmp_path):
    end = "print('No devices were found')"
    script = tool(tmp_path / "control" / "nvidia-smi", end)
    subprocess.run([script], stdout=subprocess.DEVNULL, check=True)
    assert {*left(script)} == {*TRICKS}, "nobody ended it, and it is gone: the attack is none"
    script = tool(tmp_path / "bin" / "nvidia-smi", end)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    doctor("check", "--target", sys.executable, PATH=path)
    assert left(script) == []


def test_what_a_hung_interpreter_leaves_is_ended(tmp_path):
    python = tool(tmp_path / "env" / "bin" / "python", "time.sleep(300)", "a daemon of a daemon")
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.1\n")
    assert doctor("check", "--deep", "--target", str(python)).returncode != 0
    assert left(python) == []


def _printed(code: str) -> str:
    return ran(sys.executable, "-c", code).stdout


def test_who_floods_is_ended_before_the_limit_of_time():
    code = """
import sys
from tunedoctor.system.child import run, run_lines
flood = [sys.executable, "-IS", "-c", "import os\\nwhile True: os.write({}, b'x' * 65535 + bytes([10]))"]
for fd in "12":
    argv = [*flood[:-1], flood[-1].format(fd)]
    print(run(argv, timeout=600).how, run_lines(argv, on_line=lambda _: 600.0, silence=600, timeout=600).how)
"""
    assert _printed(code).split() == ["flooded"] * 4


def test_a_daemon_that_the_user_starts_is_the_users(tmp_path):
    script = tool(tmp_path / "bin" / "mine", "", "a daemon")
    argv = [sys.executable, "-m", "tunedoctor", "run", "--", str(script)]
    subprocess.run(argv, check=True)
    assert left(script) == ["a daemon"]


def test_side_by_side_children_keep_what_is_theirs():
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
def ask(): said.append(run([sys.executable, "-IS", "-c", helped], timeout=300).out.strip())
one = threading.Thread(target=ask)
one.start()
while one.is_alive(): run([sys.executable, "-IS", "-c", "pass"], timeout=300)
own = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(900)"])
run([sys.executable, "-IS", "-c", "pass"], timeout=300)
print(said, own.poll())
own.kill()
"""
    assert _printed(code).strip() == "[\"b'helped'\"] None"
