"""From replies to one answer: judged side by side, counted, grouped."""

import signal
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, islice
from statistics import median, quantiles

from tunedoctor.diagnosis.differences import Value
from tunedoctor.fleet.answer import Cause, Fleet, FleetNode, Group, Odd, Spread, Straggler
from tunedoctor.fleet.judge import Judge, Judged
from tunedoctor.fleet.odd import Counts, counted, odd, telling
from tunedoctor.fleet.reply import Reply
from tunedoctor.model.findings import SEVERITIES, Check

CHUNK = 64
"""Replies that a process is handed at once; as many are judged without starting any."""
MOST_ODD = 1000
Job = Reply | tuple[str, str]
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
    rest, rows = iter(jobs), list[Judged]()
    own = make()
    for job in islice(rest, CHUNK):
        rows.append(own.judged(job))
        watch(len(rows))
    if (first := next(rest, None)) is None:
        return rows
    rest, waiting = chain([first], rest), deque[tuple[list[Job], Future[list[Judged]] | None]]()

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


def named(rows: Iterable[Judged], *, by_node: bool) -> list[str]:
    """Return a name for each: the cluster's of a file, else the engine's; of two that are equal the second is "n5#2"."""
    found: dict[str, None] = {}
    seen: Counter[str] = Counter()
    for row in rows:
        first = name = (by_node and row.node) or row.name
        while name in found:
            seen[first] += 1
            name = f"{first}#{seen[first] + 1}"
        found[name] = None
    return [*found]


def fleet_of(every: Sequence[Judged], engine: str, checks: Iterable[Check]) -> Fleet:
    """Return what can be said of many machines."""
    names = named(every, by_node=engine == "files")
    reached = [(row, name) for row, name in zip(every, names, strict=True) if not row.problem]
    rows, called = [row for row, _ in reached], [name for _, name in reached]
    values = {token: held for row in rows for token, held in row.values.items()}
    findings = {one.id: one for row in reversed(rows) for one in row.causes}
    counts = counted(rows, values)
    having: dict[str, list[str]] = defaultdict(list)
    for row, name in reached:
        for id_ in row.findings:
            having[id_].append(name)
    common = [id_ for id_, some in having.items() if len(some) == len(rows) > 1]
    causes = [
        Cause(finding=findings[id_], count=len(some), nodes=() if id_ in common else (*some,))
        for id_, some in having.items()
    ]
    causes.sort(key=lambda one: (SEVERITIES.index(one.finding.severity), -one.count))
    nodes = tuple(
        FleetNode(
            node=name,
            host=row.host,
            reached=not row.problem,
            verdict=row.verdict,  # type: ignore[arg-type]
            findings=row.findings,
            why=row.problem or row.why,
            seconds=round(row.seconds, 3),
            tokens_per_second=row.speed,
        )
        for row, name in zip(every, names, strict=True)
    )
    return Fleet(
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine,
        counts=dict(Counter(one.verdict if one.reached else "unreached" for one in nodes)),
        nodes=nodes,
        odd=tuple(
            Odd(
                nodes=tuple(called[number] for number in row.nodes),
                fact=f"{row.kind}.{row.path}".rstrip("."),
                value=row.value,
                usual=row.usual,
                usual_count=row.usual_count,
                of=row.of,
                bits=round(row.bits, 2),
                explains=row.explains,
                more=row.more,
            )
            for row in odd(rows, counts, checks)[:MOST_ODD]
        ),
        causes=tuple(causes),
        common=tuple(common),
        unreached=tuple(one for one in nodes if not one.reached),
        groups=_groups(reached, counts),
        times=tuple(_times(reached)),
    )


def _groups(reached: Iterable[tuple[Judged, str]], counts: dict[str, Counts]) -> tuple[Group, ...]:
    """Put together what no value tells apart, but those that differ everywhere."""
    marks: dict[bytes, dict[str, Value]] = defaultdict(dict)
    for kind, one in counts.items():
        for path, *_ in telling(one):
            for value, tokens in one.tokens[path].items():
                for token in tokens:
                    marks[token][f"{kind}.{path}".rstrip(".")] = value
    numbers: dict[tuple[tuple[str, Value], ...], int] = {}
    number = {t: numbers.setdefault((*some.items(),), len(numbers)) for t, some in marks.items()}
    alike: dict[tuple[object, ...], list[tuple[Judged, str]]] = defaultdict(list)
    for row, name in reached:
        told = (number[token] for token in row.facts.values() if token in number)
        alike[row.verdict, row.findings, tuple(sorted(told))].append((row, name))
    found, first = list[Group](), dict[str, Value]()
    for some in sorted(alike.values(), key=len, reverse=True):
        row, _ = some[0]
        own = {key: v for token in row.facts.values() for key, v in marks.get(token, {}).items()}
        first = first if found else own
        differs = {key: own.get(key) for key in {**own, **first} if own.get(key) != first.get(key)}
        group = Group(
            nodes=tuple(name for _, name in some),
            verdict=row.verdict,  # type: ignore[arg-type]
            findings=row.findings,
            differs=dict(islice(differs.items(), 10)),
        )
        found.append(group)
    return tuple(found)


def _times(reached: Iterable[tuple[Judged, str]]) -> Iterator[Spread]:
    figures: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for row, name in reached:
        if row.seconds:
            figures["seconds", ""].append((row.seconds, name))
        if row.speed is not None:
            figures["tokens_per_second", row.device].append((row.speed, name))
    for (what, device), some in figures.items():
        numbers = [one for one, _ in some]
        middle = median(numbers)
        away = max(5 * 1.4826 * median(abs(one - middle) for one in numbers), middle / 5)
        sign = 1 if what == "seconds" else -1  # who takes longer, who trains slower
        ends = quantiles(numbers, n=4) if len(numbers) > 1 else [middle] * 3
        late = sorted(((v, n) for v, n in some if (v - middle) * sign > away), reverse=sign > 0)
        yield Spread(
            what=what,  # type: ignore[arg-type]
            device=device,
            count=len(numbers),
            median=round(middle, 3),
            quartiles=(round(ends[0], 3), round(ends[2], 3)),
            limit=round(middle + sign * away, 3),
            stragglers=tuple(Straggler(name, round(value, 3)) for value, name in late),
        )
