"""A Snapshot: all facts about one machine and one target at one time, and the code that passes facts to functions.

It is immutable, and converts to JSON and back without loss. A parameter `gpus: NvidiaGpus` of a probe, check or fix
requires that fact; `gpus: NvidiaGpus | None` gets None if it is absent, `gpus: NvidiaGpus | Unknown | None` also gets
an Unknown as it is. A parameter `facts: Facts` gets a view with each fact as an attribute, such as `facts.nvidia`, or
an empty one if the fact is missing. Keyword parameters keep their defaults.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from tunedoctor import __version__
from tunedoctor import facts as kinds
from tunedoctor.facts import KINDS, Absent, Fact, Unknown
from tunedoctor.facts.base import empty

SCHEMA = "doctor.snapshot/1"
LARGEST = 16 << 20
"""Most bytes of a snapshot file that are read; a real one has about 100 kB, one of 20,000 packages 8 MB."""
MOST_NESTED, MOST_VALUES = 200_000, 1_000_000
"""Most lists and objects, and most values; an empty list takes 24 times as much memory as it does in the file."""

F = TypeVar("F", bound=Fact)
T = TypeVar("T")
Lack = Absent | Unknown
"""An answer that is not a fact."""
FactOrLack = Fact | Lack
"""What is known of one type of fact."""

KIND_CALLED = {kind.__name__: kind for kind in KINDS}
NOT_PROBED = Unknown(why="not looked at")
NOT_TOLD = Unknown(why="the report does not say")
"""The answer for all facts that a pasted text does not contain."""


class SnapshotError(ValueError):
    """A text is not a snapshot; the message says why."""


class UndeclaredFactError(RuntimeError):
    """A check reads a fact that it does not declare; the message names it."""


class Snapshot:
    """At most one answer for each kind of fact: the fact itself, Absent or Unknown."""

    __slots__ = ("_answers", "doctor", "taken")

    def __init__(
        self,
        answers: Mapping[type[Fact], FactOrLack],
        *,
        taken: str = "",
        doctor: str = __version__,
    ) -> None:
        """Store `answers`; `taken` is a time in ISO 8601, `doctor` the version that took the snapshot."""
        self._answers = dict(answers)
        self.taken = taken
        self.doctor = doctor

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "Snapshot":
        """Return a snapshot of facts only."""
        return cls({type(fact): fact for fact in facts})

    def get(self, kind: type[F]) -> F | Absent | Unknown:
        """Return the answer for a kind of fact; Unknown if nothing was looked up."""
        return self._answers.get(kind, NOT_PROBED)  # type: ignore[return-value]

    def find(self, kind: type[F]) -> F | None:
        """Return the fact, or None if it is absent or unknown."""
        answer = self._answers.get(kind)
        return answer if isinstance(answer, kind) else None

    def having(self, *facts: Fact, **kinds: Absent | Unknown) -> "Snapshot":
        """Return a snapshot with these facts replaced; `Kind=Absent(…)` sets other answers."""
        changed: dict[type[Fact], FactOrLack] = {type(fact): fact for fact in facts}
        changed.update({KIND_CALLED[name]: answer for name, answer in kinds.items()})
        return Snapshot({**self._answers, **changed}, taken=self.taken, doctor=self.doctor)

    def answers(self) -> dict[type[Fact], FactOrLack]:
        """Return a copy of all answers by kind."""
        return dict(self._answers)

    def __eq__(self, other: object) -> bool:
        """Compare answers and origin."""
        if not isinstance(other, Snapshot):
            return False
        same = (self.taken, self.doctor) == (other.taken, other.doctor)
        return same and self._answers == other._answers

    __hash__ = None  # type: ignore[assignment]


class Facts:
    """A view of a snapshot: each fact as an attribute; an absent or unknown fact is false, with empty fields.

    The view of a check has only the facts that the check declares, so others depend on the right ones.
    """

    __slots__ = ("_snapshot", "_uses", "last", "looked_up")
    looked_up: dict[type[Fact], None]
    """The kinds of facts that were requested so far, known or not, in this order."""
    last: FactOrLack
    """The answer that was last requested, errors excepted: that no error mentions something proves nothing."""
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

    def __init__(self, snapshot: Snapshot, uses: tuple[type[Fact], ...] | None = None) -> None:
        """Show the facts of these kinds; None: all."""
        self._snapshot = snapshot
        self._uses = uses
        self.looked_up = {}
        self.last = snapshot.get(kinds.Errors)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the field is annotated
        """Return a fact, or an empty one."""
        if kind := FIELDS.get(name):
            if self._uses is not None and kind not in self._uses:
                raise UndeclaredFactError(
                    f"it reads facts.{name}: add {kind.__name__} to its uses="
                )
            return self._look_up(kind)
        raise AttributeError(name)

    def _look_up(self, kind: type[F]) -> F:
        """Return a fact, or an empty one, and note that it was requested."""
        self.looked_up[kind] = None
        answer = self._snapshot.get(kind)
        if kind is not kinds.Errors:
            self.last = answer
        return answer if isinstance(answer, kind) else empty(kind)


FIELDS: dict[str, type[Fact]] = {**Facts.__annotations__}
del FIELDS["last"], FIELDS["looked_up"]


def to_data(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as plain data, unredacted; use `redaction.write_snapshot` for data that leaves the machine."""
    facts: dict[str, Any] = {}
    for kind, answer in snapshot.answers().items():
        if isinstance(answer, Absent | Unknown):
            facts[kind.__name__] = {type(answer).__name__.lower(): answer.why}
        else:
            facts[kind.__name__] = {"value": msgspec.to_builtins(answer)}
    return {"schema": SCHEMA, "doctor": snapshot.doctor, "taken": snapshot.taken, "facts": facts}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A snapshot file; the facts are converted one by one, so that an error names the kind of fact."""

    schema: str
    facts: dict[str, dict[str, Any]]
    doctor: str = ""
    taken: str = ""


def from_json(data: bytes | str) -> Snapshot:
    """Read a snapshot. Raises SnapshotError: too large, not JSON, another schema, unknown or wrong values."""
    if len(data) > LARGEST:
        raise SnapshotError(f"it is larger than {LARGEST >> 20} MiB; a snapshot has about 0.1")
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if data.count(b"[") + data.count(b"{") > MOST_NESTED or data.count(b",") > MOST_VALUES:
        raise SnapshotError("it has more values than a snapshot can have")
    try:
        return from_data(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeError) as error:
        msg = f"it is not JSON: {error}"
    except RecursionError:
        msg = "its JSON is nested too deeply"
    raise SnapshotError(msg)


def from_data(raw: Any) -> Snapshot:  # noqa: ANN401  any JSON
    """Return a snapshot from plain data as written by `to_data`. Raises SnapshotError."""
    schema = raw.get("schema", SCHEMA) if isinstance(raw, dict) else SCHEMA
    if schema != SCHEMA:
        raise SnapshotError(f'its "schema" is {str(schema)[:60]!r}; this doctor reads {SCHEMA!r}')
    file = _converted(raw, _File, "the file")
    if strange := file.facts.keys() - KIND_CALLED.keys():
        raise SnapshotError(f"{min(strange)[:60]!r} is not a kind of fact that this doctor knows")
    answers = {
        KIND_CALLED[n]: answer_of(KIND_CALLED[n], answer) for n, answer in file.facts.items()
    }
    return Snapshot(answers, taken=file.taken[:40], doctor=file.doctor[:40])


def answer_of(kind: type[Fact], data: dict[str, Any]) -> FactOrLack:
    """Return an answer from plain data. Raises SnapshotError."""
    match list(data.items()):
        case [("value", value)]:
            return _converted(value, kind, kind.__name__)
        case [("absent" | "unknown" as how, why)]:
            other = Absent if how == "absent" else Unknown
            return _converted({"why": why}, other, kind.__name__)
        case _:
            msg = f"{kind.__name__} must have exactly one of value, absent and unknown"
            raise SnapshotError(msg)


def _converted(data: Any, kind: type[T], name: str) -> T:  # noqa: ANN401
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        msg = f"{name}: {error}"
    except RecursionError:
        msg = f"{name} is nested too deeply"
    raise SnapshotError(msg)


class Want(NamedTuple):
    """The kind of fact that one parameter takes."""

    kind: type[Fact]
    absent: bool
    unknown: bool
    """An unknown fact is passed on, instead of preventing the call."""


class NotRun(NamedTuple):
    """A function was not called because a fact that it needs is missing."""

    why: Absent | Unknown
    kind: type[Fact]


@cache
def parameters_of(function: Callable[..., Any], skipped: int = 0) -> dict[str, Want]:
    """Return what each parameter takes, without the first `skipped` and views of all facts.

    Raises TypeError if a parameter is not a fact.
    """
    result: dict[str, Want] = {}
    for name in function.__code__.co_varnames[skipped : function.__code__.co_argcount]:
        hint = function.__annotations__.get(name)
        if _is_view(hint):
            continue
        options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        kinds = [o for o in options if o not in (NoneType, Unknown)]
        if len(kinds) != 1 or not (isinstance(kinds[0], type) and issubclass(kinds[0], Fact)):
            msg = f"{function.__module__}: parameter {name!r} is annotated {hint!r}, which is not a fact type"
            raise TypeError(msg)
        result[name] = Want(kinds[0], NoneType in options, Unknown in options)
    return result


def call(
    function: Callable[..., T], snapshot: Snapshot, *first: object, facts: Facts | None = None
) -> T | NotRun:
    """Call `function` with `first` and facts of a snapshot (`facts`: a view of it), or return which fact is missing."""
    hints = function.__annotations__.items()
    arguments: dict[str, object] = {
        n: facts or hint(snapshot) for n, hint in hints if _is_view(hint)
    }
    for name, want in parameters_of(function, len(first)).items():
        fact: object = snapshot.get(want.kind)
        if isinstance(fact, Absent):
            if not want.absent:
                return NotRun(fact, want.kind)
            fact = None
        elif isinstance(fact, Unknown) and not want.unknown:
            return NotRun(fact, want.kind)
        arguments[name] = fact
    return function(*first, **arguments)


def _is_view(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Facts)
