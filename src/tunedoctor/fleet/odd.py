"""Which nodes are otherwise than most, how surprising that is, and what it explains.

A value surprises by its rarity, log2(nodes / nodes that have it), less what values of that fact tell on average, their
entropy: what differs everywhere says nothing. Findings that few have, and that go where a fact is as on the others, add
their own rarity. What just the same nodes have of one fact, or of one environment, is one row.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from math import log2
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.diagnosis.differences import Change, Value, changes_of, explained, within
from tunedoctor.diagnosis.engine import kinds_of
from tunedoctor.facts import KINDS
from tunedoctor.fleet.answer import Odd
from tunedoctor.fleet.judge import Judged, read_again
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import SnapshotError

JITTER = 0.02
"""Two sizes that differ by less are one: firmware keeps some memory for itself."""
FLOOR, RARE = 0.5, 1 / 3
"""Bits, and share of the nodes, from which and up to which a value is odd."""
MOST_TRIED, MOST_ASKED = 200, 300
"""Experiments, each for all nodes that are equal in what a check takes; nodes that are looked at for one like it."""
SEVERAL = 3
_SIZE = 1 << 24
"""Nothing but bytes is so large."""
_ROOMS = {kind.__name__: kind.__module__.rpartition(".")[2] for kind in KINDS}


class Counts(NamedTuple):
    """All values of one kind of fact."""

    nodes: dict[bytes, list[int]]
    """Nodes, by number, of a token."""
    tokens: dict[str, dict[Value, list[bytes]]]
    """By path and value; None where there is none."""

    def telling(self) -> Iterator[tuple[str, dict[Value, int], float]]:
        """Yield path, counts of values and entropy of what tells nodes apart and is no noise."""
        for path, by_value in self.tokens.items():
            sums = {v: sum(len(self.nodes[t]) for t in some) for v, some in by_value.items()}
            total = sum(sums.values())
            entropy = sum(n / total * log2(total / n) for n in sums.values())
            if 0 < entropy <= max(1.0, log2(total) / 2):
                yield path, sums, entropy


def counted(rows: Sequence[Judged]) -> dict[str, Counts]:
    """Count the values of each path, sizes that are nearly the same as one."""
    values = {token: held for row in rows for token, held in row.values.items()}
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
        present = [token for token in by_token if values[token][""] is None]
        for path, by_value in tokens.items():
            having = {*chain(*by_value.values())}
            if path and (without := [token for token in present if token not in having]):
                by_value[None] = without
            _merge_sizes(by_value, by_token)
        found[kind] = Counts(by_token, tokens)
    return found


def _merge_sizes(tokens: dict[Value, list[bytes]], nodes: Mapping[bytes, Sequence[int]]) -> None:
    """Put sizes that are nearly the same under the commonest of them."""
    runs: list[list[int]] = []
    for size in sorted(one for one in tokens if isinstance(one, int) and one >= _SIZE):
        if runs and size <= runs[-1][0] * (1 + JITTER):
            runs[-1].append(size)
        else:
            runs.append([size])
    for run in runs:
        usual = max(run, key=lambda one: sum(len(nodes[token]) for token in tokens[one]))
        tokens[usual] = [*chain(*(tokens.pop(one) for one in run))]


def marks_of(counts: Mapping[str, Counts]) -> dict[bytes, dict[str, Value]]:
    """Return the values of each token that tell nodes apart: tokens of equal ones are equal in all that matters."""
    found: dict[bytes, dict[str, Value]] = defaultdict(dict)
    for kind, one in counts.items():
        for path, *_ in one.telling():
            for value, tokens in one.tokens[path].items():
                for token in tokens:
                    found[token][f"{kind}.{path}".rstrip(".")] = value
    return found


def odd(
    rows: Sequence[Judged],
    counts: Mapping[str, Counts],
    alike: Mapping[bytes, int],
    checks: Iterable[Check],
) -> list[Odd]:
    """Return who is otherwise than most, most surprising first; `alike`: a number of equal marks for each token."""
    by_id = {one.id: one for one in checks}
    having = Counter(chain(*(row.told.findings for row in rows)))
    found: dict[tuple[object, ...], Odd] = {}
    for kind, one in counts.items():
        for path, sums, entropy in one.telling():
            usual, total = max(sums, key=lambda value: sums[value]), sum(sums.values())
            for value, number in sums.items():
                bits, fact = log2(total / number) - entropy, f"{kind}.{path}".rstrip(".")
                if value != usual and bits >= FLOOR and number <= total * RARE:
                    some = sorted(chain(*(one.nodes[token] for token in one.tokens[path][value])))
                    found[fact, value] = Odd(
                        nodes=tuple(rows[number].told.node for number in some),
                        fact=fact,
                        value=value,
                        usual=usual,
                        usual_count=sums[usual],
                        bits=bits,
                    )
    for id_, nodes, change in _explained(rows, having, alike, by_id):
        fact = f"{change.fact}.{change.field}".rstrip(".")
        key: tuple[object, ...] = (fact, change.a)
        row = found.get(key)
        if row is None or not {*nodes} <= {*row.nodes}:  # of these alone
            key = (*key, id_)
            new = Odd(nodes=(), fact=fact, value=change.a, usual=change.b, usual_count=0, bits=0)
            row = found.get(key, new)
            row = replace(row, nodes=(*row.nodes, *nodes))
        if id_ not in row.explains:
            bits = row.bits + log2(len(rows) / having[id_])
            row = replace(row, bits=bits, explains=(*row.explains, id_))
        found[key] = row
    return _together(
        found.values(), Counter(k.__name__ for c in by_id.values() for k in kinds_of(c))
    )


def _together(rows: Iterable[Odd], asked: Counter[str]) -> list[Odd]:
    """Make one row of what the same nodes have of one environment, or of one fact; what explains a finding leads."""
    clusters: dict[tuple[object, ...], list[Odd]] = defaultdict(list)
    for row in rows:
        kind = row.fact.partition(".")[0]
        room = "target" if _ROOMS.get(kind) == "target" else kind
        # several nodes are the same ones by no chance
        clusters[row.nodes, room if len(row.nodes) < SEVERAL else ""].append(row)
    led: list[Odd] = []
    for some in clusters.values():
        # what most checks take comes first
        some.sort(key=lambda row: (-row.bits, -asked[row.fact.partition(".")[0]], len(row.fact)))
        leads = {row.explains: row for row in reversed(some) if row.explains} or {(): some[0]}
        first, *others = sorted(leads.values(), key=lambda row: -row.bits)
        led += [replace(first, more=len(some) - len(leads)), *others]
    led.sort(key=lambda row: (-row.bits, row.nodes, row.fact))
    return [replace(row, bits=round(row.bits, 2)) for row in led]


def _explained(
    rows: Sequence[Judged],
    having: Counter[str],
    alike: Mapping[bytes, int],
    checks: Mapping[str, Check],
) -> Iterator[tuple[str, tuple[str, ...], Change]]:
    """Yield findings that few have, the nodes that are equal in what the check takes, and what makes it go there."""
    equal: dict[tuple[str, tuple[int, ...]], list[Judged]] = defaultdict(list)
    for row in rows:
        for id_ in row.told.findings:
            if id_ in checks and having[id_] <= len(rows) * RARE:
                takes = (row.facts.get(kind.__name__, b"") for kind in kinds_of(checks[id_]))
                equal[id_, tuple(alike.get(token, 0) for token in takes)].append(row)
    for (id_, _), some in [*equal.items()][:MOST_TRIED]:
        one = next((row for row in some if row.source), None)
        others = [row for row in rows if row.source and id_ not in row.told.findings]
        if one is None or not others:
            continue
        # who is most like it, of some from everywhere: else what differs besides could explain it too
        own = {*one.facts.values()}
        others = others[:: len(others) // MOST_ASKED + 1]
        well = max(others, key=lambda row: len(own & {*row.facts.values()}))
        with suppress(OSError, SnapshotError):  # a file that went since
            a, b = read_again(one.source), read_again(well.source)
            kinds = kinds_of(checks[id_])
            changes = {k.__name__: [*changes_of(k.__name__, a.get(k), b.get(k))] for k in kinds}
            for change in [*within(chain(*explained(a, b, checks[id_])), changes)][:5]:
                yield id_, tuple(row.told.node for row in some), change
