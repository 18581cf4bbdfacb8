"""A Snapshot: what is known of one machine and one target, at one time. Immutable; to JSON and back without loss."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from tunedoctor import __version__
from tunedoctor.facts import KINDS, Absent, Fact, Unknown

SCHEMA = "doctor.snapshot/1"
LARGEST = 64 * 1024 * 1024
"""Bytes of a snapshot file that are read; a real one has about 100 kB."""

F = TypeVar("F", bound=Fact)
Answer = Fact | Absent | Unknown

_NOT_PROBED = Unknown(why="not looked at")


class SnapshotError(ValueError):
    """A text is no snapshot; the message says why, for people."""


class Snapshot:
    """At most one answer for each kind of fact: the fact, Absent or Unknown."""

    __slots__ = ("_answers", "doctor", "taken")

    def __init__(
        self, answers: Mapping[type[Fact], Answer], *, taken: str = "", doctor: str = __version__
    ) -> None:
        """Hold `answers`; `taken` is a time in ISO 8601, `doctor` the version that took it."""
        self._answers = dict(answers)
        self.taken = taken
        self.doctor = doctor

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "Snapshot":
        """Make a snapshot of facts alone."""
        return cls({type(fact): fact for fact in facts})

    def get(self, kind: type[F]) -> F | Absent | Unknown:
        """Return the answer for a kind of fact; Unknown where nobody looked."""
        return self._answers.get(kind, _NOT_PROBED)  # type: ignore[return-value]

    def find(self, kind: type[F]) -> F | None:
        """Return the fact, or None where it is absent or unknown."""
        answer = self._answers.get(kind)
        return answer if isinstance(answer, kind) else None

    def having(self, *facts: Fact, **kinds: Absent | Unknown) -> "Snapshot":
        """Return a snapshot with these facts in place of its own; `Kind=Absent(…)` for the other answers."""
        by_name = {kind.__name__: kind for kind in KINDS}
        changed: dict[type[Fact], Answer] = {type(fact): fact for fact in facts}
        changed.update({by_name[name]: answer for name, answer in kinds.items()})
        return Snapshot({**self._answers, **changed}, taken=self.taken, doctor=self.doctor)

    def answers(self) -> dict[type[Fact], Answer]:
        """Return a copy of all answers, by kind."""
        return dict(self._answers)

    def __eq__(self, other: object) -> bool:
        """Compare answers and origin."""
        return (
            isinstance(other, Snapshot)
            and self._answers == other._answers
            and (self.taken, self.doctor) == (other.taken, other.doctor)
        )

    __hash__ = None  # type: ignore[assignment]


def to_data(snapshot: Snapshot) -> dict[str, Any]:
    """Return plain data of a snapshot, unredacted: `redaction.write_snapshot` is what leaves the machine."""
    facts: dict[str, Any] = {}
    for kind, answer in snapshot.answers().items():
        match answer:
            case Absent(why=why):
                facts[kind.__name__] = {"absent": why}
            case Unknown(why=why):
                facts[kind.__name__] = {"unknown": why}
            case fact:
                facts[kind.__name__] = {"value": msgspec.to_builtins(fact)}
    return {
        "schema": SCHEMA,
        "doctor": snapshot.doctor,
        "taken": snapshot.taken,
        "facts": facts,
    }


def from_json(data: bytes | str) -> Snapshot:
    """Read a snapshot.

    Raises:
        SnapshotError: too large, not JSON, another schema, an unknown kind or field, a wrong type.
    """
    if len(data) > LARGEST:
        msg = f"it has more than {LARGEST >> 20} MiB; a snapshot has about 0.1"
        raise SnapshotError(msg)
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"it is not JSON: {error}"
        raise SnapshotError(msg) from None
    except RecursionError:
        msg = "its JSON is nested too deeply"
        raise SnapshotError(msg) from None
    return from_data(raw)


def from_data(raw: object) -> Snapshot:
    """Make a snapshot of plain data as `to_data` gives it.

    Raises:
        SnapshotError: as `from_json`.
    """
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        stated = raw.get("schema") if isinstance(raw, dict) else None
        msg = f'its "schema" is {str(stated)[:60]!r}; this doctor reads {SCHEMA!r}'
        raise SnapshotError(msg)
    strange = raw.keys() - {"schema", "doctor", "taken", "facts"}
    if strange:
        msg = f"it has a field that no snapshot has: {min(map(str, strange))[:60]!r}"
        raise SnapshotError(msg)
    facts = raw.get("facts")
    if not isinstance(facts, dict):
        msg = '"facts" is not an object'
        raise SnapshotError(msg)
    by_name = {kind.__name__: kind for kind in KINDS}
    answers: dict[type[Fact], Answer] = {}
    for name, answer in facts.items():
        if name not in by_name:
            msg = f"{str(name)[:60]!r} is no kind of fact that this doctor knows"
            raise SnapshotError(msg)
        answers[by_name[name]] = _answer(by_name[name], answer)
    return Snapshot(
        answers, taken=str(raw.get("taken", ""))[:40], doctor=str(raw.get("doctor", ""))[:40]
    )


def _answer(kind: type[Fact], data: object) -> Answer:
    if not isinstance(data, dict) or len(data) != 1:
        msg = f"{kind.__name__} holds none of value, absent and unknown, or several"
        raise SnapshotError(msg)
    ((how, value),) = data.items()
    try:
        match how:
            case "value":
                return msgspec.convert(value, kind)
            case "absent":
                return msgspec.convert({"why": value}, Absent)
            case "unknown":
                return msgspec.convert({"why": value}, Unknown)
    except msgspec.ValidationError as error:
        msg = f"{kind.__name__}: {error}"
        raise SnapshotError(msg) from None
    except RecursionError:
        msg = f"{kind.__name__} is nested too deeply"
        raise SnapshotError(msg) from None
    msg = f"{kind.__name__} holds {str(how)[:60]!r}, which is none of value, absent and unknown"
    raise SnapshotError(msg)
