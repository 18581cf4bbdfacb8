"""Merge the facts that several readers found, and the facts of a text with those of this machine.

The text takes precedence, because it shows the failed process. The machine fills in what is missing, but not if the
text names another driver, other GPUs or another torch: then it is from another machine or environment.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import fields, replace

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact, Part
from tunedoctor.facts.target import NO_ENVIRONMENT
from tunedoctor.model.snapshot import FactOrLack, Snapshot
from tunedoctor.model.versions import release


class NoTorch(Fact, frozen=True):
    """A reader found that torch is absent; ignored if another reader found it."""

    why: str
    package: str = ""
    """"torch" if it is ignored when another list names torch."""


F = TypeVar("F", bound=Fact)
P = TypeVar("P", bound=Part)


_NOTHING = ("unknown", "other", "not tried", "Linux", "Windows", "macOS")
"""Field values that mean nothing was said, or only the family of a system."""
_ONE_LIST: dict[type[Fact], str] = {
    kinds.Errors: "errors",
    kinds.IndexAnswer: "refusals",
    kinds.Typed: "commands",
    kinds.Wanted: "requirements",
}
"""Kinds of fact that are just a list, and its field: items that both have are kept once."""


def merged(one: F, other: F) -> F:
    """Return a fact with the fields of both; if they differ, the first takes precedence."""
    name = _ONE_LIST.get(type(one))
    if name:
        both = dict.fromkeys((*getattr(one, name), *getattr(other, name)))
        return replace(one, **{name: tuple(both)})
    both_: F = _MERGES.get(type(one), filled)(one, other)
    return both_


def filled(one: P, other: P) -> P:
    """Return `one` with its unknown fields filled from `other`."""
    empty: dict[str, object] = {}
    for field in fields(type(one)):
        own, theirs = getattr(one, field.name), getattr(other, field.name)
        if _worth(own, field.default) < _worth(theirs, field.default):
            empty[field.encode_name] = theirs
    return replace(one, **empty) if empty else one


def _worth(value: object, default: object) -> int:
    """Return less for a value that says less: -1 for None, 1 for one that fits any system."""
    if value in (None, "", (), {}) or value == default:
        return -1 if value is None else 0
    return 1 if value in _NOTHING else 2


def _build(one: Any, other: Any) -> Any:  # noqa: ANN401  a TorchBuild or an Interpreter
    """Do not mix two builds, or interpreters, in one text: fields of one do not apply to the other."""
    unnamed = not one.version or (isinstance(other, kinds.Interpreter) and not other.version)
    return filled(one, other) if unnamed or _same(one.version, other.version) else one


def _same(one: str, other: str) -> bool:
    """Return whether two versions can be the same build: equal as far as both go, local labels too if both have one."""
    pairs = [*zip(release(one), release(other), strict=False)]
    label, its = one.partition("+")[2], other.partition("+")[2]
    return len(pairs) > 1 and all(a == b for a, b in pairs) and (not label or its in ("", label))


def _driver(one: kinds.NvidiaDriver, other: kinds.NvidiaDriver) -> kinds.NvidiaDriver:
    """Return the driver fact that has a CUDA version."""
    first, second = (other, one) if other.cuda and not one.cuda else (one, other)
    return filled(first, second) if first.version == second.version else first


def _completeness(gpus: kinds.NvidiaGpus) -> tuple[int, int, int]:
    sizes = sum(gpu.memory_total is not None for gpu in gpus.gpus)
    return sum(bool(gpu.compute_capability) for gpu in gpus.gpus), sizes, len(gpus.gpus)


def _packages(one: kinds.Packages, other: kinds.Packages) -> kinds.Packages:
    """Merge by name; requirements in either are kept."""
    found: dict[str, kinds.Distribution] = {d.name: d for d in one.distributions}
    for d in other.distributions:
        before = found.setdefault(d.name, d)
        if before is not d and before.version in ("", d.version):
            found[d.name] = filled(before, d)
    lists = ("broken", "copies", "in_memory")
    both = {name: (*getattr(one, name), *getattr(other, name)) for name in lists}
    return replace(
        one,
        distributions=tuple(found.values()),
        conda={**other.conda, **one.conda},
        complete=one.complete or other.complete,
        **{name: tuple(dict.fromkeys(told)) for name, told in both.items()},
    )


_MERGES: dict[type[Fact], Callable[[Any, Any], Any]] = {
    kinds.Packages: _packages,
    kinds.Environment: lambda a, b: replace(a, variables={**b.variables, **a.variables}),
    kinds.TorchBuild: _build,
    kinds.Interpreter: _build,
    kinds.AmdGpus: lambda a, b: max(a, b, key=lambda found: len(found.gpus)),
    kinds.NvidiaGpus: lambda a, b: max(a, b, key=_completeness),
    kinds.NvidiaDriver: _driver,
    kinds.Runtime: lambda a, b: filled(replace(a, stages=(*a.stages, *b.stages)), b),
}


OF_THE_TEXT = (kinds.Errors, kinds.Runtime, kinds.Typed, kinds.Wanted, kinds.IndexAnswer)
"""Kinds that only a run or a text has."""
OF_THE_TARGET = (
    *(kinds.Target, kinds.Interpreter, kinds.TorchBuild, kinds.Packages, kinds.CudaWheels),
    *(kinds.Shadows, kinds.Launchers, kinds.LibraryPath, kinds.Environment),
    *(kinds.InstallerConfig, kinds.Compilers),
)
"""Kinds that describe one Python environment."""
_NOT_ASKED = (kinds.Container, kinds.NvidiaAnswer)
"""Kinds that are absent for a text that does not mention them, which says nothing about the machine."""

_NOBODY = kinds.Absent(why=NO_ENVIRONMENT)


def joined(told: Snapshot, here: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
    """Return the facts of a text, completed from this machine, and a sentence for each reason to leave facts out."""
    other_machine, other_target = _other_machine(told, here), _other_target(told, here)
    answers: dict[type[Fact], FactOrLack] = told.answers()
    for kind, answer in here.answers().items():
        stranger = other_target if kind in OF_THE_TARGET else other_machine
        if kind in OF_THE_TEXT or (stranger and kind is not kinds.Knowledge):
            continue
        if answer == _NOBODY or (isinstance(answer, kinds.Target) and answer.chosen_by == "none"):
            continue  # no environment was examined here, so what the text lacks about one stays open
        own = answers.get(kind)
        if isinstance(own, kind) and isinstance(answer, kind):
            answers[kind] = merged(own, answer)
        elif not isinstance(own, (kind, kinds.Absent) if kind not in _NOT_ASKED else kind):
            answers[kind] = answer
    left_out = tuple(why for why in (other_machine, other_target) if why)
    return Snapshot(answers, taken=here.taken, doctor=here.doctor), left_out


def beside(facts: Snapshot, told: Snapshot) -> Snapshot:
    """Return the facts of a block, plus what the text around it says about runs; else the block takes precedence."""
    answers: dict[type[Fact], FactOrLack] = facts.answers()
    for kind in OF_THE_TEXT:
        own, theirs = facts.find(kind), told.find(kind)
        if theirs is not None:
            answers[kind] = merged(own, theirs) if own is not None else theirs
    if told.find(kinds.Errors) or told.find(kinds.IndexAnswer):
        answers[kinds.Resembles] = told.get(kinds.Resembles)
    return Snapshot(answers, taken=facts.taken, doctor=facts.doctor)


def _other_machine(told: Snapshot, here: Snapshot) -> str:
    theirs, ours = told.find(kinds.NvidiaDriver), here.get(kinds.NvidiaDriver)
    if theirs and theirs.version and not isinstance(ours, kinds.Unknown):
        own_driver = ours.version if isinstance(ours, kinds.NvidiaDriver) else "none"
        if own_driver not in ("", theirs.version):
            other = f"the text is from a machine with driver {theirs.version}"
            return f"{other}, this one has {own_driver}"
    cards, own = told.find(kinds.NvidiaGpus), here.find(kinds.NvidiaGpus)
    if cards and not isinstance(here.get(kinds.NvidiaGpus), kinds.Unknown):
        names = {_model(card.name) for card in own.gpus} if own else set[str]()
        strange = [card.name for card in cards.gpus if card.name and _model(card.name) not in names]
        if strange:
            return f"the text is from a machine with {strange[0]}, which this one does not have"
    return ""


def _other_target(told: Snapshot, here: Snapshot) -> str:
    named: tuple[tuple[type[Any], str], ...] = (
        (kinds.TorchBuild, "torch"),
        (kinds.Interpreter, "Python"),
    )
    for kind, name in named:
        theirs, ours = (getattr(one.find(kind), "version", "") for one in (told, here))
        if theirs and ours and not _same(theirs, ours):
            which = f"with {name} {theirs}, the target has {ours}"
            return f"the text is from an environment {which}; --target names another"
    return ""


def _model(name: str) -> str:
    """Return the part of a GPU's name that every tool prints: "rtx4090" for "NVIDIA GeForce RTX 4090"."""
    return "".join(w for w in name.lower().replace("...", "").split() if w not in _MAKERS)


_MAKERS = frozenset(("nvidia", "geforce", "tesla", "quadro", "graphics"))
