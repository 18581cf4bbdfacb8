"""doctor train is interrupted at each of its stages: nothing breaks, and the command that it prints goes on."""

import os
import pty
import shlex
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from planting import plant
from trainers import DATA
from typed import HANGS, doctor, started, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
SLOW = """
import os, sys, time
from pathlib import Path
stage = os.environ.get("STAGE", "")
def reached():
    open("reached", "w").close()
    time.sleep(60)
class Finder:
    def find_spec(self, name, *_):
        if name == stage and "trainer.py" in " ".join(sys.argv):
            reached()
sys.meta_path.insert(0, Finder())
if stage == "saved":
    fsync = os.fsync
    def slow(number):
        open("reached", "w").close()
        time.sleep(0.5)
        fsync(number)
    os.fsync = slow
if "/" in stage:
    # steps take a moment: what is asked to stop after the third is still at it
    opened = Path.open
    def slowly(self, *how, **more):
        time.sleep(0.2 if self.name == "log.jsonl" else 0)
        return opened(self, *how, **more)
    Path.open = slowly
"""
STAGES = {
    "before it starts": ("", "Stopped before a step was saved"),
    "torch": ("torch", "Stopped before a step was saved"),
    "peft": ("peft", "Stopped before a step was saved"),
    "training": ("out/log.jsonl", "Stopped after step "),
    "saving": ("saved", "Stopped after step "),
}


class Road:
    """Trainings in a folder, each begun with the command that the last one printed."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder = folder
        options = (
            "--model=m --data=d.jsonl --batch=8 --max-steps=30 --save-every=20 --learning-rate=5e-3"
        )
        self.words = ["train", *options.split(), "--no-check", "--target", target]

    def stopped(self, stage: str, says: str) -> str:
        """Interrupt it at a stage; returns what it printed, of which the next command is taken."""
        (self.folder / "reached").unlink(missing_ok=True)
        env = {"STAGE": stage, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        with started(*self.words, cwd=self.folder, **env) as child:
            assert child.stderr.readline().startswith("doctor: starts ")
            path = self.folder / (stage if "/" in stage else "reached")
            if stage:
                until(path.exists)
                until(lambda: "/" not in stage or '"step": 3' in path.read_text())
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=HANGS)
        assert child.returncode == 130, out + err
        assert "Traceback" not in out + err
        assert says in out
        assert not list(self.folder.glob("out/.new-*"))
        (line,) = [x for x in out.splitlines() if x.startswith("  doctor train ")]
        self.words = shlex.split(line.removeprefix("  doctor "))
        return out

    def on(self) -> str:
        """Go on to the end."""
        ended = doctor(*self.words, cwd=self.folder, OMP_NUM_THREADS="1")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def test_the_road_with_an_interrupt_at_each_stage(torch_python, tiny_model, tmp_path):
    files = {"m": {"link": tiny_model}, "d.jsonl": DATA, "sitecustomize.py": SLOW}
    plant(tmp_path, files)
    road = Road(tmp_path, torch_python)
    begun = road.words
    for stage, says in STAGES.values():
        road.stopped(stage, says)
    assert "Trained for 30 steps, resumed from step " in road.on()
    road.words = [*begun, "--out=whole"]
    road.on()
    left = [
        (tmp_path / o / "final/adapter_model.safetensors").read_bytes() for o in ("out", "whole")
    ]
    assert left[0] == left[1]
    road.words = [*begun, "--merge"]
    road.stopped("peft", "Stopped; nothing was written")
    assert not (tmp_path / "out/merged").exists()
    assert "  doctor chat out/merged" in road.on()


def test_a_terminal_that_closes_leaves_a_checkpoint(torch_python, tiny_model, tmp_path):
    plant(tmp_path, {"m": {"link": tiny_model}, "d.jsonl": DATA})
    words = Road(tmp_path, torch_python).words
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-m", "tunedoctor", *words, "--max-steps=900"])  # noqa: S606
    log = tmp_path / "out/log.jsonl"
    os.set_blocking(terminal, False)

    def trains() -> bool:
        with suppress(BlockingIOError):
            os.read(terminal, 1 << 16)
        return log.exists() and '"step": 3' in log.read_text()

    until(trains)
    os.close(terminal)
    os.waitpid(pid, 0)
    said = (tmp_path / "out/train.log").read_text()
    assert "continue with resume = true" in said
    assert len([*tmp_path.glob("out/step-*")]) == 1, said


def test_a_trainer_that_is_killed_leaves_the_command_that_goes_on(
    torch_python, tiny_model, tmp_path
):
    """Only the trainer gets SIGKILL, as from the kernel when memory runs out; the doctor is still there."""
    plant(tmp_path, {"m": {"link": tiny_model}, "d.jsonl": DATA})
    road = Road(tmp_path, torch_python)
    with started(*road.words, "--save-every=2", "--max-steps=900", cwd=tmp_path) as child:
        until(lambda: [*tmp_path.glob("out/step-*")])
        (trainer,) = [int(p) for p in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
                      if "trainer.py" in Path(f"/proc/{p}/cmdline").read_text()]  # fmt: skip
        os.kill(trainer, signal.SIGKILL)
        out, err = child.communicate(timeout=HANGS)
    assert child.returncode == 128 + signal.SIGKILL
    assert "was ended by SIGKILL" in err
    last = out.rstrip().splitlines()[-1]
    assert last.startswith("  doctor train --model=m")
    assert last.endswith("--resume=true")
