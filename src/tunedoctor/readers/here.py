"""Put what a text tells together with what the machine tells that printed it.

The text has the first word: it shows the process that failed. The machine fills in what the text leaves open, as long
as both are of one thing: a text that names another driver, other GPUs or another torch is of another machine or
environment, and then nothing of that kind is taken from here.
"""

from typing import NamedTuple

from tunedoctor import facts as kinds
from tunedoctor.facts import (
    Absent,
    Fact,
    Interpreter,
    Knowledge,
    NvidiaDriver,
    NvidiaGpus,
    Target,
    TorchBuild,
    Unknown,
)
from tunedoctor.facts.target import NO_ENVIRONMENT
from tunedoctor.readers.merge import merged
from tunedoctor.snapshot import Answer, Snapshot

OF_THE_TEXT = (kinds.Errors, kinds.Runtime, kinds.Typed, kinds.Wanted, kinds.IndexAnswer)
"""Kinds that only a run or a text tells."""
OF_THE_TARGET = (
    *(Target, Interpreter, TorchBuild, kinds.Packages, kinds.CudaWheels, kinds.Shadows),
    *(
        kinds.Launchers,
        kinds.LibraryPath,
        kinds.Environment,
        kinds.InstallerConfig,
        kinds.Compilers,
    ),
)
"""Kinds that tell of one Python environment."""
_NOT_ASKED = (kinds.Container, kinds.NvidiaAnswer)
"""Kinds that are absent from a text that does not speak of them, which says nothing of the machine."""

_NOBODY = Absent(why=NO_ENVIRONMENT)


class Joined(NamedTuple):
    """What both tell."""

    snapshot: Snapshot
    left_out: tuple[str, ...]
    """Why facts of this machine were left out, a sentence each."""


def joined(told: Snapshot, here: Snapshot) -> Joined:
    """Return the facts of a text, filled in from this machine."""
    other_machine, other_target = _other_machine(told, here), _other_target(told, here)
    answers: dict[type[Fact], Answer] = told.answers()
    for kind, answer in here.answers().items():
        stranger = other_target if kind in OF_THE_TARGET else other_machine
        if kind in OF_THE_TEXT or (stranger and kind is not Knowledge):
            continue
        if answer == _NOBODY or (isinstance(answer, Target) and answer.chosen_by == "none"):
            continue  # no environment was looked at here: what the text lacks of one stays open
        own = answers.get(kind)
        if isinstance(own, kind) and isinstance(answer, kind):
            answers[kind] = merged(own, answer)
        elif not isinstance(own, kind) and not (isinstance(own, Absent) and kind not in _NOT_ASKED):
            answers[kind] = answer
    left_out = tuple(why for why in (other_machine, other_target) if why)
    return Joined(Snapshot(answers, taken=here.taken, doctor=here.doctor), left_out)


def _other_machine(told: Snapshot, here: Snapshot) -> str:
    theirs, ours = told.find(NvidiaDriver), here.get(NvidiaDriver)
    if theirs and theirs.version:
        if isinstance(ours, Absent):
            return f"the text is of a machine with driver {theirs.version}, this one has none"
        if isinstance(ours, NvidiaDriver) and ours.version and ours.version != theirs.version:
            return f"the text is of a machine with driver {theirs.version}, this one has {ours.version}"
    cards, own = told.find(NvidiaGpus), here.get(NvidiaGpus)
    if cards and not isinstance(own, Unknown):
        names = {_model(card.name) for card in own.gpus} if isinstance(own, NvidiaGpus) else set()
        strange = [card.name for card in cards.gpus if card.name and _model(card.name) not in names]
        if strange:
            return f"the text is of a machine with {strange[0]}, which this one does not have"
    return ""


def _other_target(told: Snapshot, here: Snapshot) -> str:
    torch, own_torch = told.find(TorchBuild), here.find(TorchBuild)
    python, own_python = told.find(Interpreter), here.find(Interpreter)
    for name, theirs, ours in (
        ("torch", torch.version if torch else "", own_torch.version if own_torch else ""),
        ("Python", python.version if python else "", own_python.version if own_python else ""),
    ):
        if theirs and ours and _differ(theirs, ours):
            return (
                f"the text is of an environment with {name} {theirs}, the target has {ours}; "
                "--target names another"
            )
    return ""


def _differ(one: str, other: str) -> bool:
    """Tell whether two versions contradict each other: 2.9.1 and 2.9.1+cu128 do not, nor do 3.12 and 3.12.3."""
    (a, _, local), (b, _, other_local) = one.partition("+"), other.partition("+")
    parts = zip(a.split("."), b.split("."), strict=False)
    return any(x != y for x, y in parts) or bool(local and other_local and local != other_local)


def _model(name: str) -> str:
    """Return the part of a GPU's name that every tool prints: "rtx4090" of "NVIDIA GeForce RTX 4090"."""
    words = name.lower().replace("...", "").split()
    return "".join(w for w in words if w not in _MAKERS)


_MAKERS = frozenset(("nvidia", "geforce", "tesla", "quadro", "graphics"))
