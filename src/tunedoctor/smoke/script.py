"""Run one part of the smoke training in the target, in a child that can hang or crash without harm."""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor import child
from tunedoctor.probes.runtime import GRACE, IDLE, steered
from tunedoctor.running.deaths import killed_for_memory, kills_now

SCRIPT = Path(__file__).parent.parent / "target" / "start.py"
STAGE = 60.0
"""Seconds without a word inside a stage; the script grants imports twice that, and says so."""
OVERALL = 1800.0
"""Seconds of one part."""

Watch = Callable[[list[str]], None]


class Step(msgspec.Struct, frozen=True):
    """A sign of life inside a stage."""

    number: int = 0
    loss: float | None = None
    minutes: float | None = None
    """Of a long load."""


class Line(msgspec.Struct, frozen=True):
    """One line of a script."""

    begin: str = ""
    limit: float = 0.0
    """Seconds of silence that the stage may take."""
    step: Step | None = None
    end: str = ""
    done: bool = False
    ok: bool = False
    skipped: bool = False
    error: str = ""
    type: str = ""
    seconds: float = 0.0
    rank: int = 0
    warnings: tuple[str, ...] = ()
    data: dict[str, Any] = {}
    """What the stage found; each fills other keys."""


class Part(NamedTuple):
    """A part of the smoke training: its arguments and limits."""

    name: str
    arguments: tuple[str, ...] = ()
    ranks: int = 1
    seconds: float = STAGE
    idle: float = IDLE
    overall: float = OVERALL


class Run(NamedTuple):
    """One run of a part: its lines, how it ended, and what else it said."""

    part: Part
    lines: tuple[Line, ...]
    ended: child.Ended
    words: tuple[str, ...] = ()
    """Lines of faulthandler, and of libraries that write past Python."""
    for_memory: bool | None = None
    """The kernel killed for memory meanwhile; None where it does not tell."""

    @property
    def done(self) -> bool:
        """Every rank came to its end."""
        return sum(one.done for one in self.lines) >= self.part.ranks


def run_part(part: Part, python: str, environment: Mapping[str, str], watch: Watch) -> Run:
    """Run one part with `python`; `watch` takes words about what runs."""
    lines: list[Line] = []
    words: list[str] = []
    allowed = part.seconds + GRACE

    def heard(text: str) -> float:
        nonlocal allowed
        try:
            line = msgspec.json.decode(text, type=Line)
        except (msgspec.DecodeError, RecursionError):  # none of the script's
            words.append(text)
            # the time is over when faulthandler speaks; a library that prints is alive
            over = "most recent call first" in text or text.startswith("  File ")
            return GRACE / 2 if over else allowed
        lines.append(line)
        if line.begin:
            allowed = max(line.limit, part.seconds) + GRACE
            watch([line.begin])
        elif line.step is not None and line.step.loss is not None:
            told = "training, step" if line.step.minutes is None else "load, round"
            watch([f"{told} {line.step.number}, loss {line.step.loss:.2f}"])
        return allowed

    before = kills_now()
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as scratch:
        argv = [str(SCRIPT), part.name, "--seconds", str(part.seconds), "--scratch", scratch]
        if part.ranks > 1:  # a rendezvous of its own on a port that is free
            torchrun = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "0"]
            argv = [*torchrun, "--nproc-per-node", str(part.ranks), *argv]
        ended = child.run_lines(
            [python, *argv, *part.arguments],
            heard=heard,
            silence=part.seconds + GRACE,
            idle=part.idle,
            timeout=part.overall,
            env={**steered(environment, scratch), "OMP_NUM_THREADS": "1"},
        )
    for_memory = None
    if not ended.ok and sys.platform == "linux":
        time.sleep(0.1)  # the kernel's counters lag behind the death
        for_memory = killed_for_memory(before, kills_now())
    return Run(part, tuple(lines), ended, tuple(words), for_memory)


def stage_seconds(environment: Mapping[str, str]) -> float:
    """Return the limit of a silent stage: TUNEDOCTOR_STAGE_SECONDS, as the deep probe has it, else a minute."""
    try:
        seconds = float(environment.get("TUNEDOCTOR_STAGE_SECONDS", ""))
    except ValueError:
        return STAGE
    return seconds if 0.0 < seconds <= OVERALL else STAGE
