"""Judge each stage of a run: how it went, what it found in words, what it means for training."""

from typing import Any, Literal

import msgspec

from tunedoctor.clean import clean_text
from tunedoctor.facts import Stage
from tunedoctor.probes.runtime import frames
from tunedoctor.smoke.lines import Line
from tunedoctor.smoke.script import Run
from tunedoctor.smoke.words import says

Outcome = Literal["ok", "failed", "crashed", "hung", "skipped"]

OPTIONAL = (
    *("kernels bfloat16", "kernels float16", "repeat", "16-bit", "workers"),
    *("import bitsandbytes", "8-bit", "4-bit", "QLoRA step", "compile"),
    *("load speed", "load heat"),
)
"""Stages without which a training is possible: a failure is a warning."""


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
        return Stage(
            name=self.name,
            outcome=self.outcome,
            error=self.error,
            error_type=kind,
            seconds=self.seconds,
        )


def stages_of(run: Run) -> tuple[SmokeStage, ...]:
    """Return the stages of a run, in order; a part that died in between has a stage of its own.

    Of several ranks a stage is told once: as the worst of them had it, with the ranks that did not come so far.
    """
    found = [_told(line) for line in run.lines if line.end]
    ranks = range(run.part.ranks)
    begun = {rank: _open(run, rank) for rank in ranks}
    if run.part.ranks > 1:
        found = [_worst(one, found) for one in found if one.rank == 0 or _first_of(one, found)]
        failed = next((i for i, one in enumerate(found) if one.bad), None)
        if failed is not None:
            text = _left_behind(begun, {line.rank for line in run.lines})
            error = "; ".join(filter(None, [found[failed].error, text]))
            found[failed] = msgspec.structs.replace(found[failed], error=error)
            return tuple(found)
    broken = [_broken(run, name, rank) for rank, name in begun.items() if name][:1]
    if not run.done and not broken and not any(one.bad for one in found):
        broken = [_broken(run, f"start {run.part.name}", 0)]
    return tuple(found + broken)


def _first_of(one: SmokeStage, found: list[SmokeStage]) -> bool:
    """Tell whether a stage of another rank is the first telling of it."""
    return next(other for other in found if other.name == one.name) is one and not any(
        other.name == one.name and other.rank == 0 for other in found
    )


def _worst(one: SmokeStage, found: list[SmokeStage]) -> SmokeStage:
    return next((other for other in found if other.name == one.name and other.bad), one)


def _left_behind(begun: dict[int, str], heard: set[int]) -> str:
    """Say where ranks stand that told of no end."""
    silent = [f"rank {rank} said nothing" for rank in begun if rank not in heard]
    stuck = [
        f"rank {rank} stood in {name}" for rank, name in begun.items() if name and rank in heard
    ]
    return "; ".join(silent + stuck)


def _open(run: Run, rank: int) -> str:
    """Return the stage that a rank began and did not end, "" for none."""
    mine = [line for line in run.lines if line.rank == rank]
    ended = {line.end for line in mine if line.end}
    begun = [line.begin for line in mine if line.begin]
    return begun[-1] if begun and begun[-1] not in ended else ""


def _told(line: Line) -> SmokeStage:
    outcome: Outcome = "ok" if line.ok else "skipped" if line.skipped else "failed"
    step, reason = line.data.get("at_step"), str(line.data.get("reason", ""))
    return SmokeStage(
        name=line.end,
        outcome=outcome,
        required=line.end not in OPTIONAL,
        seconds=line.seconds,
        says=says(line.end, line.data) if line.ok else "",
        note=clean_text(str(line.data.get("note", ""))),
        error=clean_text(line.error),
        reason=reason,
        at_step=step if isinstance(step, int) and not line.ok and not reason else None,
        rank=line.rank,
    )


def _broken(run: Run, name: str, rank: int) -> SmokeStage:
    hung = run.ended.how == "hung"
    limits = [line.limit for line in run.lines if line.begin == name]
    limit = min(max([run.part.seconds, *limits]), run.ended.seconds or run.part.seconds)
    how = f"no answer in {limit:.0f} s" if hung else run.ended.death
    lines = [how, *frames(run.words)]
    if len(lines) == 1:
        lines += ["  " + one[:300] for one in run.ended.err.splitlines()[-3:] if one.strip()]
    steps = [line.step.number for line in run.lines if line.step and line.step.number]
    return SmokeStage(
        name=name,
        outcome="hung" if hung else "crashed",
        required=name not in OPTIONAL,
        seconds=limit if hung else 0.0,
        error=clean_text("\n".join(lines)),
        reason=_reason_of_death(run),
        at_step=steps[-1] + 1 if steps and name == "train" else None,
        rank=rank,
    )


def _reason_of_death(run: Run) -> str:
    if run.ended.how == "hung":
        return "hung"
    if run.ended.death == "signal SIGKILL":
        return {True: "killed-for-memory", False: "killed"}.get(bool(run.for_memory), "killed")
    return "crashed"


def data_of(run: Run, name: str) -> dict[str, Any]:
    """Return what a stage found; empty where it did not come so far."""
    return next((line.data for line in run.lines if line.end == name), {})
