"""Run probes in parallel, each with a time limit, and collect their answers in a Snapshot.

A probe is a function marked with the kinds of fact that it finds. Its parameters are facts too: it starts as soon as
they are known. If it raises or passes its time limit, its facts are `Unknown`.
"""

import math
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tunedoctor.facts import Absent, Fact, Unknown
from tunedoctor.model.snapshot import FactOrLack, NotRun, Snapshot, call, parameters_of

_RING = Unknown(why="its probe needs a fact that needs this one")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A probe, as the runner has it."""

    kinds: tuple[type[Fact], ...]
    run: Callable[..., Any]
    seconds: float
    """Time limit, from the start of the probe."""
    deep: bool

    @property
    def name(self) -> str:
        """Name of the function, for messages."""
        return self.run.__name__.replace("_", " ")


def probe(
    *kinds: type[Fact], seconds: float = 5.0, deep: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a function as a probe for `kinds`: it returns one answer, or a tuple with one for each kind, in order."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.tunedoctor_probe = Probe(  # type: ignore[attr-defined]
            kinds=kinds, run=function, seconds=seconds, deep=deep
        )
        return function

    return mark


def examine(
    initial_facts: Iterable[Fact],
    probes: Iterable[Probe],
    watch: Callable[[list[str]], None] | None = None,
    seconds: float = math.inf,
) -> Snapshot:
    """Run `probes`, starting from `facts`, for at most `seconds`; `watch` gets the names of the running probes."""
    import queue  # noqa: PLC0415  a report asks for no probe
    import threading  # noqa: PLC0415

    answers: dict[type[Fact], FactOrLack] = {type(fact): fact for fact in initial_facts}
    waiting, last = list(probes), time.monotonic() + seconds
    running: dict[int, tuple[Probe, float]] = {}
    finished: queue.Queue[tuple[int, tuple[FactOrLack, ...]]] = queue.Queue()
    number = 0
    while waiting or running:
        if time.monotonic() >= last:
            late = Unknown(why=f"no answer in {seconds:.1f} s, the limit of --timeout")
            unfinished = (*waiting, *(probe_running for probe_running, _ in running.values()))
            answers.update(
                {kind: late for unfinished_probe in unfinished for kind in unfinished_probe.kinds}
            )
            break
        for ready in _ready(
            waiting, [probe_running for probe_running, _ in running.values()], answers
        ):
            waiting.remove(ready)
            running[number] = (ready, min(time.monotonic() + ready.seconds, last))
            work = (number, ready, Snapshot(answers), finished.put)
            threading.Thread(target=_work, args=work, daemon=True).start()
            number += 1
        if not running:  # the remaining ones wait for each other
            answers.update({k: _RING for waiting_probe in waiting for k in waiting_probe.kinds})
            break
        if watch:
            watch([probe_running.name for probe_running, _ in running.values()])
        soonest = min(end for _, end in running.values()) - time.monotonic()
        try:
            key, answers_of_probe = finished.get(timeout=max(soonest, 0.0))
        except queue.Empty:
            for key, (late_probe, end) in list(running.items()):
                if end <= time.monotonic() < last:
                    del running[key]
                    late = Unknown(
                        why=f"{late_probe.name}: no answer in {late_probe.seconds:.0f} s"
                    )
                    answers.update(dict.fromkeys(late_probe.kinds, late))
            continue
        if key in running:  # else it finished after its time limit
            finished_probe, _ = running.pop(key)
            answers.update(zip(finished_probe.kinds, answers_of_probe, strict=True))
    return Snapshot(answers, taken=datetime.now(UTC).isoformat(timespec="seconds"))


def _ready(
    waiting: list[Probe], running: list[Probe], answers: dict[type[Fact], FactOrLack]
) -> list[Probe]:
    """Return the probes whose facts are known, or will not be found by any probe."""
    coming = {kind for candidate in (*waiting, *running) for kind in candidate.kinds}
    open_ = coming - answers.keys()
    return [
        candidate
        for candidate in waiting
        if open_.isdisjoint(w.kind for w in parameters_of(candidate.run).values())
    ]


def _work(
    key: int,
    probed: Probe,
    snapshot: Snapshot,
    finished: Callable[[tuple[int, tuple[FactOrLack, ...]]], None],
) -> None:
    result: tuple[FactOrLack, ...]
    try:
        outcome = call(probed.run, snapshot)
        if isinstance(outcome, NotRun):
            outcome = (outcome.why,) * len(probed.kinds)
        result = outcome if isinstance(outcome, tuple) else (outcome,)
        for kind, answer in zip(probed.kinds, result, strict=True):
            if not isinstance(answer, (kind, Absent, Unknown)):
                msg = f"it returned {answer!r} for {kind.__name__}"
                raise TypeError(msg)  # noqa: TRY301  becomes the Unknown below
    except Exception as error:  # noqa: BLE001  a crash is the result of this probe alone
        why = f"{probed.name} failed: {type(error).__name__}: {error}"
        result = (Unknown(why=why[:500]),) * len(probed.kinds)
    finished((key, result))
