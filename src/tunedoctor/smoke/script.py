"""Run one part of the smoke training in the target, in a child that can hang or crash without harm."""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tunedoctor import child
from tunedoctor.probes.runtime import GRACE, IDLE, steered
from tunedoctor.running.deaths import Kills, killed_for_memory, kills_now
from tunedoctor.smoke.lines import Line, line_of

SCRIPT = Path(__file__).parent.parent / "target" / "run_smoke.py"
STAGE = 60.0
"""Seconds without a word inside a stage; the script grants imports twice that, and says so."""
OVERALL = 1800.0
"""Seconds of one part."""

Watch = Callable[[list[str]], None]


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
        line = line_of(text)
        if line is None:
            words.append(text)
            # the time is over when faulthandler speaks; a library that prints is alive
            return (
                GRACE / 2
                if "most recent call first" in text or text.startswith("  File ")
                else allowed
            )
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
        ended = child.run_lines(
            _argv(part, python, scratch),
            heard=heard,
            silence=part.seconds + GRACE,
            idle=part.idle,
            timeout=part.overall,
            env={**steered(environment, scratch), "OMP_NUM_THREADS": "1"},
        )
    return Run(part, tuple(lines), ended, tuple(words), _for_memory(ended, before))


def _argv(part: Part, python: str, scratch: str) -> list[str]:
    script = [str(SCRIPT), part.name, "--seconds", str(part.seconds), "--scratch", scratch]
    script += part.arguments
    if part.ranks == 1:
        return [python, *script]
    # a rendezvous of its own on a port that is free
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "0"]
    return [python, *torchrun, "--nproc-per-node", str(part.ranks), *script]


def _for_memory(ended: child.Ended, before: Kills) -> bool | None:
    """Tell whether the kernel killed for memory; its counters lag behind the death by a moment."""
    if ended.ok or sys.platform != "linux":
        return None
    time.sleep(0.1)
    return killed_for_memory(before, kills_now())


def stage_seconds(environment: Mapping[str, str]) -> float:
    """Return the limit of a silent stage: TUNEDOCTOR_STAGE_SECONDS, as the deep probe has it, else a minute."""
    try:
        seconds = float(environment.get("TUNEDOCTOR_STAGE_SECONDS", ""))
    except ValueError:
        return STAGE
    return seconds if 0.0 < seconds <= OVERALL else STAGE


def arguments_of(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the options that are set, as the script takes them."""
    return tuple(word for name, value in pairs if value for word in (name, value))
