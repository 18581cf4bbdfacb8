"""Judge each stage of a run: how it went, what it found in words, what it means for training."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tunedoctor.clean import clean_text
from tunedoctor.facts import Stage
from tunedoctor.probes.runtime import frames
from tunedoctor.smoke.script import Line, Run
from tunedoctor.tables.load import table
from tunedoctor.wording import gib, listed

Outcome = Literal["ok", "failed", "crashed", "hung", "skipped"]
TABLE: Any = table("smoke_reasons")


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
    begun = {rank: _open(run, rank) for rank in range(run.part.ranks)}
    if run.part.ranks > 1:
        told: dict[str, list[SmokeStage]] = {}
        for one in found:
            told.setdefault(one.name, []).append(one)
        found = [next((s for s in many if s.bad), min(many, key=_rank)) for many in told.values()]
        failed = next((i for i, one in enumerate(found) if one.bad), None)
        if failed is not None:
            error = "; ".join(filter(None, [found[failed].error, *_left_behind(run, begun)]))
            found[failed] = msgspec.structs.replace(found[failed], error=error)
            return tuple(found)
    broken = [_broken(run, name, rank) for rank, name in begun.items() if name][:1]
    if not run.done and not broken and not any(one.bad for one in found):
        broken = [_broken(run, f"start {run.part.name}", 0)]
    return tuple(found + broken)


def _rank(one: SmokeStage) -> int:
    return one.rank


def _left_behind(run: Run, begun: dict[int, str]) -> list[str]:
    """Say where ranks stand that told of no end."""
    heard = {line.rank for line in run.lines}
    silent = [f"rank {rank} said nothing" for rank in begun if rank not in heard]
    return silent + [
        f"rank {rank} stood in {name}" for rank, name in begun.items() if name and rank in heard
    ]


def _open(run: Run, rank: int) -> str:
    """Return the stage that a rank began and did not end, "" for none."""
    mine = [line for line in run.lines if line.rank == rank]
    begun = [line.begin for line in mine if line.begin][-1:]
    return "".join(name for name in begun if name not in {line.end for line in mine})


def _told(line: Line) -> SmokeStage:
    step, reason = line.data.get("at_step"), str(line.data.get("reason", ""))
    return stage(
        line.end,
        "ok" if line.ok else "skipped" if line.skipped else "failed",
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
    lines = [f"no answer in {limit:.0f} s" if hung else run.ended.death, *frames(run.words)]
    if len(lines) == 1:
        lines += ["  " + one[:300] for one in run.ended.err.splitlines()[-3:] if one.strip()]
    steps = [line.step.number for line in run.lines if line.step and line.step.number]
    killed = "killed-for-memory" if run.for_memory else "killed"
    return stage(
        name,
        "hung" if hung else "crashed",
        seconds=limit if hung else 0.0,
        error=clean_text("\n".join(lines)),
        reason="hung" if hung else killed if run.ended.death == "signal SIGKILL" else "crashed",
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
