"""A Snapshot: what is known of one machine and one target, at one time. Immutable; to JSON and back without loss."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from tunedoctor import __version__
from tunedoctor import facts as kinds
from tunedoctor.facts import KINDS, Absent, Fact, Unknown
from tunedoctor.facts.base import empty

SCHEMA = "doctor.snapshot/1"
LARGEST = 4 << 20
"""Bytes of a snapshot file that are read; a real one has about 100 kB. Empty lists take 24 times as much memory."""

F = TypeVar("F", bound=Fact)
T = TypeVar("T")
Answer = Fact | Absent | Unknown

KIND_CALLED = {kind.__name__: kind for kind in KINDS}
NOT_PROBED = Unknown(why="not looked at")
NOT_TOLD = Unknown(why="the report does not tell")
"""Of all facts that a pasted text does not hold."""


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
        return self._answers.get(kind, NOT_PROBED)  # type: ignore[return-value]

    def find(self, kind: type[F]) -> F | None:
        """Return the fact, or None where it is absent or unknown."""
        answer = self._answers.get(kind)
        return answer if isinstance(answer, kind) else None

    def having(self, *facts: Fact, **kinds: Absent | Unknown) -> "Snapshot":
        """Return a snapshot with these facts in place of its own; `Kind=Absent(…)` for the other answers."""
        changed: dict[type[Fact], Answer] = {type(fact): fact for fact in facts}
        changed.update({KIND_CALLED[name]: answer for name, answer in kinds.items()})
        return Snapshot({**self._answers, **changed}, taken=self.taken, doctor=self.doctor)

    def answers(self) -> dict[type[Fact], Answer]:
        """Return a copy of all answers, by kind."""
        return dict(self._answers)

    def __eq__(self, other: object) -> bool:
        """Compare answers and origin."""
        if not isinstance(other, Snapshot):
            return False
        same = (self.taken, self.doctor) == (other.taken, other.doctor)
        return same and self._answers == other._answers

    __hash__ = None  # type: ignore[assignment]


class Facts:
    """What a snapshot knows: each fact; what is absent or unknown is false, and empty in each field.

    A function takes those that its code names, and the code of the functions that it hands them on to (wiring.py).
    """

    __slots__ = ("_snapshot", "last")
    last: Answer
    """The answer that was asked for last, but for errors: that no error says so tells nothing."""
    amd: kinds.AmdGpus
    apple: kinds.AppleGpu
    compilers: kinds.Compilers
    container: kinds.Container
    contracts: kinds.ImportContracts
    cpu: kinds.Cpu
    cuda_wheels: kinds.CudaWheels
    disks: kinds.Disks
    nvidia_driver: kinds.NvidiaDriver
    environment: kinds.Environment
    errors: kinds.Errors
    file_limit: kinds.FileLimit
    host: kinds.Host
    index_answer: kinds.IndexAnswer
    intel: kinds.IntelGpu
    interpreter: kinds.Interpreter
    kernel_log: kinds.KernelLog
    knowledge: kinds.Knowledge
    launchers: kinds.Launchers
    library_path: kinds.LibraryPath
    ram: kinds.Memory
    nvidia: kinds.NvidiaGpus
    nvidia_answer: kinds.NvidiaAnswer
    nvidia_module: kinds.NvidiaModule
    node: kinds.Node
    packages: kinds.Packages
    processes: kinds.Processes
    pci: kinds.PciBus
    rdma: kinds.Rdma
    rocm: kinds.RocmStack
    runtime: kinds.Runtime
    shadowed: kinds.Shadows
    shared_memory: kinds.SharedMemory
    target: kinds.Target
    torch: kinds.TorchBuild
    typed: kinds.Typed
    request: kinds.Wanted

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.last = snapshot.get(kinds.Errors)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the field is annotated
        """Return a fact."""
        if kind := FIELDS.get(name):
            answer = self._snapshot.get(kind)
            if kind is not kinds.Errors:
                self.last = answer
            return answer if isinstance(answer, kind) else empty(kind)
        raise AttributeError(name)


FIELDS: dict[str, type[Fact]] = {
    name: hint for name, hint in Facts.__annotations__.items() if name != "last"
}


def to_data(snapshot: Snapshot) -> dict[str, Any]:
    """Return plain data of a snapshot, unredacted: `redaction.write_snapshot` is what leaves the machine."""
    facts: dict[str, Any] = {}
    for kind, answer in snapshot.answers().items():
        if isinstance(answer, Absent | Unknown):
            facts[kind.__name__] = {type(answer).__name__.lower(): answer.why}
        else:
            facts[kind.__name__] = {"value": msgspec.to_builtins(answer)}
    return {"schema": SCHEMA, "doctor": snapshot.doctor, "taken": snapshot.taken, "facts": facts}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A snapshot file; the facts are converted one by one, so that an error names its kind."""

    schema: str
    facts: dict[str, dict[str, Any]]
    doctor: str = ""
    taken: str = ""


def from_json(data: bytes | str) -> Snapshot:
    """Read a snapshot. Raises SnapshotError: too large, no JSON, another schema, unknown or wrong values."""
    if len(data) > LARGEST:
        raise SnapshotError(f"it has more than {LARGEST >> 20} MiB; a snapshot has about 0.1")
    try:
        return from_data(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeError) as error:
        msg = f"it is not JSON: {error}"
    except RecursionError:
        msg = "its JSON is nested too deeply"
    raise SnapshotError(msg)


def from_data(raw: Any) -> Snapshot:  # noqa: ANN401  any JSON
    """Make a snapshot of plain data as `to_data` gives it. Raises SnapshotError."""
    schema = raw.get("schema", SCHEMA) if isinstance(raw, dict) else SCHEMA
    if schema != SCHEMA:
        raise SnapshotError(f'its "schema" is {str(schema)[:60]!r}; this doctor reads {SCHEMA!r}')
    file = _converted(raw, _File, "the file")
    if strange := file.facts.keys() - KIND_CALLED.keys():
        raise SnapshotError(f"{min(strange)[:60]!r} is no kind of fact that this doctor knows")
    answers = {
        KIND_CALLED[n]: answer_of(KIND_CALLED[n], answer) for n, answer in file.facts.items()
    }
    return Snapshot(answers, taken=file.taken[:40], doctor=file.doctor[:40])


def answer_of(kind: type[Fact], data: dict[str, Any]) -> Answer:
    """Make an answer of plain data; raises SnapshotError."""
    match list(data.items()):
        case [("value", value)]:
            return _converted(value, kind, kind.__name__)
        case [("absent" | "unknown" as how, why)]:
            other = Absent if how == "absent" else Unknown
            return _converted({"why": why}, other, kind.__name__)
        case _:
            msg = f"{kind.__name__} holds none of value, absent and unknown, or more than one"
            raise SnapshotError(msg)


def _converted(data: Any, kind: type[T], name: str) -> T:  # noqa: ANN401
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        msg = f"{name}: {error}"
    except RecursionError:
        msg = f"{name} is nested too deeply"
    raise SnapshotError(msg)
