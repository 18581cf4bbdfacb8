"""Run a part of the smoke training in the target, and judge its stages: their outcome, and a short description.

During a long load, the driver and the kernel log are read too: temperature, clocks, power, memory errors, Xids.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from tunedoctor.facts import Host, KernelLog, NvidiaGpu, NvidiaGpus, Outcome, PciBus, Stage, Xid
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import gib, listed
from tunedoctor.probes.runtime import IDLE, SCRIPT, STAGE, ScriptLine, ScriptRun, run_script
from tunedoctor.running.command import killed_for_memory, kills_now
from tunedoctor.system.scratch import scratch
from tunedoctor.tables.load import table

TABLE: Any = table("smoke_reasons")
OVERALL = 1800.0
"""Time limit of one part in seconds."""
EVERY = 5.0
"""Seconds between two readings; each queries the driver in a separate child."""
PATIENCE = 30.0
"""Seconds that the last reading may take."""
MOST = 10_000


class SmokePart(NamedTuple):
    """A part of the smoke training: its arguments and limits."""

    name: str
    arguments: tuple[str, ...] = ()
    ranks: int = 1
    seconds: float = STAGE
    """Longest silence within a stage; the script allows imports twice as long, and reports that."""
    idle: float = IDLE
    overall: float = OVERALL


def run_part(
    part: SmokePart, python: str, environment: Mapping[str, str], watch: Callable[[list[str]], None]
) -> ScriptRun:
    """Run one part with `python`; `watch` gets a description of what is running."""
    kills_before = kills_now()
    with scratch() as folder:
        seconds = str(part.seconds)
        argv = [SCRIPT, part.name, "--seconds", seconds, "--scratch", folder]
        if part.ranks > 1:  # a separate rendezvous on a free port
            torchrun = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "0"]
            torchrun += ["--log-dir", folder]  # otherwise it leaves a folder behind
            argv = [*torchrun, "--nproc-per-node", str(part.ranks), *argv]
        run = run_script(
            [python, *argv, *part.arguments],
            {**environment, "OMP_NUM_THREADS": "1"},
            folder,
            seconds=part.seconds,
            overall=part.overall,
            idle=part.idle,
            watch=watch,
        )
    for_memory = None
    if not run.ended.ok and sys.platform == "linux":
        time.sleep(0.1)  # the kernel's counters are updated a little after the death
        for_memory = killed_for_memory(kills_before, kills_now())
    return run._replace(name=part.name, ranks=part.ranks, for_memory=for_memory)


class SmokeStage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage in the result."""

    name: str
    outcome: Outcome
    required: bool
    """No training works without it."""
    seconds: float = 0.0
    """By the clock; for a hang, the limit."""
    says: str = ""
    """The result in a few words."""
    note: str = ""
    """Worth knowing but no fault: TF32, kernels that are not deterministic."""
    error: str = ""
    """The exception or the verdict; for a crash or hang, its kind and where Python was."""
    reason: str = ""
    """A word for the kind of failure, if the script knows it."""
    at_step: int | None = None
    """Training step, counted from 1, in which an exception or a death ended it."""
    rank: int = 0

    @property
    def bad(self) -> bool:
        """True if the stage ran and is not ok."""
        return self.outcome not in ("ok", "skipped")

    def fact(self, kind: str = "") -> Stage:
        """Return the stage as a fact; `kind` is the type of an exception."""
        return Stage(self.name, self.outcome, self.error, kind, self.seconds)


def stage(name: str, outcome: Outcome, **more: Any) -> SmokeStage:  # noqa: ANN401  its fields
    """Return a stage; the table lists the required ones."""
    required = {name, name.partition(" ")[0]}.isdisjoint(TABLE["optional"])
    return SmokeStage(name=name, outcome=outcome, required=required, **more)


def stages_of(run: ScriptRun) -> tuple[SmokeStage, ...]:
    """Return the stages of a run in order; a part that died in between gets a separate stage.

    With several ranks a stage is reported once: the worst rank's result, with the ranks that did not get that far.
    """
    stages = [_stage_of(line) for line in run.lines if line.end]
    unfinished = {rank: run.stands_in(rank) for rank in range(run.ranks)}
    if run.ranks > 1:
        stages_by_name: dict[str, list[SmokeStage]] = {}
        for stage in stages:
            stages_by_name.setdefault(stage.name, []).append(stage)
        stages = [
            next((s for s in many if s.bad), min(many, key=lambda ranked_stage: ranked_stage.rank))
            for many in stages_by_name.values()
        ]
        failed = next((i for i, ranked_stage in enumerate(stages) if ranked_stage.bad), None)
        if failed is not None:
            reporting_ranks = {
                line.rank for line in run.lines
            }  # the other ranks did not report its end
            left = [
                f"rank {rank} sent nothing" for rank in unfinished if rank not in reporting_ranks
            ]
            in_stages = [
                (rank, name)
                for rank, name in unfinished.items()
                if name and rank in reporting_ranks
            ]
            left += [f"rank {rank} was in {name}" for rank, name in in_stages]
            error = "; ".join(filter(None, [stages[failed].error, *left]))
            stages[failed] = msgspec.structs.replace(stages[failed], error=error)
            return tuple(stages)
    broken = [_broken(run, name, rank) for rank, name in unfinished.items() if name][:1]
    if not run.done and not broken and not any(reported_stage.bad for reported_stage in stages):
        broken = [_broken(run, f"start {run.name}", 0)]
    return tuple(stages + broken)


def _stage_of(line: ScriptLine) -> SmokeStage:
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


def _broken(run: ScriptRun, name: str, rank: int) -> SmokeStage:
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


def data_of(run: ScriptRun, name: str) -> dict[str, Any]:
    """Return the result of a stage; empty if it was not reached."""
    return next((line.data for line in run.lines if line.end == name), {})


def says(name: str, data: Mapping[str, Any]) -> str:
    """Return the result of a stage in a few words; "" if its name says everything, or if its data are unknown."""
    rows = TABLE["says"]
    words = rows.get(name) or rows.get(name.split(maxsplit=1)[0], "")
    try:
        return clean_text(words.format_map({**data, **_derived(data)}))
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return ""


def _derived(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that the description of a stage shows in another form than its data."""
    result: dict[str, Any] = {}
    if losses := data.get("losses"):
        result = {"first": losses[0], "last": losses[-1], "steps": data.get("steps", len(losses))}
    if "device" in data:
        gpu = data["device"] != "cpu"
        result["place"] = f"{data['device']}  {data['name']}" if gpu else "CPU"
        total = data.get("memory_total")
        result["memory"] = f", {gib(total)}" if total else ""
    if "units" in data:
        result["worst"] = max(data["units"].values())
        result["backends"] = listed([str(backend) for backend in data["attention"]], 4)
    if size := data.get("bytes"):
        result["size"] = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    if "work" in data:
        result["milliseconds"] = 1000 * data["work"]
    return result


class GpuReading(NamedTuple):
    """One reading of GPUs and kernel log; None if not available."""

    gpus: NvidiaGpus | None
    log: KernelLog | None


class LoadedCard(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU during the load test, over all readings."""

    index: int
    name: str
    temperature: int | None = None
    """Highest, in degrees Celsius."""
    clock: int | None = None
    """Lowest under load, in MHz, of `clock_most`."""
    clock_most: int | None = None
    power: int | None = None
    """Highest, in watts, of `power_limit`."""
    power_limit: int | None = None
    slowed: dict[str, int] = {}
    """Number of readings in which the driver lowered the clocks because of a fault, by reason."""
    new_errors: int | None = None
    """Uncorrectable memory errors since the first reading; None if the card does not count them."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the load test of `--long` and `--minutes`."""

    minutes: float
    rounds: int
    """Number of short trainings, each with the losses of the first."""
    before: float | None = None
    """Tokens per second in the first quarter; `after`: in the last."""
    after: float | None = None
    readings: int = 0
    cards: tuple[LoadedCard, ...] = ()
    xids: tuple[Xid, ...] = ()
    """New Xid lines of the kernel log during the load."""


@contextmanager
def watching(read: Callable[[], GpuReading], readings: list[GpuReading]) -> Generator[None]:
    """Take readings repeatedly in a thread, and a last one at the end."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and len(readings) < MOST:
            readings.append(read())
            over.wait(EVERY)
        readings.append(read())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE)


def reader_of(snapshot: Callable[[], Snapshot]) -> Callable[[], GpuReading]:
    """Return a function that takes readings of this machine; `snapshot` gives its host and PCI bus."""

    def read() -> GpuReading:
        from tunedoctor.probes.gpus import kernel_log  # noqa: PLC0415  for long loads alone
        from tunedoctor.probes.nvidia import nvidia  # noqa: PLC0415
        from tunedoctor.probes.probing import examine  # noqa: PLC0415

        known_facts = [
            fact for kind in (Host, PciBus) if (fact := snapshot().find(kind)) is not None
        ]
        probes = [probe.tunedoctor_probe for probe in (nvidia, kernel_log)]  # type: ignore[attr-defined]
        snapshot_now = examine(known_facts, probes)
        return GpuReading(snapshot_now.find(NvidiaGpus), snapshot_now.find(KernelLog))

    return read


def load_of(run: ScriptRun, readings: Sequence[GpuReading]) -> Load | None:
    """Combine the script's results and the readings; None if no load ran to its end."""
    load, speed = data_of(run, "load"), data_of(run, "load speed")
    if not load.get("rounds"):
        return None
    cards_by_reading = [reading.gpus.gpus for reading in readings if reading.gpus]
    logs = [
        Counter(x for x in reading.log.xids if x.text[:4] != "Non-")
        for reading in readings
        if reading.log
    ]
    indices = sorted({card.index for cards in cards_by_reading for card in cards})
    return Load(
        minutes=float(load.get("minutes", 0.0)),
        rounds=int(load["rounds"]),
        before=speed.get("before"),
        after=speed.get("after"),
        readings=len(readings),
        cards=tuple(
            _card([c for cards in cards_by_reading for c in cards if c.index == i]) for i in indices
        ),
        xids=tuple((logs[-1] - logs[0]).elements()) if logs else (),
    )


def _card(gpu_readings: Sequence[NvidiaGpu]) -> LoadedCard:
    last = gpu_readings[-1]
    loaded = (
        gpu_readings[1:-1] or gpu_readings
    )  # the first reading is before the load, the last after it
    reasons = [reason for gpu in gpu_readings for reason in gpu.throttle]
    counts = [gpu.ecc_uncorrected for gpu in gpu_readings if gpu.ecc_uncorrected is not None]
    return LoadedCard(
        index=last.index,
        name=last.name,
        temperature=max(
            (c.temperature for c in gpu_readings if c.temperature is not None), default=None
        ),
        clock=min((c.clock for c in loaded if c.clock is not None), default=None),
        clock_most=last.clock_most,
        power=max((c.power for c in gpu_readings if c.power is not None), default=None),
        power_limit=last.power_limit,
        slowed={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        new_errors=max(0, counts[-1] - counts[0]) if counts else None,
    )


def stages_of_load(load: Load, readings: Sequence[GpuReading]) -> tuple[SmokeStage, ...]:
    """Judge temperatures (a warning) and hardware errors."""
    return _heat(load), _errors(load, log_is_known=any(reading.log for reading in readings))


def _heat(load: Load) -> SmokeStage:
    name = "load heat"
    if not load.cards:
        return stage(name, "skipped", error="no NVIDIA driver reports temperatures and clocks")
    hot = [card for card in load.cards if any(count > 1 for count in card.slowed.values())]
    each: list[str] = []
    for hot_card in hot[:4]:
        parts = [f"{why} in {n} of {load.readings} readings" for why, n in hot_card.slowed.items()]
        warm = f", up to {hot_card.temperature} °C" if hot_card.temperature is not None else ""
        each.append(f"GPU {hot_card.index} ({hot_card.name}): {', '.join(parts)}{warm}")
    if hot:
        return stage(name, "failed", error="; ".join(each), reason="throttled")
    warmest = max(load.cards, key=lambda card: card.temperature or 0)
    parts = [
        f"up to {warmest.temperature} °C" if warmest.temperature is not None else "",
        f"{warmest.power} of {warmest.power_limit} W"
        if warmest.power and warmest.power_limit
        else "",
        f"{warmest.clock} of {warmest.clock_most} MHz"
        if warmest.clock and warmest.clock_most
        else "",
    ]
    return stage(name, "ok", says=", ".join(filter(None, parts)))


def _errors(load: Load, *, log_is_known: bool) -> SmokeStage:
    name = "load errors"
    counting_cards = [card for card in load.cards if card.new_errors is not None]
    errors = [
        f"GPU {card.index} ({card.name}): {card.new_errors} uncorrectable memory errors"
        for card in counting_cards
        if card.new_errors
    ]
    errors += [f"Xid {xid.number} at {xid.slot or 'a GPU'}: {xid.text}" for xid in load.xids[:4]]
    if errors:
        return stage(name, "failed", error="; ".join(errors), reason="hardware-errors")
    if not counting_cards and not log_is_known:
        why = "no memory error counter is available, and the kernel log is not readable"
        return stage(name, "skipped", error=why)
    says = ["no new memory error"] * bool(counting_cards) + ["no new Xid"] * log_is_known
    return stage(name, "ok", says=", ".join(says))


def facts_of_load(snapshot: Snapshot, readings: Sequence[GpuReading]) -> Snapshot:
    """Return the snapshot with the GPUs as they were under load, for the checks to judge."""
    gpus = [reading.gpus for reading in readings if reading.gpus]
    logs = [reading.log for reading in readings if reading.log]
    reasons: dict[int, set[str]] = {}
    links: dict[int, dict[str, int]] = {}
    for card in (card for gpu in gpus for card in gpu.gpus):
        reasons.setdefault(card.index, set()).update(card.throttle)
        if card.performance_state == 0 and card.pcie_generation:  # the link at its best
            best = max(card.pcie_generation, links.get(card.index, {}).get("pcie_generation", 0))
            links[card.index] = {"performance_state": 0, "pcie_generation": best}
    for last in gpus[-1:]:
        replace = msgspec.structs.replace
        cards = (
            replace(gpu, throttle=tuple(sorted(reasons[gpu.index])), **links.get(gpu.index, {}))
            for gpu in last.gpus
        )
        snapshot = snapshot.having(replace(last, gpus=tuple(cards)))
    return snapshot.having(logs[-1]) if logs else snapshot
