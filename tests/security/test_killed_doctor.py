"""A doctor that gets SIGKILL leaves no process behind, whatever it had started and however far that was."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trainers import DATA
from typed import bare, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who is left")
OWN = "DOCTOR_TEST_OF"
COMMANDS = {
    "data": "data d.jsonl --model m --target {target}",
    "train": "train --model=m --data=d.jsonl --batch=8 --max-steps=9999 --no-check --target {target}",
    "two trainers": "train --model=m --data=d.jsonl --batch=8 --max-steps=9999 --no-check --processes 2 --target {target}",
    "chat": "chat m --prompt Hello --max-tokens 4096 --target {target}",
    "smoke": "smoke --target {target}",
    "check": "check --deep --target {target}",
    "fit": "fit m --exact --target {target}",
    "export": "export m --gguf m.gguf --target {target}",
}


def of_test(name: str) -> list[int]:
    """Return the processes that were started with a variable of this test, whoever is their parent."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"{OWN}={name}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("seconds", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("command", COMMANDS)
def test_sigkill_leaves_no_process(command, seconds, torch_python, tiny_model, tmp_path):
    (tmp_path / "m").symlink_to(tiny_model)
    (tmp_path / "d.jsonl").write_text(DATA)
    words = COMMANDS[command].format(target=torch_python).split()
    name = str(tmp_path)
    doctor = subprocess.Popen(
        [sys.executable, "-m", "tunedoctor", *words],
        cwd=tmp_path,
        env={**bare(), OWN: name},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(of_test(name)) > 1)
    time.sleep(seconds)
    doctor.send_signal(signal.SIGKILL)
    doctor.wait()
    assert doctor.returncode == -signal.SIGKILL, "it had ended before"
    until(lambda: not of_test(name), 60)


@pytest.mark.parametrize("words", ["data big.jsonl --jobs 2", "triage logs"])
def test_sigkill_leaves_no_worker(words, tmp_path):
    """Workers of a pool wait for their next task, which never comes."""
    (tmp_path / "big.jsonl").write_text(DATA * 20_000)
    (tmp_path / "logs").mkdir()
    for number in range(400):
        (tmp_path / "logs" / f"{number}.log").write_text("step ok\n" * 2000 + "Killed\n")
    name = str(tmp_path)
    doctor = subprocess.Popen(
        [sys.executable, "-m", "tunedoctor", *words.split()],
        cwd=tmp_path,
        env={**bare(), OWN: name},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(of_test(name)) > 2)
    doctor.send_signal(signal.SIGKILL)
    doctor.wait()
    assert doctor.returncode == -signal.SIGKILL, "it had ended before"
    until(lambda: not of_test(name), 60)
