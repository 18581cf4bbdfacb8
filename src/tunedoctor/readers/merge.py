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


def merged(first: F, second: F) -> F:
    """Return a fact with the fields of both; if they differ, the first takes precedence."""
    name = _ONE_LIST.get(type(first))
    if name:
        both = dict.fromkeys((*getattr(first, name), *getattr(second, name)))
        return replace(first, **{name: tuple(both)})
    both_: F = _MERGES.get(type(first), filled)(first, second)
    return both_


def filled(fact: P, other: P) -> P:
    """Return `one` with its unknown fields filled from `other`."""
    empty: dict[str, object] = {}
    for field in fields(type(fact)):
        own, theirs = getattr(fact, field.name), getattr(other, field.name)
        if _worth(own, field.default) < _worth(theirs, field.default):
            empty[field.encode_name] = theirs
    return replace(fact, **empty) if empty else fact


def _worth(value: object, default: object) -> int:
    """Return less for a value that says less: -1 for None, 1 for one that fits any system."""
    if value in (None, "", (), {}) or value == default:
        return -1 if value is None else 0
    return 1 if value in _NOTHING else 2


def _build(first: Any, second: Any) -> Any:  # noqa: ANN401  a TorchBuild or an Interpreter
    """Do not mix two builds, or interpreters, in one text: fields of one do not apply to the other."""
    unnamed = not first.version or (isinstance(second, kinds.Interpreter) and not second.version)
    return filled(first, second) if unnamed or _same(first.version, second.version) else first


def _same(first: str, second: str) -> bool:
    """Return whether two versions can be the same build: equal as far as both go, local labels too if both have one."""
    pairs = [*zip(release(first), release(second), strict=False)]
    label, its = first.partition("+")[2], second.partition("+")[2]
    return len(pairs) > 1 and all(a == b for a, b in pairs) and (not label or its in ("", label))


def _driver(first: kinds.NvidiaDriver, second: kinds.NvidiaDriver) -> kinds.NvidiaDriver:
    """Return the driver fact that has a CUDA version."""
    preferred, rest = (second, first) if second.cuda and not first.cuda else (first, second)
    return filled(preferred, rest) if preferred.version == rest.version else preferred


def _completeness(gpus: kinds.NvidiaGpus) -> tuple[int, int, int]:
    sizes = sum(gpu.memory_total is not None for gpu in gpus.gpus)
    return sum(bool(gpu.compute_capability) for gpu in gpus.gpus), sizes, len(gpus.gpus)


def _packages(first: kinds.Packages, second: kinds.Packages) -> kinds.Packages:
    """Merge by name; requirements in either are kept."""
    by_name: dict[str, kinds.Distribution] = {d.name: d for d in first.distributions}
    for d in second.distributions:
        earlier = by_name.setdefault(d.name, d)
        if earlier is not d and earlier.version in ("", d.version):
            by_name[d.name] = filled(earlier, d)
    lists = ("broken", "copies", "in_memory")
    both = {name: (*getattr(first, name), *getattr(second, name)) for name in lists}
    return replace(
        first,
        distributions=tuple(by_name.values()),
        conda={**second.conda, **first.conda},
        complete=first.complete or second.complete,
        **{name: tuple(dict.fromkeys(values)) for name, values in both.items()},
    )


_MERGES: dict[type[Fact], Callable[[Any, Any], Any]] = {
    kinds.Packages: _packages,
    kinds.Environment: lambda a, b: replace(a, variables={**b.variables, **a.variables}),
    kinds.TorchBuild: _build,
    kinds.Interpreter: _build,
    kinds.AmdGpus: lambda a, b: max(a, b, key=lambda gpus: len(gpus.gpus)),
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


def joined(reported: Snapshot, local: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
    """Return the facts of a text, completed from this machine, and a sentence for each reason to leave facts out."""
    other_machine, other_target = _other_machine(reported, local), _other_target(reported, local)
    answers: dict[type[Fact], FactOrLack] = reported.answers()
    for kind, answer in local.answers().items():
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
    return Snapshot(answers, taken=local.taken, doctor=local.doctor), left_out


def with_text_around(block: Snapshot, reported: Snapshot) -> Snapshot:
    """Return the facts of a block, plus what the text around it says about runs; else the block takes precedence."""
    answers: dict[type[Fact], FactOrLack] = block.answers()
    for kind in OF_THE_TEXT:
        own, theirs = block.find(kind), reported.find(kind)
        if theirs is not None:
            answers[kind] = merged(own, theirs) if own is not None else theirs
    if reported.find(kinds.Errors) or reported.find(kinds.IndexAnswer):
        answers[kinds.Resembles] = reported.get(kinds.Resembles)
    return Snapshot(answers, taken=block.taken, doctor=block.doctor)


def _other_machine(reported: Snapshot, local: Snapshot) -> str:
    theirs, ours = reported.find(kinds.NvidiaDriver), local.get(kinds.NvidiaDriver)
    if theirs and theirs.version and not isinstance(ours, kinds.Unknown):
        own_driver = ours.version if isinstance(ours, kinds.NvidiaDriver) else "none"
        if own_driver not in ("", theirs.version):
            other = f"the text is from a machine with driver {theirs.version}"
            return f"{other}, this one has {own_driver}"
    cards, own = reported.find(kinds.NvidiaGpus), local.find(kinds.NvidiaGpus)
    if cards and not isinstance(local.get(kinds.NvidiaGpus), kinds.Unknown):
        names = {_model(card.name) for card in own.gpus} if own else set[str]()
        strange = [card.name for card in cards.gpus if card.name and _model(card.name) not in names]
        if strange:
            return f"the text is from a machine with {strange[0]}, which this one does not have"
    return ""


def _other_target(reported: Snapshot, local: Snapshot) -> str:
    compared: tuple[tuple[type[Any], str], ...] = (
        (kinds.TorchBuild, "torch"),
        (kinds.Interpreter, "Python"),
    )
    for kind, name in compared:
        theirs, ours = (
            getattr(snapshot.find(kind), "version", "") for snapshot in (reported, local)
        )
        if theirs and ours and not _same(theirs, ours):
            which = f"with {name} {theirs}, the target has {ours}"
            return f"the text is from an environment {which}; --target names another"
    return ""


def _model(name: str) -> str:
    """Return the part of a GPU's name that every tool prints: "rtx4090" for "NVIDIA GeForce RTX 4090"."""
    return "".join(w for w in name.lower().replace("...", "").split() if w not in _MAKERS)


_MAKERS = frozenset(("nvidia", "geforce", "tesla", "quadro", "graphics"))
