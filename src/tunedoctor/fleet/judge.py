"""Evaluate one machine of many: what two machines have in common is read, converted and evaluated once."""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, count
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from tunedoctor.diagnosis.differences import Value, flat, words_of
from tunedoctor.diagnosis.engine import diagnose, kinds_of
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.diagnosis.redaction import public, redact_text, this_identity
from tunedoctor.diagnosis.report import Report, ReportFinding, ReportSmoke, machine_of
from tunedoctor.diagnosis.summary import Owner
from tunedoctor.facts import Absent, Fact, Node, Smoke, Target, Unknown
from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet.reply import Reply
from tunedoctor.fleet.report import FleetNode
from tunedoctor.model import snapshot as snapshots
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import KIND_CALLED, LARGEST, FactOrLack, Snapshot, SnapshotError
from tunedoctor.probes.system import knowledge
from tunedoctor.smoke.node import speeds_of
from tunedoctor.system.reading import read_regular
from tunedoctor.tables.small import incidental

Job = Reply | tuple[str, str]
"""A reply, or the name and path of a file."""
_MOST_HELD, _MOST_OUTCOMES = 512, 500_000
"""Most facts, and most outcomes of checks, to cache."""
_TRIED = 1 << 19
"""Largest snapshot to experiment with, in bytes: a real one has a fifth of that."""
_STRANGE, _MOST_STRANGE = re.compile(r"contains unknown field `(\w+)`(?: - at `\$(\S*)`)?"), 40
_numbers = count(1)


class NodeCause(NamedTuple):
    """The worst cause of a node that counts."""

    id: str
    owner: Owner
    """Who has to act: with "node" the node itself is at fault."""


class VerdictReason(NamedTuple):
    """Why a node has its verdict."""

    text: str
    """In a line."""
    cause: NodeCause | None = None
    """None if there is no finding, or if an undecided check could hide a worse cause."""


class JudgedNode(NamedTuple):
    """The result for one reply."""

    told: FleetNode
    cause: NodeCause | None = None
    facts: Mapping[str, bytes] = {}
    """Kind of fact -> token of its values."""
    values: Mapping[bytes, Mapping[str, Value]] = {}
    """Token -> values by path, if this process reports it for the first time; the same holds for causes."""
    causes: tuple[ReportFinding, ...] = ()
    figures: Mapping[tuple[str, str, str], float] = {}
    """Measurement, device and card -> speed, from the smoke training if one ran."""
    source: str | bytes = ""
    """Where its snapshot can be read again: a file, or the packed snapshot; "" if that of an equal one is known."""
    strange: tuple[str, ...] = ()
    """What was ignored: facts, and fields of facts, that this doctor does not know."""


class _ParsedFact(NamedTuple):
    """An answer as received: equal bytes have the same number."""

    answer: FactOrLack
    number: int
    token: bytes
    values: Mapping[str, Value]
    strange: tuple[str, ...]


class _SnapshotHead(msgspec.Struct):
    """A snapshot whose facts are not parsed yet, or a report."""

    schema: str = ""
    taken: str = ""
    doctor: str = ""
    facts: dict[str, msgspec.Raw] = {}


class Judge:
    """Evaluates machines one after another."""

    def __init__(
        self,
        checks: Callable[[ProfileName], tuple[Check, ...]],
        report: Callable[[Snapshot, ProfileName], Report],
        reason: Callable[[Report], VerdictReason],
        profile: ProfileName | None,
        *,
        by_node: bool,
    ) -> None:
        """Use these checks; `reason` gives the reason for a verdict; without a profile, use the snapshot's own.

        `by_node`: use the machine's name in its cluster, if it has one.
        """
        self._report, self._reason, self._by_node = report, reason, by_node
        self._profile: ProfileName | None = profile
        self._checks: dict[ProfileName, dict[Any, list[Check]]] = {"node": {}, "project": {}}
        for name, groups in self._checks.items():
            for check in checks(name):
                groups.setdefault(tuple(k.__name__ for k in kinds_of(check)), []).append(check)
        self._outcomes: dict[tuple[object, ...], object] = {}
        self._reports: dict[tuple[object, ...], Report] = {}
        self._told: set[object] = set()

    def evaluate(self, job: Job) -> JudgedNode:
        """Evaluate a reply or a file; errors become part of its row."""
        reply, file = (Reply(job[0]), job[1]) if isinstance(job, tuple) else (job, "")
        node = FleetNode(node=plain(reply.name) or "?", seconds=round(reply.seconds, 3))
        why, data = reply.problem, reply.snapshot
        try:
            if not why:
                data = read_regular(file, LARGEST) if file else data[: LARGEST + 1]
                node, report, facts, strange = self._read(node, data)
                return self._new(node, report, facts, data, file)._replace(strange=strange)
        except OSError as error:
            why = f"can't be read: {error.strerror or error}"
        except Exception as error:  # noqa: BLE001  one machine does not end the others
            why = f"is neither a snapshot nor a readable report: {error}"
        return JudgedNode(replace(node, reached=False, why=_public(why)))

    def _new(
        self,
        row: FleetNode,
        report: Report,
        parsed_facts: Mapping[str, _ParsedFact],
        data: bytes,
        file: str,
    ) -> JudgedNode:
        """Return a row with the values that this process did not report before."""
        causes, reported = (
            [finding for finding in report.findings if not finding.accepted],
            self._told,
        )
        ids, facts = (
            tuple(cause.id for cause in causes),
            {k: fact.token for k, fact in parsed_facts.items()},
        )
        reason = self._reason(report)
        row = replace(row, verdict=report.verdict, findings=ids, why=_public(reason.text))
        values = {
            fact.token: fact.values for fact in parsed_facts.values() if fact.token not in reported
        }
        key = (ids, *facts.values())
        source = "" if key in reported or not parsed_facts else file or zlib.compress(data, 1)
        node = getattr(getattr(parsed_facts.get("Smoke"), "answer", None), "node", None)
        figures = {
            (what, plain(card.name), plain(card.device)): speed
            for card in getattr(node, "cards", ())
            for what, speed in speeds_of(card).items()
        }
        if node and node.cards and node.all_reduce:
            names = {plain(card.name) for card in node.cards}  # compared if equal
            cards = f"{node.ranks} x {' and '.join(sorted(names))}"
            figures["all_reduce", cards, ""] = node.all_reduce
        new = tuple(cause for cause in causes if (cause.id, cause.severity) not in reported)
        reported.update((key, *((cause.id, cause.severity) for cause in new), *values))
        return JudgedNode(row, reason.cause, facts, values, new, figures, source)

    def _read(
        self, node: FleetNode, data: bytes
    ) -> tuple[FleetNode, Report, Mapping[str, _ParsedFact], tuple[str, ...]]:
        head, parsed_facts = msgspec.json.decode(data, type=_SnapshotHead), dict[str, _ParsedFact]()
        who: Node | Report
        smoke: Smoke | ReportSmoke | None
        if head.schema.startswith("doctor.report/"):
            whole = msgspec.json.decode(data, type=Report)
            who, name, smoke = whole, whole.node, whole.smoke
            short = replace(whole, passed=(), skipped={}, symptoms=(), suspected=())
            report = public(short, this_identity())
        elif head.schema == snapshots.SCHEMA and head.facts:
            parsed_facts = _parse_facts(head)
            snapshot = _snapshot(parsed_facts).having(knowledge())
            who, smoke = snapshot.find(Node) or Node(host=""), snapshot.find(Smoke)
            name = who.name
            report = self._report_for(
                snapshot, {kind: fact.number for kind, fact in parsed_facts.items()}
            )
        else:
            raise SnapshotError(f'its "schema" is {head.schema[:60]!r}')
        name = plain(name) if self._by_node else ""
        node = replace(node, node=name or node.node, host=plain(who.host), boot=plain(who.boot, 40))
        node = replace(node, taken=plain(head.taken, 40), doctor=plain(head.doctor, 40))
        if smoke:
            device = plain(smoke.device_name or smoke.device)
            node = replace(node, tokens_per_second=smoke.tokens_per_second, device=device)
        names = sorted(head.facts.keys() - KIND_CALLED.keys()) if parsed_facts else ()
        fields = chain(*(fact.strange for fact in parsed_facts.values()))
        return node, report, parsed_facts, (*map(plain, names[:_MOST_STRANGE]), *fields)

    def _report_for(self, snapshot: Snapshot, number: Mapping[str, int]) -> Report:
        """Return the report of an earlier machine whose checks all had the same outcome, if there was one.

        No field is ignored for that: even a changing one, such as free memory, can cause a finding.
        """
        target, machine = snapshot.find(Target), machine_of(snapshot)
        bare = target is None or target.chosen_by == "none"
        profile: ProfileName = self._profile or ("node" if bare else "project")
        # what a verdict depends on besides the checks
        outcomes: list[object] = [profile, bool(machine.gpus), machine.gpus_known]
        outcomes += [number.get(kind) for kind in ("Target", "Runtime", "Errors")]
        if len(self._outcomes) > _MOST_OUTCOMES:
            self._outcomes.clear()
        checks = self._checks[profile]
        keys = {takes: (profile, takes, *map(number.get, takes)) for takes in checks}
        fresh = {key: checks[takes] for takes, key in keys.items() if key not in self._outcomes}
        diagnosis = diagnose(snapshot, chain(*fresh.values()))
        diagnosed_by_id = {
            diagnosed.check.id: diagnosed
            for diagnosed in chain(diagnosis.causes, *diagnosis.symptoms.values())
        }

        def outcome(id_: str) -> tuple[object, ...]:
            outcome_values: tuple[object, ...] = ()
            if diagnosed := diagnosed_by_id.get(id_):  # with what decides whose fault it is
                outcome_values = (
                    diagnosed.severity,
                    bool(diagnosed.finding.settle),
                    diagnosed.title,
                    diagnosed.finding.cure.who,
                )
                outcome_values += tuple(map(type, diagnosed.finding.cure.steps))
            return (
                *outcome_values,
                id_ in diagnosis.passed,
                id_ in diagnosis.skipped,
                diagnosis.unknown.get(id_),
            )

        for key, some in fresh.items():
            self._outcomes[key] = tuple(outcome(check.id) for check in some)
        signature = (*outcomes, *(self._outcomes[key] for key in keys.values()))
        if signature not in self._reports:
            self._reports[signature] = self._report(snapshot, profile)
        return self._reports[signature]


def plain(text: str, most: int = 100) -> str:
    """Return foreign text as one clean, short line."""
    return " ".join(clean_text(text).split())[:most]


def _public(text: str) -> str:
    """Return a line from a node or a report without secrets; addresses stay, because they identify nodes."""
    return redact_text(plain(text, 300), this_identity(), addresses=False)


def _parse_facts(head: _SnapshotHead) -> dict[str, _ParsedFact]:
    return {k: _parse_fact(k, bytes(raw)) for k, raw in head.facts.items() if k in KIND_CALLED}


def _snapshot(parsed_facts: Mapping[str, _ParsedFact]) -> Snapshot:
    return Snapshot({KIND_CALLED[kind]: fact.answer for kind, fact in parsed_facts.items()})


@lru_cache(_MOST_HELD)
def _parse_fact(name: str, raw: bytes) -> _ParsedFact:
    """Read one fact of a snapshot: the token is the same for equal values, irrelevant ones ignored."""
    answer, strange = _answer(KIND_CALLED[name], msgspec.json.decode(raw, type=dict[str, Any]))
    values: dict[str, Value] = {"": None}
    if isinstance(answer, Absent | Unknown):
        values[""] = words_of(answer)
    else:
        values |= {p: v for p, v in flat(answer).items() if not _incidental(name, p)}
    token = blake2b(msgspec.msgpack.encode((name, values)), digest_size=12).digest()
    return _ParsedFact(answer, next(_numbers), token, values, strange)


def _answer(kind: type[Fact], data: dict[str, Any]) -> tuple[FactOrLack, tuple[str, ...]]:
    """Return an answer from plain data, and the ignored fields of a newer doctor. Raises SnapshotError."""
    strange = list[str]()
    while True:
        try:
            return snapshots.answer_of(kind, data), tuple(strange)
        except SnapshotError as error:
            match = _STRANGE.search(str(error))
            if not match or len(strange) == _MOST_STRANGE:
                raise
            parts = [data.get("value")]
            for key in re.findall(r"\w+|\.{3}", match[2] or ""):
                parts = [*chain(*(_within(part, key) for part in parts))]
            for part in parts:
                if isinstance(part, dict):
                    part.pop(match[1], None)
            strange.append(f"{kind.__name__}{re.sub('[0-9]+', '', match[2] or '')}.{match[1]}")


def _within(part: Any, key: str) -> Iterable[Any]:  # noqa: ANN401  any JSON
    if isinstance(part, dict):
        return part.values() if key == "..." else [part.get(key)]
    return part if isinstance(part, list) else ()


_incidental = lru_cache(1 << 16)(incidental)


def read_again(source: str | bytes) -> Snapshot:
    """Return the snapshot of a row. Raises OSError and SnapshotError, also if it is larger than any real one."""
    data = zlib.decompress(source) if isinstance(source, bytes) else read_regular(source, LARGEST)
    if len(data) > _TRIED:
        raise SnapshotError("too large for experiments")
    try:
        return _snapshot(_parse_facts(msgspec.json.decode(data, type=_SnapshotHead)))
    except msgspec.DecodeError as error:
        raise SnapshotError(str(error)) from None
