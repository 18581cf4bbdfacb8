"""Run a part of the smoke training in the target, and judge its stages: how each went, and what it found in words."""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from tunedoctor.facts import Outcome, Stage
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.wording import gib, listed
from tunedoctor.probes.runtime import IDLE, SCRIPT, STAGE, Line, Run, run_script
from tunedoctor.running.deaths import killed_for_memory, kills_now
from tunedoctor.tables.load import table

TABLE: Any = table("smoke_reasons")
OVERALL = 1800.0
"""Seconds of one part."""


class Part(NamedTuple):
    """A part of the smoke training: its arguments and limits."""

    name: str
    arguments: tuple[str, ...] = ()
    ranks: int = 1
    seconds: float = STAGE
    """Without a word inside a stage; the script grants imports twice that, and says so."""
    idle: float = IDLE
    overall: float = OVERALL


def run_part(
    part: Part, python: str, environment: Mapping[str, str], watch: Callable[[list[str]], None]
) -> Run:
    """Run one part with `python`; `watch` takes words about what runs."""
    before = kills_now()
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as scratch:
        seconds = str(part.seconds)
        argv = [SCRIPT, part.name, "--seconds", seconds, "--scratch", scratch]
        if part.ranks > 1:  # a rendezvous of its own on a port that is free
            torchrun = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "0"]
            argv = [*torchrun, "--nproc-per-node", str(part.ranks), *argv]
        run = run_script(
            [python, *argv, *part.arguments],
            {**environment, "OMP_NUM_THREADS": "1"},
            scratch,
            seconds=part.seconds,
            overall=part.overall,
            idle=part.idle,
            watch=watch,
        )
    for_memory = None
    if not run.ended.ok and sys.platform == "linux":
        time.sleep(0.1)  # the kernel's counters lag behind the death
        for_memory = killed_for_memory(before, kills_now())
    return run._replace(name=part.name, ranks=part.ranks, for_memory=for_memory)


class SmokeStage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage as the answer has it."""

    name: str
    outcome: Outcome
    required: bool
    """Nothing trains without it."""
    seconds: float = 0.0
    """By the clock; of a hang, the limit."""
    says: str = ""
    """What was found, in a few words."""
    note: str = ""
    """What is worth knowing and no fault: TF32, kernels that are not deterministic."""
    error: str = ""
    """The exception or the verdict; of a crash or hang, how, and where Python stood."""
    reason: str = ""
    """A word for the kind of failure, where the script knows it."""
    at_step: int | None = None
    """Training step, counted from 1, in which an exception or a death ended it."""
    rank: int = 0

    @property
    def bad(self) -> bool:
        """It was tried, and is not well."""
        return self.outcome not in ("ok", "skipped")

    def fact(self, kind: str = "") -> Stage:
        """Return the fact of it; `kind` is the type of an exception."""
        return Stage(self.name, self.outcome, self.error, kind, self.seconds)


def stage(name: str, outcome: Outcome, **more: Any) -> SmokeStage:  # noqa: ANN401  its fields
    """Return a stage; what nothing trains without stands in the table."""
    return SmokeStage(name=name, outcome=outcome, required=name not in TABLE["optional"], **more)


def stages_of(run: Run) -> tuple[SmokeStage, ...]:
    """Return the stages of a run, in order; a part that died in between has a stage of its own.

    Of several ranks a stage is told once: as the worst of them had it, with the ranks that did not come so far.
    """
    found = [_told(line) for line in run.lines if line.end]
    begun = {rank: run.stands_in(rank) for rank in range(run.ranks)}
    if run.ranks > 1:
        told: dict[str, list[SmokeStage]] = {}
        for one in found:
            told.setdefault(one.name, []).append(one)
        found = [
            next((s for s in many if s.bad), min(many, key=lambda one: one.rank))
            for many in told.values()
        ]
        failed = next((i for i, one in enumerate(found) if one.bad), None)
        if failed is not None:
            error = "; ".join(filter(None, [found[failed].error, *_left_behind(run, begun)]))
            found[failed] = msgspec.structs.replace(found[failed], error=error)
            return tuple(found)
    broken = [_broken(run, name, rank) for rank, name in begun.items() if name][:1]
    if not run.done and not broken and not any(one.bad for one in found):
        broken = [_broken(run, f"start {run.name}", 0)]
    return tuple(found + broken)


def _left_behind(run: Run, begun: dict[int, str]) -> list[str]:
    """Say where ranks stand that told of no end."""
    heard = {line.rank for line in run.lines}
    silent = [f"rank {rank} said nothing" for rank in begun if rank not in heard]
    return silent + [
        f"rank {rank} stood in {name}" for rank, name in begun.items() if name and rank in heard
    ]


def _told(line: Line) -> SmokeStage:
    step, reason = line.data.get("at_step"), str(line.data.get("reason", ""))
    return stage(
        line.end,
        line.outcome,
        seconds=line.seconds,
        says=says(line.end, line.data) if line.ok else "",
        note=clean_text(str(line.data.get("note", ""))),
        error=clean_text(line.error),
        reason=reason,
        at_step=step if isinstance(step, int) and not line.ok and not reason else None,
        rank=line.rank,
    )


def _broken(run: Run, name: str, rank: int) -> SmokeStage:
    limit, error = run.death(name)
    steps = [line.step.number for line in run.lines if line.step and line.step.number]
    killed = "killed-for-memory" if run.for_memory else "killed"
    return stage(
        name,
        "hung" if limit else "crashed",
        seconds=limit,
        error=clean_text(error),
        reason="hung" if limit else killed if run.ended.death == "signal SIGKILL" else "crashed",
        at_step=steps[-1] + 1 if steps and name == "train" else None,
        rank=rank,
    )


def data_of(run: Run, name: str) -> dict[str, Any]:
    """Return what a stage found; empty where it did not come so far."""
    return next((line.data for line in run.lines if line.end == name), {})


def says(name: str, data: Mapping[str, Any]) -> str:
    """Return what a stage found in a few words; "" where its name says all, and of data that are not known here."""
    rows = TABLE["says"]
    words = rows.get(name) or rows.get(name.split(maxsplit=1)[0], "")
    try:
        return clean_text(words.format_map({**data, **_derived(data)}))
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return ""


def _derived(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the words of a stage say in another way than its data."""
    found: dict[str, Any] = {}
    if losses := data.get("losses"):
        found = {"first": losses[0], "last": losses[-1], "steps": data.get("steps", len(losses))}
    if "device" in data:
        gpu = data["device"] != "cpu"
        found["place"] = f"{data['device']}  {data['name']}" if gpu else "CPU"
        total = data.get("memory_total")
        found["memory"] = f", {gib(total)}" if total else ""
    if "units" in data:
        found["worst"] = max(data["units"].values())
        found["backends"] = listed([str(one) for one in data["attention"]], 4)
    if size := data.get("bytes"):
        found["size"] = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    if "work" in data:
        found["milliseconds"] = 1000 * data["work"]
    return found
