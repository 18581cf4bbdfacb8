"""One machine of many, judged: what is equal in two of them is read, laid out and judged once."""

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, count
from typing import Any, NamedTuple

import msgspec

from tunedoctor.diagnosis.differences import Value, flat, incidental, words_of
from tunedoctor.diagnosis.engine import diagnose, kinds_of
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.diagnosis.report import Report, ReportFinding, machine_of
from tunedoctor.facts import Absent, Knowledge, Node, Smoke, Target, Unknown
from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet.reply import Reply
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import (
    KIND_CALLED,
    LARGEST,
    SCHEMA,
    Answer,
    Snapshot,
    SnapshotError,
    answer_of,
    from_json,
)
from tunedoctor.probes.system import knowledge
from tunedoctor.system.reading import read_regular

LONGEST = 100
"""Characters of a name."""
_MOST_HELD = 512
"""Facts, and a thousand times as many outcomes of checks, that are remembered."""
_numbers = count(1)


class Judged(NamedTuple):
    """What came of one reply."""

    name: str
    node: str = ""
    """What its cluster calls it."""
    host: str = ""
    problem: str = ""
    verdict: str = "unknown"
    findings: tuple[str, ...] = ()
    why: str = ""
    seconds: float = 0.0
    speed: float | None = None
    device: str = ""
    facts: Mapping[str, bytes] = {}
    """Kind of fact -> token of its values; of a report "target" and "machine"."""
    values: Mapping[bytes, Mapping[str, Value]] = {}
    """Values by path of tokens that this process tells for the first time."""
    causes: tuple[ReportFinding, ...] = ()
    """Those that this process tells for the first time."""
    source: str | bytes = ""
    """Where its snapshot is read again: a file, or it is this, packed; "" of a report, and of what is told already."""


class _Held(NamedTuple):
    """An answer as it came: equal bytes have one number."""

    answer: Answer
    number: int
    token: bytes
    values: Mapping[str, Value]


class _Head(msgspec.Struct):
    """A snapshot whose facts are not read yet, or another file that says what it is."""

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
    ) -> None:
        """Judge by these checks; `why`: a line why a verdict is unknown; no profile: as the snapshot is."""
        self._report, self._why, self._profile = report, why, profile
        self._checks = {
            name: [(one, [kind.__name__ for kind in kinds_of(one)]) for one in checks(name)]
            for name in ("node", "project")
        }
        self._outcomes: dict[tuple[object, ...], tuple[object, ...]] = {}
        self._verdicts: dict[tuple[object, ...], tuple[str, tuple[str, ...], str]] = {}
        self._told: set[object] = set()
        self._knowledge = knowledge()

    def judged(self, job: Reply | tuple[str, str]) -> Judged:
        """Judge a reply, or the file of a name; what is wrong with it is the problem of its row."""
        name, file = job if isinstance(job, tuple) else (job.name, "")
        name = plain(name) or "?"
        reply = Reply(name) if isinstance(job, tuple) else job
        if reply.problem:
            return Judged(name, problem=plain(reply.problem, 300), seconds=reply.seconds)
        try:
            data = read_regular(file, LARGEST) if file else reply.snapshot
            row = self._read(name, data)
        except OSError as error:
            return Judged(name, problem=plain(f"can't be read: {error.strerror or error}", 300))
        except (SnapshotError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            why = plain(f"sent neither a snapshot nor a report: {error}", 300)
            return Judged(name, problem=why, seconds=reply.seconds)
        except Exception as error:  # noqa: BLE001  one machine does not end the others
            return Judged(name, problem=plain(f"could not be judged: {type(error).__name__}: {error}", 300))
        key = (row.findings, *row.facts.values())
        source: str | bytes = file
        if not row.facts.keys() - {"target", "machine"} or key in self._told:
            source = ""
        elif not file:
            source = zlib.compress(data, 1)
        self._told.add(key)
        values = {token: held for token, held in row.values.items() if token not in self._told}
        self._told.update(values)
        causes = tuple(one for one in row.causes if one.id not in self._told)
        self._told.update(one.id for one in causes)
        return row._replace(
            source=source, values=values, causes=causes, seconds=reply.seconds or row.seconds
        )

    def _read(self, name: str, data: bytes) -> Judged:
        if len(data) > LARGEST:
            msg = f"it has more than {LARGEST >> 20} MiB"
            raise SnapshotError(msg)
        head = msgspec.json.decode(data, type=_Head)
        if head.schema.startswith("doctor.report/"):
            return self._of_report(name, msgspec.json.decode(data, type=Report))
        if head.schema != SCHEMA or not head.facts:
            msg = f'its "schema" is {head.schema[:60]!r}; this doctor reads {SCHEMA!r}'
            raise SnapshotError(msg)
        held = {kind: _held(kind, bytes(raw)) for kind, raw in head.facts.items()}
        answers = {KIND_CALLED[kind]: one.answer for kind, one in held.items()}
        snapshot = Snapshot({**answers, Knowledge: self._knowledge}, taken=head.taken[:40], doctor=head.doctor[:40])
        node, smoke = snapshot.find(Node), snapshot.find(Smoke)
        verdict, findings, why, causes = self._verdict(snapshot, held)
        return Judged(
            name,
            plain(node.name) if node else "",
            plain(node.host) if node else "",
            "",
            verdict,
            findings,
            why,
            0.0,
            smoke.tokens_per_second if smoke else None,
            plain(smoke.device_name or smoke.kind) if smoke else "",
            {kind: one.token for kind, one in held.items() if one.values},
            {one.token: one.values for one in held.values() if one.values},
            causes,
        )

    def _verdict(
        self, snapshot: Snapshot, held: Mapping[str, _Held]
    ) -> tuple[str, tuple[str, ...], str, tuple[ReportFinding, ...]]:
        """Return verdict and findings: known where every check has an outcome that it had before, together with these."""
        target = snapshot.find(Target)
        bare = not target or target.chosen_by == "none"
        profile = self._profile or ("node" if bare else "project")
        number = {kind: one.number for kind, one in held.items()}
        machine = machine_of(snapshot)
        outcomes: list[object] = [profile, bool(machine.gpus), machine.gpus_known]
        # what a verdict goes by besides the checks
        outcomes += [number.get(kind) for kind in ("Target", "Runtime", "Errors")]
        if len(self._outcomes) > 1000 * _MOST_HELD:
            self._outcomes.clear()
        keys = [((one.id, *map(number.get, names)), one) for one, names in self._checks[profile]]
        fresh = {one.id: key for key, one in keys if key not in self._outcomes}
        seen = diagnose(snapshot, [one for _, one in keys if one.id in fresh])
        found = {one.check.id: one for one in chain(seen.causes, *seen.symptoms.values())}
        for id_, key in fresh.items():
            one = found.get(id_)
            said = (one.severity, bool(one.finding.settle)) if one else ()
            how = (id_ in some for some in (seen.passed, seen.skipped, seen.unknown))
            self._outcomes[key] = (*said, *how)
        outcomes += [self._outcomes[key] for key, _ in keys]
        if known := self._verdicts.get(tuple(outcomes)):
            return *known, ()
        report = self._report(snapshot, profile)
        causes = tuple(one for one in report.findings if not one.accepted)
        known = report.verdict, tuple(one.id for one in causes), plain(self._why(report), 300)
        self._verdicts[tuple(outcomes)] = known
        return *known, causes

    def _of_report(self, name: str, report: Report) -> Judged:
        short = msgspec.structs.replace(report, passed=(), skipped={}, unknown={}, symptoms=(), suspected=())
        short = public(short, this_identity())
        causes = tuple(one for one in short.findings if not one.accepted)
        parts = {one: _laid_out(one, getattr(short, one)) for one in ("target", "machine")}
        smoke = report.smoke
        return Judged(
            name,
            plain(report.node),
            plain(report.host),
            "",
            report.verdict,
            tuple(one.id for one in causes),
            plain(self._why(report), 300),
            report.seconds,
            smoke.tokens_per_second if smoke else None,
            plain(smoke.device_name or smoke.device) if smoke else "",
            {kind: token for kind, (token, _) in parts.items()},
            dict(parts.values()),
            causes,
        )


def plain(text: str, most: int = LONGEST) -> str:
    """Return text of others in one line, clean and short."""
    return " ".join(clean_text(text).split())[:most]


@lru_cache(_MOST_HELD)
def _held(name: str, raw: bytes) -> _Held:
    """Read one fact of a snapshot; raises SnapshotError."""
    if (kind := KIND_CALLED.get(name)) is None:
        msg = f"{name[:60]!r} is no kind of fact that this doctor knows"
        raise SnapshotError(msg)
    answer = answer_of(kind, msgspec.json.decode(raw, type=dict[str, Any]))
    token, values = _laid_out(name, answer)
    return _Held(answer, next(_numbers), token, values)


def _laid_out(name: str, answer: Answer | msgspec.Struct) -> tuple[bytes, Mapping[str, Value]]:
    """Return the values of a fact that tell something, and a token that is the same for the same."""
    if isinstance(answer, Absent | Unknown):
        values: dict[str, Value] = {"": words_of(answer)}
    else:
        values = {"": None} | {p: v for p, v in flat(answer).items() if not _incidental(name, p)}
    told = msgspec.msgpack.encode((name, values))
    return blake2b(told, digest_size=12).digest(), values


_incidental = lru_cache(1 << 16)(incidental)


def read_again(source: str | bytes) -> Snapshot:
    """Return the snapshot of a row; raises OSError and SnapshotError."""
    data = zlib.decompress(source) if isinstance(source, bytes) else read_regular(source, LARGEST)
    return from_json(data)


