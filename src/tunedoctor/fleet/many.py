"""From replies to one answer: judged side by side, counted, grouped."""

import signal
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, islice
from statistics import median, quantiles

from msgspec.structs import replace

from tunedoctor.diagnosis.differences import Value
from tunedoctor.fleet.answer import Cause, Fleet, FleetNode, Group, Spread
from tunedoctor.fleet.judge import Job, Judge, Judged
from tunedoctor.fleet.odd import counted, marks_of, odd
from tunedoctor.model.findings import SEVERITIES, Check

CHUNK = 64
"""Replies that a process is handed at once; as many are judged without starting any."""
MOST_ODD = 1000
MOST_PACKED = 64 << 20
"""Bytes of snapshots that are kept for experiments."""
_judge: list[Judge] = []


def _start(make: Callable[[], Judge]) -> None:
    """Begin a process that judges: Ctrl-C is for the one that prints."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _judge[:] = [make()]


def _some(jobs: list[Job]) -> list[Judged]:
    return [*map(_judge[0].judged, jobs)]


def judged(
    jobs: Iterable[Job], make: Callable[[], Judge], processes: int, watch: Callable[[int], None]
) -> list[Judged]:
    """Return a row for each job, in their order; `watch` is told how many there are."""
    rest, rows, own = iter(jobs), list[Judged](), make()
    waiting = deque[tuple[list[Job], "Future[list[Judged]] | None"]]()
    for job in islice(rest, CHUNK):
        rows.append(own.judged(job))
        watch(len(rows))

    def take() -> None:
        chunk, future = waiting.popleft()
        try:
            rows.extend(future.result() if future else map(own.judged, chunk))
        except BrokenExecutor:  # one process was killed, and its pool is lost
            rows.extend(map(own.judged, chunk))
        watch(len(rows))

    with ProcessPoolExecutor(processes, initializer=_start, initargs=(make,)) as pool:
        for chunk in iter(lambda: [*islice(rest, CHUNK)], []):
            future = None
            with suppress(BrokenExecutor):
                future = pool.submit(_some, chunk)
            waiting.append((chunk, future))
            if len(waiting) > 2 * processes:
                take()
        while waiting:
            take()
    return rows


def fleet_of(every: Iterable[Judged], engine: str, checks: Iterable[Check]) -> Fleet:
    """Return what can be said of many machines."""
    rows, all_, packed = list[Judged](), dict[str, FleetNode](), 0
    seen: Counter[str] = Counter()
    for row in every:
        name = row.told.node
        while name in all_:
            seen[row.told.node] += 1
            name = f"{row.told.node}#{seen[row.told.node] + 1}"
        all_[name] = told = replace(row.told, node=name)
        packed += len(row.source) if isinstance(row.source, bytes) else 0
        if told.reached:
            source = "" if packed > MOST_PACKED and isinstance(row.source, bytes) else row.source
            rows.append(row._replace(told=told, source=source))
    findings = {one.id: one for row in reversed(rows) for one in row.causes}
    having: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for id_ in row.told.findings:
            having[id_].append(row.told.node)
    common = tuple(id_ for id_, some in having.items() if len(some) == len(rows) > 1)
    causes = [
        Cause(finding=findings[id_], count=len(some), nodes=() if id_ in common else tuple(some))
        for id_, some in having.items()
    ]
    causes.sort(key=lambda one: (SEVERITIES.index(one.finding.severity), -one.count))
    counts = counted(rows)
    marks = marks_of(counts)
    numbers: dict[tuple[tuple[str, Value], ...], int] = {}
    alike = {t: numbers.setdefault((*m.items(),), len(numbers) + 1) for t, m in marks.items()}
    verdicts = Counter(one.verdict if one.reached else "unreached" for one in all_.values())
    return Fleet(
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine,
        counts=dict(verdicts),
        nodes=tuple(all_.values()),
        odd=tuple(odd(rows, counts, alike, checks)[:MOST_ODD]),
        causes=tuple(causes),
        common=common,
        unreached={name: one.why for name, one in all_.items() if not one.reached},
        groups=tuple(_groups(rows, marks, alike)),
        times=tuple(_times([row.told for row in rows])),
    )


def _groups(
    rows: Iterable[Judged], marks: dict[bytes, dict[str, Value]], alike: dict[bytes, int]
) -> Iterator[Group]:
    """Yield nodes that no mark tells apart, the largest group first."""
    groups: dict[tuple[object, ...], list[Judged]] = defaultdict(list)
    for row in rows:
        told = sorted(alike.get(token, 0) for token in row.facts.values())
        groups[row.told.verdict, row.told.findings, tuple(told)].append(row)
    first: dict[str, Value] | None = None
    for some in sorted(groups.values(), key=len, reverse=True):
        own = dict(chain(*(marks.get(t, {}).items() for t in some[0].facts.values())))
        first = own if first is None else first
        differs = (
            (key, own.get(key)) for key in {**own, **first} if own.get(key) != first.get(key)
        )
        yield Group(
            nodes=tuple(row.told.node for row in some),
            verdict=some[0].told.verdict,
            findings=some[0].told.findings,
            differs=dict(islice(differs, 10)),
        )


def _times(nodes: Sequence[FleetNode]) -> Iterator[Spread]:
    """Yield how long they took, and how fast each kind of device trained."""
    took = {one.node: one.seconds for one in nodes if one.seconds}
    by_device: dict[str, dict[str, float]] = defaultdict(dict)
    for one in nodes:
        if one.tokens_per_second is not None:
            by_device[one.device][one.node] = one.tokens_per_second
    speeds = (("tokens_per_second", device, some) for device, some in by_device.items())
    for what, device, some in (("seconds", "", took), *speeds):
        if len(some) > 1:
            middle, late = median(some.values()), 1 if what == "seconds" else -1
            away = max(7.413 * median(abs(v - middle) for v in some.values()), middle / 5)
            beyond = {name: v for name, v in some.items() if (v - middle) * late > away}
            low, _, high = quantiles(some.values(), n=4)
            yield Spread(
                what=what,  # type: ignore[arg-type]
                device=device,
                count=len(some),
                median=round(middle, 3),
                quartiles=(round(low, 3), round(high, 3)),
                limit=round(middle + late * away, 3),
                stragglers=dict(sorted(beyond.items(), key=lambda one: -late * one[1])),
            )
