"""Put what several readers found of one subject together."""

from typing import TypeVar

import msgspec

from tunedoctor.facts import (
    Distribution,
    Environment,
    Errors,
    Fact,
    IndexAnswer,
    Interpreter,
    NvidiaDriver,
    NvidiaGpus,
    Packages,
    Runtime,
    TorchBuild,
    Typed,
    Wanted,
)
from tunedoctor.versions import release

F = TypeVar("F", bound=Fact)


_NOTHING: tuple[object, ...] = (
    "",
    "unknown",
    "other",
    "not tried",
    "Linux",
    "Windows",
    "macOS",
    (),
    {},
)
"""What fields hold where a text told nothing, or only the family of a system."""


_ONE_LIST: dict[type[Fact], str] = {
    Errors: "errors",
    IndexAnswer: "refusals",
    Typed: "commands",
    Wanted: "requirements",
}
"""Kinds that hold nothing but a list, and its name: what both tell stands in it once."""


def merged(one: F, other: F) -> F:
    """Return a fact that tells what both tell; where they differ, the first has the word."""
    both = _special(one, other)
    return both if both is not None else filled(one, other)


def filled(one: F, other: F) -> F:
    """Fill the fields of which `one` says nothing from `other`."""
    empty = {
        field.encode_name: getattr(other, field.name)
        for field in msgspec.structs.fields(type(one))
        if _says_nothing(getattr(one, field.name), field.default)
        and not _says_nothing(getattr(other, field.name), field.default)
    }
    return msgspec.structs.replace(one, **empty) if empty else one


def _says_nothing(value: object, default: object) -> bool:
    return value is None or value in _NOTHING or value == default


def _special(one: F, other: F) -> F | None:
    """Return the merged fact of kinds that hold lists; None for the others."""
    result: Fact | None = None
    if isinstance(one, Packages) and isinstance(other, Packages):
        result = _packages(one, other)
    elif isinstance(one, Environment) and isinstance(other, Environment):
        result = Environment(variables={**other.variables, **one.variables})
    elif type(one) in _ONE_LIST:
        name = _ONE_LIST[type(one)]
        both = dict.fromkeys((*getattr(one, name), *getattr(other, name)))
        result = msgspec.structs.replace(one, **{name: tuple(both)})
    elif isinstance(one, TorchBuild | Interpreter) and isinstance(other, TorchBuild | Interpreter):
        # two builds, or two interpreters, in one text: parts of one are not true of the other
        same = release(one.version)[:2] == release(other.version)[:2]
        result = filled(one, other) if same or not one.version else one
    elif isinstance(one, NvidiaGpus) and isinstance(other, NvidiaGpus):
        result = max(one, other, key=_known)
    elif isinstance(one, NvidiaDriver) and isinstance(other, NvidiaDriver):
        first = max(one, other, key=lambda d: bool(d.cuda))
        second = other if first is one else one
        result = filled(first, second) if first.version == second.version else first
    elif isinstance(one, Runtime) and isinstance(other, Runtime):
        result = filled(msgspec.structs.replace(one, stages=(*one.stages, *other.stages)), other)
    return result  # type: ignore[return-value]  # made of two facts of this kind


def _known(gpus: NvidiaGpus) -> tuple[int, int, int]:
    return (
        sum(bool(g.compute_capability) for g in gpus.gpus),
        sum(g.memory_total is not None for g in gpus.gpus),
        len(gpus.gpus),
    )


def _packages(one: Packages, other: Packages) -> Packages:
    """Unite by name; requirements that either tells are kept."""
    found: dict[str, Distribution] = {d.name: d for d in one.distributions}
    for d in other.distributions:
        before = found.get(d.name)
        if before is None:
            found[d.name] = d
        elif before.version in ("", d.version):
            found[d.name] = filled(before, d)
    return Packages(
        distributions=tuple(found.values()),
        broken=tuple(dict.fromkeys((*one.broken, *other.broken))),
        copies=tuple(dict.fromkeys((*one.copies, *other.copies))),
        conda={**other.conda, **one.conda},
        complete=one.complete or other.complete,
    )
