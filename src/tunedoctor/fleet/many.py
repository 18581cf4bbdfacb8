"""Evaluate replies in parallel, and count and group the results."""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, islice, repeat
from math import inf
from multiprocessing import get_context
from statistics import median, quantiles
from typing import Any, NamedTuple

from msgspec.structs import replace

from tunedoctor.fleet.judge import Job, Judge, JudgedNode, NodeCause
from tunedoctor.fleet.outliers import Marks, columns_of, find_outliers, marks_of
from tunedoctor.fleet.report import (
    FleetCause,
    FleetNode,
    FleetReport,
    Group,
    Outlier,
    Spread,
    natural,
)
from tunedoctor.model.findings import SEVERITIES, Check
from tunedoctor.system import workers
from tunedoctor.tables.load import table

CHUNK = 64
"""Replies that a process gets at once; up to this number are evaluated without starting processes."""
MOST_ODD, MOST_NAMED = 1000, 100
MEASURES: dict[str, Any] = table("node_speeds")["measures"]
"""Measurements: description, unit, and the share of the others' speed below which something is slow."""
_ID = re.compile(r"\w[\w.:@/+-]{0,119}")
_judge: list[Judge] = []


class Evaluation(NamedTuple):
    """The result for many machines."""

    report: FleetReport
    causes: dict[str, NodeCause]
    """Node, as the report names it -> its worst cause, for nodes with findings."""


def _start(make: Callable[[], Judge]) -> None:
    """Start a process that evaluates; Ctrl-C is handled by the main process."""
    workers.begin()
    _judge[:] = [make()]


def _some(jobs: list[Job]) -> list[JudgedNode]:
    return [*map(_judge[0].evaluate, jobs)]


def judge_all(jobs: Iterator[Job], make: Callable[[], Judge], processes: int) -> list[JudgedNode]:
    """Return a row for each job, in order. With one process it is this one."""
    own = make()
    if processes < 2:
        return [*map(own.evaluate, jobs)]
    rows = [own.evaluate(job) for job in islice(jobs, CHUNK)]
    waiting = deque[tuple[list[Job], Future[list[JudgedNode]]]]()
    # threads run here, which would be cut off by a fork
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (make,)) as pool:
        for chunk in chain(iter(lambda: [*islice(jobs, CHUNK)], []), repeat(list[Job]())):
            try:
                if chunk:
                    waiting.append((chunk, pool.submit(_some, chunk)))
                if waiting and (not chunk or len(waiting) > 2 * processes):
                    chunk, future = waiting.popleft()  # noqa: PLW2901  so that it is the one that failed
                    rows += future.result()
            except BrokenExecutor:  # one process was killed, which breaks its pool
                rows += map(own.evaluate, chunk)
            if not chunk and not waiting:
                return rows
    return rows


def _each(rows: Iterable[Outlier]) -> Iterator[Outlier]:
    """Yield a row for each node that it names; for several nodes, the first has the list."""
    for row in rows:
        for number, node in enumerate(row.nodes[:MOST_NAMED]):
            yield replace(row, node=node, nodes=() if number else row.nodes)


def _when(row: JudgedNode) -> float:
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(row.told.taken).timestamp()
    return -inf


def _with_valid_ids(row: JudgedNode) -> JudgedNode:
    """Return a row; a report with an invalid finding name counts as having none."""
    if all(map(_ID.fullmatch, row.told.findings)):
        return row
    why = "is a report with a finding that has no valid name"
    node = replace(row.told, reached=False, verdict="unknown", findings=(), why=why)
    return row._replace(told=node)  # its values may belong to others too


def evaluate(every: Sequence[JudgedNode], engine: str, checks: Iterable[Check]) -> Evaluation:
    """Return the result for many machines; if files have the same machine twice, the newest counts."""
    every = [*map(_with_valid_ids, every)]
    rows, all_, counts = list[JudgedNode](), dict[str, FleetNode](), Counter[str]()
    mildest = sorted(
        chain(*(row.causes for row in every)), key=lambda cause: SEVERITIES.index(cause.severity)
    )[::-1]
    findings = {finding.id: finding for finding in mildest}
    newest, older = dict[object, JudgedNode](), Counter[str]()
    for number, row in enumerate(every):
        same = row.told.node, (engine == "files" and row.told.host) or number
        older[row.told.node] += same in newest
        newest[same] = max(newest.get(same, row), row, key=_when)
    for row in sorted(newest.values(), key=lambda row: natural(row.told.node)):
        first = name = row.told.node
        while name in all_:
            counts[first] += 1
            name = f"{first}#{counts[first] + 1}"
        all_[name] = node = replace(row.told, node=name)
        if node.reached:
            rows.append(row._replace(told=node))
    having: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for id_ in row.told.findings:
            having[id_].append(row.told.node)
    common = tuple(id_ for id_, some in having.items() if len(some) == len(rows) > 1)
    causes = [
        FleetCause(
            finding=findings[id_], count=len(some), nodes=() if id_ in common else tuple(some)
        )
        for id_, some in having.items()
    ]
    causes.sort(key=lambda cause: (SEVERITIES.index(cause.finding.severity), -cause.count))
    columns = [*columns_of(rows, every)]
    marks = marks_of(columns)
    report = FleetReport(
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine,
        counts=Counter(node.verdict if node.reached else "unreached" for node in all_.values()),
        nodes=tuple(all_.values()),
        odd=tuple(islice(_each(find_outliers(rows, columns, marks, checks)), MOST_ODD)),
        causes=tuple(causes),
        common=common,
        unreached={name: node.why for name, node in all_.items() if not node.reached},
        older=+older,
        left_out=Counter(chain(*(row.strange for row in every))),
        groups=tuple(_groups(rows, marks)),
        times=tuple(_times(rows)),
    )
    judged_causes = {row.told.node: row.cause for row in rows if row.told.verdict == "findings"}
    return Evaluation(report, {node: cause for node, cause in judged_causes.items() if cause})


def _groups(rows: Iterable[JudgedNode], marks: Marks) -> Iterator[Group]:
    """Yield groups of nodes without distinguishing marks, the largest first."""
    groups: dict[tuple[object, ...], list[FleetNode]] = defaultdict(list)
    for number, row in enumerate(rows):
        all_marks = tuple(
            sorted(marks.get(number, {}).items(), key=lambda kind_marks: kind_marks[0])
        )
        groups[row.told.verdict, row.told.findings, all_marks].append(row.told)
    for some in sorted(groups.values(), key=len, reverse=True):
        names, first = tuple(node.node for node in some), some[0]
        yield Group(nodes=names, verdict=first.verdict, findings=first.findings)


def _times(rows: Sequence[JudgedNode]) -> Iterator[Spread]:
    """Yield how long nodes took, how fast each kind of device trained, and how fast their cards are."""
    figures: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in rows:
        node, speed, took = row.told, row.told.tokens_per_second, row.told.seconds or None
        node_figures = {("seconds", "", ""): took, ("tokens_per_second", node.device, ""): speed}
        for (what, on, which), figure in {**node_figures, **row.figures}.items():
            if figure is not None and 0 <= figure < 1e12:
                figures[what, on][f"{node.node} {which}".rstrip()] = figure
    for (what, device), some in figures.items():
        if len(some) > 1:
            middle, late = median(some.values()), 1 if what == "seconds" else -1
            least = middle * (1 - MEASURES[what]["neighbours"])
            away = max(7.413 * median(abs(v - middle) for v in some.values()), least)
            beyond = [(v, name) for name, v in some.items() if (v - middle) * late > away]
            low, _, high = quantiles(some.values(), n=4)
            yield Spread(
                what=what,
                device=device,
                count=len(some),
                median=middle,
                quartiles=(low, high),
                limit=middle + late * away,
                stragglers={name: v for v, name in sorted(beyond, reverse=late > 0)},
            )
