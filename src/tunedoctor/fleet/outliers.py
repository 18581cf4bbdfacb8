"""Find which nodes differ from most others, how surprising that is, and what it explains.

A value is surprising if it is rare: log2(nodes / nodes that have it), minus the average for that fact, its entropy,
since a fact that differs everywhere says nothing. If machines differ on purpose, a node is also compared with its pool:
nodes with the same values of related facts. Findings that few nodes have, and that disappear with the others' value of
a fact, add their own rarity. Values of one fact or environment that the same nodes have become one row.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from math import log2
from time import perf_counter
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.diagnosis.differences import (
    Value,
    ValueChange,
    changes_of,
    explained,
    format_value,
    within,
)
from tunedoctor.diagnosis.engine import kinds_of
from tunedoctor.facts import KINDS
from tunedoctor.fleet.judge import JudgedNode, read_again
from tunedoctor.fleet.report import Others, Outlier, natural
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import SnapshotError
from tunedoctor.model.wording import listed, many

JITTER = 0.02
"""Sizes that differ by less count as equal: firmware reserves some memory."""
FLOOR, RARE = 0.5, 1 / 3
"""Bits from which, and share of the nodes up to which, a value is odd."""
MOST_TRIED, MOST_SECONDS, MOST_ASKED = 200, 30, 300
"""Experiments (one for nodes with equal inputs of a check), seconds for all, nodes to choose a similar one from."""
MOST_CELLS = 10_000_000
"""Paths of a kind of fact times machines from which rare paths are left out."""
SEVERAL = 3
POOL, SHARE, MOST_MIXED = 8, 1 / 20, 40
"""Machines, and share of all, with one value in a pool; facts that define pools."""
LONGEST = 60
"""Characters of a value in a sentence."""
_SIZE = 1 << 24
"""Only a number of bytes is this large."""
Marks = Mapping[int, Mapping[str, tuple[tuple[str, Value], ...]]]
"""Node, by number -> kind of fact -> the values that distinguish it from others."""
_ROOMS = {kind.__name__: kind.__module__.rpartition(".")[2] for kind in KINDS}


class Column(NamedTuple):
    """The nodes, by number, that have each value of a path; None for no value."""

    kind: str
    path: str
    nodes: dict[Value, list[int]]
    total: int
    entropy: float
    among: str = ""


def columns_of(rows: Sequence[JudgedNode], every: Iterable[JudgedNode]) -> Iterator[Column]:
    """Yield what distinguishes nodes and is not noise; sizes that are nearly equal count as one value."""
    values = {token: row_values for row in every for token, row_values in row.values.items()}
    having: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        for fact in row.facts.items():
            having[fact].append(number)
    nodes_by_value: dict[tuple[str, str], dict[Value, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for (kind, token), numbers in having.items():
        for path, value in values[token].items():
            nodes_by_value[kind, path][value] += numbers
    most, paths = (
        max(2000, MOST_CELLS // max(1, len(rows))),
        Counter(kind for kind, _ in nodes_by_value),
    )
    for (kind, path), nodes in nodes_by_value.items():
        if paths[kind] > most and sum(map(len, nodes.values())) < len(rows) * RARE:
            continue  # a single machine can have a hundred thousand, which all others lack
        if path and (
            lacks := {*nodes_by_value[kind, ""].get(None, ())}.difference(*nodes.values())
        ):
            nodes[None] = sorted(lacks)
        _merge_sizes(nodes)
        total, entropy = sum(map(len, nodes.values())), _entropy([*map(len, nodes.values())])
        if 0 < entropy <= max(1.0, log2(total) / 2):
            yield Column(kind, path, nodes, total, entropy)


def _pools(columns: Iterable[Column], least: float) -> Iterator[Column]:
    """Yield a fact within each pool defined by another fact: the one that determines it best, at least half of it."""
    parts = {
        (column.kind, frozenset(map(frozenset, column.nodes.values()))): column
        for column in columns
    }
    mixed = sorted(parts.values(), key=lambda column: -sorted(map(len, column.nodes.values()))[-2])
    for column in (few := mixed[:MOST_MIXED]):
        own, left, by = (
            {n: v for v, some in column.nodes.items() for n in some},
            column.entropy / 2,
            column,
        )
        for other in few:
            both = Counter((v, own[n]) for v, some in other.nodes.items() for n in some if n in own)
            bits = _entropy(both.values()) - other.entropy
            if other.kind != column.kind and bits < left:
                left, by = bits, other
        for value, some in by.nodes.items() if by is not column else ():
            pool, among = {*some}, f"{by.kind}.{by.path} {value}"
            nodes = {v: [n for n in numbers if n in pool] for v, numbers in column.nodes.items()}
            if (total := sum(map(len, nodes.values()))) >= least:
                yield Column(column.kind, column.path, nodes, total, left, among)


def _entropy(counts: Collection[int]) -> float:
    total = sum(counts)
    return sum(number / total * log2(total / number) for number in counts)


def _merge_sizes(nodes: dict[Value, list[int]]) -> None:
    runs: list[list[int]] = []
    for size in sorted(node for node in nodes if isinstance(node, int) and node >= _SIZE):
        if runs and size <= runs[-1][0] * (1 + JITTER):
            runs[-1].append(size)
        else:
            runs.append([size])
    for run in runs:
        usual = max(run, key=lambda size: len(nodes[size]))
        nodes[usual] = [*chain(*(nodes.pop(size) for size in run))]


def marks_of(columns: Iterable[Column]) -> Marks:
    """Return what distinguishes each node from others."""
    marks_by_node: dict[int, dict[str, list[tuple[str, Value]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for column in columns:
        for value, numbers in column.nodes.items():
            mark = column.path, value
            for number in numbers:
                marks_by_node[number][column.kind].append(mark)
    return {
        number: {k: tuple(some) for k, some in kinds.items()}
        for number, kinds in marks_by_node.items()
    }


def apart(rows: Sequence[JudgedNode], kinds: Sequence[str]) -> list[Outlier]:
    """Return the facts of these kinds that differ from most nodes, even if few facts are known."""
    values, result = (
        {token: row_values for row in rows for token, row_values in row.values.items()},
        list[Outlier](),
    )
    for kind in kinds:
        (usual, count), *others = Counter(row.facts.get(kind, b"") for row in rows).most_common()
        for token, _ in others:
            own, well = values.get(token, {}), values.get(usual, {})
            first, *more = [path for path in {**own, **well} if own.get(path) != well.get(path)]
            outlier = Outlier(
                nodes=tuple(row.told.node for row in rows if row.facts.get(kind, b"") == token),
                fact=f"{kind}.{first}".rstrip("."),
                value=own.get(first),
                others=Others(value=well.get(first), count=count if count > 1 else 0),
                more=len(more),
            )
            result.append(outlier)
    return result


def find_outliers(
    rows: Sequence[JudgedNode], columns: Sequence[Column], marks: Marks, checks: Iterable[Check]
) -> list[Outlier]:
    """Return the differing nodes, most surprising first."""
    by_id = {check.id: check for check in checks}
    having = Counter(chain(*(row.told.findings for row in rows)))
    outliers: dict[tuple[object, ...], Outlier] = {}
    for column in chain(columns, _pools(columns, max(POOL, len(rows) * SHARE))):
        usual = max(column.nodes, key=lambda value: len(column.nodes[value]))
        fact, count = f"{column.kind}.{column.path}".rstrip("."), len(column.nodes[usual])
        for value, some in column.nodes.items():
            bits = log2(column.total / max(len(some), 1)) - column.entropy
            if value != usual and bits >= FLOOR and 0 < len(some) <= column.total * RARE:
                names = tuple(rows[number].told.node for number in sorted(some))
                others = Others(value=usual, count=count, among=column.among)
                outlier = Outlier(nodes=names, fact=fact, value=value, others=others, bits=bits)
                key: tuple[object, ...] = fact, value
                if key not in outliers or outliers[key].nodes != names:
                    outliers[(*key, column.among) if key in outliers else key] = outlier
    for id_, nodes, change in _explained(rows, having, marks, by_id):
        fact = f"{change.fact}.{change.field}".rstrip(".")
        key = (fact, change.a)
        row = outliers.get(key)
        if row is None or not {*nodes} <= {*row.nodes}:  # only in these nodes
            key = (*key, id_)
            one_like = Others(value=change.b)
            row = outliers.get(key, Outlier(nodes=(), fact=fact, value=change.a, others=one_like))
            row = replace(row, nodes=(*row.nodes, *nodes))
        if id_ not in row.explains:
            bits = row.bits + log2(len(rows) / having[id_])
            row = replace(row, bits=bits, explains=(*row.explains, id_))
        outliers[key] = row
    uses = Counter(kind.__name__ for check in by_id.values() for kind in kinds_of(check))
    return _together(outliers.values(), uses)


def _together(rows: Iterable[Outlier], check_counts: Counter[str]) -> list[Outlier]:
    """Merge what the same nodes have of one environment, or of one fact; a row that explains a finding comes first."""
    clusters: dict[tuple[object, ...], list[Outlier]] = defaultdict(list)
    for row in rows:
        kind = row.fact.partition(".")[0]
        room = "target" if _ROOMS.get(kind) == "target" else kind
        # it is no coincidence if several nodes are the same
        clusters[row.nodes, room if len(row.nodes) < SEVERAL else ""].append(row)
    led: list[Outlier] = []
    for some in clusters.values():
        # facts that most checks use come first
        some.sort(
            key=lambda row: (-row.bits, -check_counts[row.fact.partition(".")[0]], len(row.fact))
        )
        leads = {row.explains: row for row in reversed(some) if row.explains} or {(): some[0]}
        first, *others = sorted(leads.values(), key=lambda row: -row.bits)
        led += [replace(first, more=len(some) - len(leads)), *others]
    led.sort(key=lambda row: (-row.bits, natural(row.nodes[0]), row.fact))
    return [replace(row, bits=round(row.bits, 2)) for row in led]


def _explained(
    rows: Sequence[JudgedNode], having: Counter[str], marks: Marks, checks: Mapping[str, Check]
) -> Iterator[tuple[str, tuple[str, ...], ValueChange]]:
    """Yield findings of few nodes, the nodes with equal inputs of the check, and what makes it disappear there."""
    equal: dict[tuple[str, tuple[object, ...]], list[JudgedNode]] = defaultdict(list)
    for number, row in enumerate(rows):
        for id_ in row.told.findings:
            if id_ in checks and having[id_] <= len(rows) * RARE:
                kinds = kinds_of(checks[id_])
                takes = tuple(marks.get(number, {}).get(kind.__name__) for kind in kinds)
                equal[id_, takes].append(row)
    began, apart = perf_counter(), dict[object, JudgedNode]()
    # of equal nodes the first, whichever process reported it
    for row in (row for row in rows if row.source):
        apart.setdefault((row.told.findings, *row.facts.values()), row)
    for (id_, _), some in [*equal.items()][:MOST_TRIED]:
        if perf_counter() - began > MOST_SECONDS:
            return
        failing = next((row for row in some if row.source), None)
        others = [row for row in apart.values() if id_ not in row.told.findings]
        if failing is None or not others:
            continue
        # the most similar of a sample of nodes: otherwise other differences could explain it too
        own = {*failing.facts.values()}
        others = others[:: len(others) // MOST_ASKED + 1]
        well = max(others, key=lambda row: len(own & {*row.facts.values()}))
        with suppress(OSError, SnapshotError):  # a file that was removed meanwhile
            a, b = read_again(failing.source), read_again(well.source)
            kinds = kinds_of(checks[id_])
            changes = {k.__name__: [*changes_of(k.__name__, a.get(k), b.get(k))] for k in kinds}
            for change in [*within(chain(*explained(a, b, checks[id_])), changes)][:5]:
                yield id_, tuple(row.told.node for row in some), change


def describe(outlier: Outlier) -> str:
    """Return "n17: NvidiaDriver.version 550.54, 39 others 570.86: driver-too-old"."""
    both = outlier.value, outlier.others.value
    short = [format_value(value, LONGEST, sizes=True) for value in both]
    own, usual = (format_value(value, LONGEST, sizes=short[0] != short[1]) for value in both)
    if "." not in outlier.fact:  # the whole fact is present or missing
        own = "there" if outlier.value is None else own
        usual = "have it" if outlier.others.value is None else usual
    others = f"{outlier.others.count:,} others" if outlier.others.count else "elsewhere"
    others += f" with {outlier.others.among}" if outlier.others.among else ""
    explains = f": {', '.join(outlier.explains)}" if outlier.explains else ""
    more = f" (and {many(outlier.more, 'more value')})" if outlier.more else ""
    return f"{listed(outlier.nodes)}: {outlier.fact} {own}, {others} {usual}{explains}{more}"
