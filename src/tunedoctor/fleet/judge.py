"""One machine of many, judged: what is equal in two of them is read, laid out and judged once."""

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, count
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from tunedoctor.diagnosis.differences import Value, flat, incidental, words_of
from tunedoctor.diagnosis.engine import diagnose, kinds_of
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.diagnosis.report import Report, ReportFinding, Verdict, machine_of
from tunedoctor.facts import Absent, Knowledge, Node, Smoke, Target, Unknown
from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet.answer import FleetNode
from tunedoctor.fleet.reply import Reply
from tunedoctor.model import snapshot as snapshots
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import KIND_CALLED, LARGEST, Answer, Snapshot, SnapshotError
from tunedoctor.probes.system import knowledge
from tunedoctor.system.reading import read_regular

Job = Reply | tuple[str, str]
"""A reply, or name and path of a file."""
Findings = tuple[ReportFinding, ...]
Known = tuple[Verdict, tuple[str, ...], str]
"""Verdict, ids of findings, why it is unknown."""
_MOST_HELD = 512
"""Facts that are remembered; of outcomes of checks a thousand times as many."""
_numbers = count(1)


class Judged(NamedTuple):
    """What came of one reply."""

    told: FleetNode
    facts: Mapping[str, bytes] = {}
    """Kind of fact -> token of its values; of a report "target" and "machine"."""
    values: Mapping[bytes, Mapping[str, Value]] = {}
    """Token -> values by path, where this process tells it for the first time; so is a cause."""
    causes: Findings = ()
    source: str | bytes = ""
    """Where its snapshot is read again: a file, or it is this, packed; "" where that of an equal one is known."""


class _Held(NamedTuple):
    """An answer as it came: equal bytes have one number."""

    answer: Answer
    number: int
    token: bytes
    values: Mapping[str, Value]


class _Head(msgspec.Struct):
    """A snapshot whose facts are not read yet, or a report."""

    schema: str = ""
    doctor: str = ""
    taken: str = ""
    facts: dict[str, msgspec.Raw] = {}


class Judge:
    """Judges one after another."""

    def __init__(
        self,
        checks: Callable[[ProfileName], tuple[Check, ...]],
        report: Callable[[Snapshot, ProfileName], Report],
        why: Callable[[Report], str],
        profile: ProfileName | None = None,
        *,
        by_node: bool = False,
    ) -> None:
        """Judge by these checks; `why`: a line why a verdict is unknown; no profile: as the snapshot is.

        `by_node`: a machine is called as its cluster calls it, if at all.
        """
        self._report, self._why, self._profile, self._by_node = report, why, profile, by_node
        self._checks = {
            name: [(one, [kind.__name__ for kind in kinds_of(one)]) for one in checks(name)]
            for name in ("node", "project")
        }
        self._outcomes: dict[tuple[object, ...], object] = {}
        self._verdicts: dict[tuple[object, ...], Known] = {}
        self._told: set[object] = set()

    def judged(self, job: Job) -> Judged:
        """Judge a reply or a file; what is wrong with it is its row."""
        reply, file = (Reply(job[0]), job[1]) if isinstance(job, tuple) else (job, "")
        name, why, data = plain(reply.name) or "?", reply.problem, reply.snapshot
        try:
            if not why:
                data = read_regular(file, LARGEST) if file else data
                return self._new(self._read(name, data, reply.seconds), data, file)
        except OSError as error:
            why = f"can't be read: {error.strerror or error}"
        except Exception as error:  # noqa: BLE001  one machine does not end the others
            why = f"is neither a snapshot nor a report that can be judged: {error}"
        told = FleetNode(node=name, reached=False, why=plain(why, 300), seconds=reply.seconds)
        return Judged(told)

    def _new(self, row: Judged, data: bytes, file: str) -> Judged:
        """Return a row with what was not told before, and where it is read again."""
        key, before = (row.told.findings, *row.facts.values()), self._told
        source = "" if key in before or "target" in row.facts else file or zlib.compress(data, 1)
        values = {token: held for token, held in row.values.items() if token not in before}
        causes = tuple(one for one in row.causes if one.id not in before)
        before.update([key, *values, *(one.id for one in causes)])
        return row._replace(values=values, causes=causes, source=source)

    def _read(self, name: str, data: bytes, seconds: float) -> Judged:
        head = msgspec.json.decode(data[: LARGEST + 1], type=_Head)
        if head.schema.startswith("doctor.report/"):
            report = msgspec.json.decode(data, type=Report)
            nothing: dict[str, str] = {}
            short = structs.replace(
                report, passed=(), skipped=nothing, unknown=nothing, symptoms=()
            )
            short, smoke = public(short, this_identity()), report.smoke
            parts = {one: _laid_out(one, getattr(short, one)) for one in ("target", "machine")}
            causes = tuple(one for one in short.findings if not one.accepted)
            known: Known = report.verdict, tuple(one.id for one in causes), self._why(report)
            called, host, seconds = report.node, report.host, seconds or report.seconds
            device = smoke.device_name or smoke.device if smoke else ""
        else:
            if head.schema != snapshots.SCHEMA or not head.facts:
                msg = f'its "schema" is {head.schema[:60]!r}'
                raise SnapshotError(msg)
            held = {kind: _held(kind, bytes(raw)) for kind, raw in head.facts.items()}
            answers = {KIND_CALLED[kind]: one.answer for kind, one in held.items()}
            answers[Knowledge] = knowledge()
            snapshot = Snapshot(answers, taken=head.taken[:40], doctor=head.doctor[:40])
            known, causes = self._verdict(snapshot, held)
            parts = {kind: (one.token, one.values) for kind, one in held.items()}
            node, smoke = snapshot.find(Node), snapshot.find(Smoke)
            called, host = (node.name, node.host) if node else ("", "")
            device = smoke.device_name or smoke.kind if smoke else ""
        told = FleetNode(
            node=(self._by_node and plain(called)) or name,
            host=plain(host),
            verdict=known[0],
            findings=known[1],
            why=plain(known[2], 300),
            seconds=round(seconds, 3),
            tokens_per_second=smoke.tokens_per_second if smoke else None,
            device=plain(device),
        )
        return Judged(
            told, {kind: token for kind, (token, _) in parts.items()}, dict(parts.values()), causes
        )

    def _verdict(self, snapshot: Snapshot, held: Mapping[str, _Held]) -> tuple[Known, Findings]:
        """Return what is known where each check has an outcome that it had before, together with these; else judge.

        No field is left out of that: what moves, as free memory, can be a finding.
        """
        target, machine = snapshot.find(Target), machine_of(snapshot)
        bare = target is None or target.chosen_by == "none"
        profile = self._profile or ("node" if bare else "project")
        number = {kind: one.number for kind, one in held.items()}
        # what a verdict goes by besides the checks
        outcomes: list[object] = [profile, bool(machine.gpus), machine.gpus_known]
        outcomes += [number.get(kind) for kind in ("Target", "Runtime", "Errors")]
        if len(self._outcomes) > 1000 * _MOST_HELD:
            self._outcomes.clear()
        keys = [((one.id, *map(number.get, names)), one) for one, names in self._checks[profile]]
        fresh = {one.id: key for key, one in keys if key not in self._outcomes}
        seen = diagnose(snapshot, [one for _, one in keys if one.id in fresh])
        found = {one.check.id: one for one in chain(seen.causes, *seen.symptoms.values())}
        for id_, key in fresh.items():
            said = (one.severity, bool(one.finding.settle)) if (one := found.get(id_)) else ()
            how = (id_ in some for some in (seen.passed, seen.skipped, seen.unknown))
            self._outcomes[key] = (*said, *how)
        outcomes += [self._outcomes[key] for key, _ in keys]
        if known := self._verdicts.get(tuple(outcomes)):
            return known, ()
        report = self._report(snapshot, profile)
        causes = tuple(one for one in report.findings if not one.accepted)
        known = report.verdict, tuple(one.id for one in causes), self._why(report)
        self._verdicts[tuple(outcomes)] = known
        return known, causes


def plain(text: str, most: int = 100) -> str:
    """Return text of others in one line, clean and short."""
    return " ".join(clean_text(text).split())[:most]


@lru_cache(_MOST_HELD)
def _held(name: str, raw: bytes) -> _Held:
    """Read one fact of a snapshot; raises SnapshotError."""
    if (kind := KIND_CALLED.get(name)) is None:
        msg = f"{name[:60]!r} is no kind of fact that this doctor knows"
        raise SnapshotError(msg)
    answer = snapshots.answer_of(kind, msgspec.json.decode(raw, type=dict[str, Any]))
    return _Held(answer, next(_numbers), *_laid_out(name, answer))


def _laid_out(name: str, answer: Answer | msgspec.Struct) -> tuple[bytes, Mapping[str, Value]]:
    """Return a token that is the same for the same, and the values of a fact that tell something."""
    if isinstance(answer, Absent | Unknown):
        values: dict[str, Value] = {"": words_of(answer)}
    else:
        values = {"": None} | {p: v for p, v in flat(answer).items() if not _incidental(name, p)}
    return blake2b(msgspec.msgpack.encode((name, values)), digest_size=12).digest(), values


_incidental = lru_cache(1 << 16)(incidental)


def read_again(source: str | bytes) -> Snapshot:
    """Return the snapshot of a row; raises OSError and SnapshotError."""
    data = zlib.decompress(source) if isinstance(source, bytes) else read_regular(source, LARGEST)
    return snapshots.from_json(data)
