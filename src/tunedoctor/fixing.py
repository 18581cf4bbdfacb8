"""What fixes are, what they return, a draft, of which the planner makes a plan, and what they read of a cure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from tunedoctor.cure import Cure, PipInstall, Variable, exact, name_of
from tunedoctor.facts import Interpreter, Packages, Unknown
from tunedoctor.findings import Finding
from tunedoctor.plan import AnyStep, Install, Pin, Place, SetEnv, Tell


class Resolve(msgspec.Struct, frozen=True, kw_only=True):
    """A set of libraries that holds these, by the smallest change: which versions, the resolver says."""

    requirements: tuple[str, ...]
    """"peft>=0.18", "torch==2.9.1"; torch alone: the build that fits the machine."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a fix wants done. Pure data: nothing was asked of an index yet."""

    steps: tuple[AnyStep | Resolve, ...]
    reason: str = ""
    """Why, in one sentence."""


Body = TypeVar("Body", bound=Callable[..., Draft | None])


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A fix as the registry holds it."""

    id: str
    title: str
    """What it does, as "Install the matching torch build"."""
    cures: tuple[str, ...]
    """Ids of the findings that it is for; (): any whose cure it can carry out, where no other fix does."""
    run: Callable[..., Draft | None]
    """Takes the finding, then the facts that its parameters name; None: it has nothing for this one."""
    origin: str
    """The module it stands in."""


def fix(
    id: str,  # noqa: A002  the word that users see
    title: str,
    *,
    cures: Sequence[str],
) -> Callable[[Body], Body]:
    """Mark a pure function `(finding, facts…) -> Draft | None` as a fix."""

    def mark(function: Body) -> Body:
        function.tunedoctor_fix = Fix(  # type: ignore[attr-defined]
            id=id, title=title, cures=tuple(cures), run=function, origin=function.__module__
        )
        return function

    return mark


def install_of(line: PipInstall, packages: Packages) -> Install | None:
    """Return what a command puts in, pinned; what is put in anew in its version. None where a version is not said."""
    there = {name: packages.version(name) for name in map(name_of, line.requirements)}
    pairs = [
        exact(one) or (one, there.get(one, "") if line.anew else "") for one in line.requirements
    ]
    if not all(version for _, version in pairs):
        return None
    pins = tuple(Pin(name=name, version=version, was=there[name]) for name, version in pairs)
    again = tuple(pin.name for pin in pins if pin.was or line.anew)
    return Install(pins=pins, index=line.index, reinstall=again)


def variable_of(cure: Cure, interpreter: Interpreter | Unknown | None) -> SetEnv | None:
    """Return the step for a cure that sets or unsets one variable and does nothing else; else None."""
    match cure.steps:
        case (Variable(name=name, value=value),):
            return SetEnv(name=name, value=value, where=_place(interpreter), command=cure.command)
        case _:
            return None


def _place(interpreter: Interpreter | Unknown | None) -> Place:
    """Return where a variable is kept: an environment has a place for it, another Python has none."""
    kind = interpreter.kind if isinstance(interpreter, Interpreter) else "unknown"
    return "activate" if kind == "venv" else "conda" if kind == "conda" else "printed"


def tell(finding: Finding) -> Draft:
    """Return a draft that only tells the finding's own cure."""
    cure = finding.cure
    step = Tell(command=cure.command, why=finding.cure_note, who=cure.who)
    return Draft(steps=(step,) if cure.kind == "command" else (), reason=finding.found)
