"""Which nodes are otherwise than most, how surprising that is, and what it explains. Pure but for reading a node again.

A value surprises by its rarity, log2(nodes / nodes that have it), less what a node's value of that fact tells on
average, its entropy: what differs everywhere says nothing. Findings that few have, and that go where a fact is as on the
others, add their own rarity. Nobody lists what belongs together: what the same nodes have of one environment, or of one
fact, is one row.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from math import log2
from typing import NamedTuple

from tunedoctor.diagnosis.differences import Change, Value, changes_of, explained, within
from tunedoctor.diagnosis.engine import kinds_of
from tunedoctor.facts import KINDS
from tunedoctor.fleet.judge import Judged, read_again
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import SnapshotError

JITTER = 0.02
"""Two sizes that differ by less are one: firmware keeps some memory for itself."""
FLOOR, RARE = 0.5, 1 / 3
"""Bits, and share of the nodes, from which and up to which a value is odd."""
MOST_TRIED = 200
"""Experiments: each is a finding with what its check takes, once for all nodes that are equal in that."""
MOST_ASKED = 300
_SIZE = 1 << 24
"""Nothing but bytes is so large."""
_SOURCES = {kind.__name__: kind.__module__.rpartition(".")[2] for kind in KINDS}
Values = Mapping[bytes, Mapping[str, Value]]


class Row(NamedTuple):
    """Nodes, by number, that have another value than most."""

    nodes: tuple[int, ...]
    kind: str
    path: str
    value: Value
    usual: Value
    usual_count: int
    of: int
    bits: float
    explains: tuple[str, ...] = ()
    more: int = 0


class Counts(NamedTuple):
    """All values of one kind of fact."""

    nodes: dict[bytes, list[int]]
    """By token."""
    tokens: dict[str, dict[Value, list[bytes]]]
    """By path and value; None for nodes that have none."""


def counted(rows: Sequence[Judged], values: Values) -> dict[str, Counts]:
    """Count the values of each path, sizes that are nearly the same as one."""
    nodes: dict[str, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, row in enumerate(rows):
        for kind, token in row.facts.items():
            nodes[kind][token].append(number)
    found: dict[str, Counts] = {}
    for kind, by_token in nodes.items():
        tokens: dict[str, dict[Value, list[bytes]]] = defaultdict(lambda: defaultdict(list))
        for token in by_token:
            for path, value in values[token].items():
                tokens[path][value].append(token)
        present = [token for token in by_token if values[token].get("", 0) is None]
        for path, by_value in tokens.items():
            if path:
                having = {*chain(*by_value.values())}
                if without := [token for token in present if token not in having]:
                    by_value[None] += without
                tokens[path] = _sizes(by_value, by_token)
        found[kind] = Counts(by_token, tokens)
    return found


def _sizes(
    by_value: dict[Value, list[bytes]], nodes: Mapping[bytes, Sequence[int]]
) -> dict[Value, list[bytes]]:
    """Put sizes that are nearly the same under the commonest of them."""
    sizes = sorted(one for one in by_value if isinstance(one, int) and one >= _SIZE)
    if len(sizes) < 2:
        return by_value
    runs = [[sizes[0]]]
    for size in sizes[1:]:
        if size <= runs[-1][0] * (1 + JITTER):
            runs[-1].append(size)
        else:
            runs.append([size])
    merged = {one: some for one, some in by_value.items() if one not in {*sizes}}
    for run in runs:
        name = max(run, key=lambda one: sum(len(nodes[token]) for token in by_value[one]))
        merged[name] = [*chain(*(by_value[one] for one in run))]
    return merged


def telling(counts: Counts) -> Iterator[tuple[str, dict[Value, int], float, int]]:
    """Yield path, counts of values, entropy and number of nodes, of what tells nodes apart and is no noise."""
    for path, by_value in counts.tokens.items():
        if len(by_value) > 1:
            sums = {
                value: sum(len(counts.nodes[token]) for token in some)
                for value, some in by_value.items()
            }
            total = sum(sums.values())
            entropy = sum(n / total * log2(total / n) for n in sums.values())
            if entropy <= max(1.0, log2(total) / 2):
                yield path, sums, entropy, total


def odd(
    rows: Sequence[Judged], counts: Mapping[str, Counts], checks: Iterable[Check]
) -> list[Row]:
    """Return who is otherwise than most, most surprising first."""
    checks = {one.id: one for one in checks}
    found: dict[tuple[str, str, Value], Row] = {}
    for kind, one in counts.items():
        for path, sums, entropy, total in telling(one):
            usual = max(sums, key=lambda value: sums[value])
            for value, number in sums.items():
                bits = log2(total / number) - entropy
                if value != usual and sums[usual] * 2 > total and bits >= FLOOR and number <= total * RARE:
                    nodes = sorted(chain(*(one.nodes[token] for token in one.tokens[path][value])))
                    told = Row((*nodes,), kind, path, value, usual, sums[usual], total, bits)
                    found[kind, path, value] = told
    having = Counter(chain(*(row.findings for row in rows)))
    for id_, nodes, change in _explained(rows, having, checks):
        key = change.fact, change.field, change.a
        row = found.get(key)
        if row is None or not {*nodes} & {*row.nodes}:
            key = (*key[:2], (id_, change.a, nodes))  # type: ignore[assignment]  of these nodes alone
            row = Row(nodes, change.fact, change.field, change.a, change.b, 0, len(rows), 0.0)
        if id_ not in row.explains:
            bits = row.bits + log2(len(rows) / having[id_])
            row = row._replace(bits=bits, explains=(*row.explains, id_))
        found[key] = row
    asked = Counter(kind.__name__ for one in checks.values() for kind in kinds_of(one))
    return _together([*found.values()], asked)


def _together(rows: list[Row], asked: Counter[str]) -> list[Row]:
    """Make one row of what the same nodes have of one environment, or of one fact; what explains a finding leads."""
    clusters: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        source = _SOURCES.get(row.kind, row.kind)
        clusters[row.nodes, source if source == "target" else row.kind].append(row)
    led: list[Row] = []
    for some in clusters.values():
        some.sort(key=lambda row: (not row.explains, -row.bits, -asked[row.kind], len(row.path), row.path))
        leads = {row.explains: row for row in reversed(some) if row.explains} or {(): some[0]}
        more = sum(row not in leads.values() for row in some)
        led += [row._replace(more=0 if number else more) for number, row in enumerate(leads.values())]
    return sorted(led, key=lambda row: (-row.bits, row.nodes, row.kind, row.path))


def _explained(
    rows: Sequence[Judged], having: Mapping[str, int], checks: Mapping[str, Check]
) -> Iterator[tuple[str, tuple[int, ...], Change]]:
    """Yield findings that most lack, the nodes that are equal in what the check takes, and what makes it go there."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        for id_ in row.findings:
            if id_ in checks and having[id_] * 2 < len(rows):
                takes = (row.facts.get(kind.__name__) for kind in kinds_of(checks[id_]))
                alike[id_, *takes].append(number)
    for (id_, *_), nodes in [*alike.items()][:MOST_TRIED]:
        one = next((number for number in nodes if rows[number].source), None)
        others = [row for row in rows if row.source and str(id_) not in row.findings]
        if one is None or not others:
            continue
        own = {*rows[one].facts.values()}
        # who is most like it, of some from everywhere: what else differs could explain it too
        some = others[:: len(others) // MOST_ASKED + 1]
        well = max(some, key=lambda row: len(own & {*row.facts.values()}))
        with suppress(OSError, SnapshotError):  # a file that went since
            failing, other = read_again(rows[one].source), read_again(well.source)
            check = checks[str(id_)]
            sets = explained(failing, other, check)
            changes = {
                kind.__name__: [*changes_of(kind.__name__, failing.get(kind), other.get(kind))]
                for kind in kinds_of(check)
            }
            for change in [*within(chain(*sets), changes)][:5]:
                yield str(id_), tuple(nodes), change
