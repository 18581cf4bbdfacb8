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
    PipUninstall,
    Remove,
    Resolve,
    Unknown,
    exact,
    fix,
    install_of,
    known,
    name_of,
    set_variable,
    unset_variable,
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
    there, own = known(packages), known(interpreter)
    named = {name_of(r) for line in finding.cure.installs for r in line.requirements}
    apart = _apart(named, there, own, known(host))
    variable = variable_of(apart or finding.cure, interpreter)
    if variable is not None:
        return Draft(steps=(variable,), reason=finding.found)
    lines = [line for line in finding.cure.installs if not line.anew]
    if there is None or (own is not None and _foreign(named, there, own)):
        return None  # an install into the environment stays behind a copy of another folder
    whole = not named & {one.name for one in there.broken}
    if whole and (alone := _alone(finding.cure, there)):
        return Draft(steps=alone, reason=finding.found)
    wanted = [(one, line.upgrade) for line in lines for one in line.requirements]
    pins = [pair for one, _ in wanted if one.startswith(CUDA) and (pair := exact(one))]
    rest = tuple(
        _newer(one, there) if upgrade else one
        for one, upgrade in wanted
        if name_of(one) not in {name for name, _ in pins}
    )
    found: list[Install | Resolve] = []
    if pins:
        found.append(Install(pins=tuple(Pin(name=name, version=v) for name, v in pins)))
    if rest:
        found.append(Resolve(requirements=rest))
    return Draft(steps=tuple(found), reason=finding.found) if found else None


def _alone(cure: Cure, packages: Packages) -> tuple[Install | Remove, ...]:
    """Return what goes in or out alone, as torchvision for a torch that stays; () where more goes with it."""
    steps: list[Install | Remove] = []
    for line in cure.pip:
        if isinstance(line, PipUninstall):
            steps.append(Remove(names=line.names))
            continue
        install = install_of(line, packages)
        if install is None or not line.no_deps:
            return ()
        steps.append(install)
    return tuple(steps)


def _newer(one: str, packages: Packages) -> str:
    """Return "peft>0.17.1" of "peft", where that one is there: without a range, an upgrade wants a newer one."""
    there = packages.version(name_of(one)).partition("+")[0]
    return f"{one}>{there}" if there and one == name_of(one) else one


def _foreign(named: set[str], packages: Packages, interpreter: Interpreter) -> bool:
    """Tell whether a package to change is that of a folder that wins over the environment's own."""
    held = {one.location for one in packages.distributions if one.name in named}
    user = {interpreter.user_site} if interpreter.user_site_on else set[str]()
    return interpreter.kind in ("venv", "conda") and bool(held & {*interpreter.pythonpath, *user})


def _apart(
    named: set[str], packages: Packages | None, interpreter: Interpreter | None, host: Host | None
) -> Cure:
    """Return what keeps away a copy that wins over the package that the cure would install; nothing where none does."""
    if packages is None or interpreter is None or interpreter.kind not in ("venv", "conda"):
        return Cure()
    hiding = {c.hidden_by for c in packages.copies if c.name in named}
    if hiding & {*interpreter.pythonpath}:
        return unset_variable(host, "PYTHONPATH")
    if interpreter.user_site_on and interpreter.user_site in hiding:
        return set_variable(host, "PYTHONNOUSERSITE", "1")
    return Cure()
