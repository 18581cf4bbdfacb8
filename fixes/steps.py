"""Carry out a cure as it stands: the versions that it asks for, what it takes out, or the variable that it sets.

Versions are resolved around what is installed, by the smallest change. A copy from another folder that wins over the
environment's own is kept away first: no install reaches behind it. A variable holds for shells in which the environment
is activated from now on; a profile that sets it otherwise is yours to change.
"""

from tunedoctor.api import (
    Cure,
    Draft,
    Finding,
    Host,
    Install,
    Interpreter,
    Packages,
    Pin,
    PipInstall,
    Remove,
    Resolve,
    Unknown,
    exact,
    fix,
    install_of,
    known,
    name_of,
    set_variable,
    variable_of,
)

CUDA = ("nvidia-", "cuda-")
"""Wheels that torch alone chooses: the version is that of its own metadata."""


@fix("steps", "Carry out the cure as it stands", cures=())
def steps(
    finding: Finding,
    packages: Packages | Unknown | None,
    interpreter: Interpreter | Unknown | None,
    host: Host | Unknown | None,
) -> Draft | None:
    """Set the variable, or ask for the versions; nothing where the cure is of another kind."""
    there, own, cure = known(packages), known(interpreter), finding.cure
    named = {name_of(r) for line in cure.installs for r in line.requirements}
    apart: Cure | None = None
    if there and own and own.kind in ("venv", "conda"):
        user = {own.user_site} if own.user_site_on else set[str]()
        hiding = {c.hidden_by for c in there.copies if c.name in named}
        if hiding & {*own.pythonpath}:
            apart = set_variable(host, "PYTHONPATH", None)
        elif hiding & user:
            apart = set_variable(host, "PYTHONNOUSERSITE", "1")
        elif {d.location for d in there.distributions if d.name in named} & {
            *own.pythonpath,
            *user,
        }:
            there = None  # an install into the environment stays behind a copy of another folder
    variable = variable_of(apart or cure, interpreter)
    if variable is not None:
        return Draft(steps=(variable,), reason=finding.found)
    found = _steps(cure, there, named) if there else ()
    return Draft(steps=found, reason=finding.found) if found else None


def _steps(cure: Cure, there: Packages, named: set[str]) -> tuple[Install | Remove | Resolve, ...]:
    """Return what goes in or out alone, as torchvision for a torch that stays; else what the resolver is asked for."""
    alone = [
        Remove(names=line.names)
        if not isinstance(line, PipInstall)
        else install_of(line, there)
        if line.no_deps
        else None
        for line in cure.pip
    ]
    if not named & {one.name for one in there.broken} and all(alone):
        return tuple(step for step in alone if step)
    lines = [line for line in cure.installs if not line.anew]
    wanted = [(one, line.upgrade) for line in lines for one in line.requirements]
    pins = dict(pair for one, _ in wanted if one.startswith(CUDA) and (pair := exact(one)))
    rest = tuple(
        _newer(one, there) if upgrade else one
        for one, upgrade in wanted
        if name_of(one) not in pins
    )
    put = Install(pins=tuple(Pin(name=name, version=v) for name, v in pins.items()))
    return (*([put] if pins else []), *([Resolve(requirements=rest)] if rest else []))


def _newer(one: str, packages: Packages) -> str:
    """Return "peft>0.17.1" of "peft", where that one is there: without a range, an upgrade wants a newer one."""
    there = packages.version(name_of(one)).partition("+")[0]
    return f"{one}>{there}" if there and one == name_of(one) else one
