"""Give a function the facts that its parameters are annotated with.

Probes, checks and fixes share this. A parameter `gpus: NvidiaGpus` needs that fact; `gpus: NvidiaGpus | None`
takes None where it is absent, `gpus: Known[NvidiaGpus]` where it is absent or unknown;
`gpus: NvidiaGpus | Unknown | None` takes both other answers as they are.
"""

from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args

from tunedoctor.facts import Absent, Fact, Unknown
from tunedoctor.snapshot import Snapshot

T = TypeVar("T")


class Want(NamedTuple):
    """What one parameter takes."""

    kind: type[Fact]
    absent: bool
    """None stands for Absent."""
    unknown: bool
    """An unknown fact does not keep it from being called."""
    known: bool
    """None stands for Unknown as well, which else is handed over."""


class NotRun(NamedTuple):
    """A function was not called, since a fact that it needs is not there."""

    why: Absent | Unknown
    kind: type[Fact]


@cache
def wants(function: Callable[..., Any], given: int = 0) -> dict[str, Want]:
    """Return what each parameter takes; the first `given` are no facts.

    Raises:
        TypeError: an annotation is missing, is a string, or names no fact type.
    """
    found: dict[str, Want] = {}
    for name in function.__code__.co_varnames[given : function.__code__.co_argcount]:
        hint = function.__annotations__.get(name)
        if known := getattr(hint, "known_kind", None):
            found[name] = Want(known, absent=True, unknown=True, known=True)
            continue
        options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        kinds = [o for o in options if o not in (NoneType, Unknown)]
        if len(kinds) != 1 or not (isinstance(kinds[0], type) and issubclass(kinds[0], Fact)):
            msg = f"{function.__module__}: parameter {name!r} is annotated {hint!r}, which is no fact type"
            raise TypeError(msg)
        found[name] = Want(kinds[0], NoneType in options, Unknown in options, known=False)
    return found


def call(function: Callable[..., T], snapshot: Snapshot, *first: object) -> T | NotRun:
    """Call `function` with `first` and facts of `snapshot`, or tell which fact stands in the way."""
    given: dict[str, object] = {}
    for name, want in wants(function, len(first)).items():
        fact: object = snapshot.get(want.kind)
        if isinstance(fact, Absent):
            if not want.absent:
                return NotRun(fact, want.kind)
            fact = None
        elif isinstance(fact, Unknown):
            if not want.unknown:
                return NotRun(fact, want.kind)
            fact = None if want.known else fact
        given[name] = fact
    return function(*first, **given)
