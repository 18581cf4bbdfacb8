"""Give a function the facts that its parameters are annotated with.

Probes, checks and fixes share this. A parameter `gpus: NvidiaGpus` needs that fact; `gpus: NvidiaGpus | None`
takes None where it is absent, `gpus: NvidiaGpus | Unknown | None` both other answers as they are. A parameter
`facts: Facts` takes each fact that the code names as `facts.nvidia`, an empty one where it is absent or unknown.
Keywords keep their defaults.
"""

from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType, ModuleType, NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args

from tunedoctor.facts import Absent, Fact, Unknown
from tunedoctor.model.snapshot import FIELDS, Facts, Snapshot

T = TypeVar("T")


class Want(NamedTuple):
    """What one parameter takes."""

    kind: type[Fact]
    absent: bool
    """None stands for Absent."""
    unknown: bool
    """An unknown fact does not keep it from being called: it is handed over."""


class NotRun(NamedTuple):
    """A function was not called, since a fact that it needs is not there."""

    why: Absent | Unknown
    kind: type[Fact]


@cache
def wants(function: Callable[..., Any], given: int = 0) -> dict[str, Want]:
    """Return what each parameter takes, but the first `given`. Raises TypeError for what is no fact type."""
    found: dict[str, Want] = {}
    for name in function.__code__.co_varnames[given : function.__code__.co_argcount]:
        hint = function.__annotations__.get(name)
        if _is_view(hint):
            for field in sorted(_named(function, set())):
                found[f"{name}.{field}"] = Want(FIELDS[field], absent=True, unknown=True)
            continue
        options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        kinds = [o for o in options if o not in (NoneType, Unknown)]
        if len(kinds) != 1 or not (isinstance(kinds[0], type) and issubclass(kinds[0], Fact)):
            msg = f"{function.__module__}: parameter {name!r} is annotated {hint!r}, which is no fact type"
            raise TypeError(msg)
        found[name] = Want(kinds[0], NoneType in options, Unknown in options)
    return found


def call(
    function: Callable[..., T], snapshot: Snapshot, *first: object, facts: Facts | None = None
) -> T | NotRun:
    """Call `function` with `first` and facts of a snapshot (`facts`: its view), or tell which fact is not there."""
    hints = function.__annotations__.items()
    given: dict[str, object] = {
        name: facts or hint(snapshot) for name, hint in hints if _is_view(hint)
    }
    for name, want in wants(function, len(first)).items():
        if "." in name:
            continue
        fact: object = snapshot.get(want.kind)
        if isinstance(fact, Absent):
            if not want.absent:
                return NotRun(fact, want.kind)
            fact = None
        elif isinstance(fact, Unknown) and not want.unknown:
            return NotRun(fact, want.kind)
        given[name] = fact
    return function(*first, **given)


_HEARD = {"heard", "if_heard", "matched", "readings"}
"""What a check asks of its facts that errors answer."""


def _is_view(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Facts)


def _named(function: Callable[..., Any], seen: set[object]) -> set[str]:
    """Return the fields of Facts that the code of a function names, and that of those which it calls with Facts."""
    seen.add(function)
    codes, names = [function.__code__], set[str]()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [one for one in code.co_consts if isinstance(one, CodeType)]
    known = function.__globals__
    spaces = [known, *(vars(one) for n in names if isinstance(one := known.get(n), ModuleType))]
    called = [space[name] for space in spaces for name in names if name in space]
    found = names & FIELDS.keys() | ({"errors"} if names & _HEARD else set())
    for one in called:
        if isinstance(one, FunctionType) and one not in seen:
            found |= (
                _named(one, seen) if any(map(_is_view, one.__annotations__.values())) else set()
            )
    return found
