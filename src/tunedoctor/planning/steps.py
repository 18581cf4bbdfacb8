"""Turn a set into steps for an environment: packages to remove, and packages to install, pinned, with hashes and sizes.

Packages that conda or pixi installed stay, because pip would remove files that their own records still list.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from tunedoctor.contracts.requirements import marker_environment, requirements
from tunedoctor.diagnosis.agreement import Drafted
from tunedoctor.facts import CondaPrefix, Host, Interpreter, Packages
from tunedoctor.installers.uv import NoSolution
from tunedoctor.model.findings import name_of
from tunedoctor.model.plan import AnyStep, Install, Pin, Plan, PlanError, Remove, Resolve, merge
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import normalised, within
from tunedoctor.planning.conflict import explain
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.wanted import GROUP, RefusedError, public, with_torch

UNPACKED = 3.0
"""Room that a plan takes, in downloads: the wheel, what is in it, and byte code. torch's wheels grow 1.9-fold."""


def wishes_of(drafts: Iterable[Drafted]) -> tuple[str, ...]:
    """Return the requirements that drafts leave to the resolver."""
    steps = (step for one in drafts for step in one.draft.steps if isinstance(step, Resolve))
    return tuple(word for step in steps for word in step.requirements)


def joined(drafts: Iterable[Drafted], steps: tuple[Remove | Install, ...] = ()) -> Plan:
    """Return the one plan of drafts and what the resolver fills in. Raises RefusedError: they contradict each other."""
    moved = {p.name for s in steps if isinstance(s, Install) for p in s.pins}
    changing = [without(_plan(one), moved) for one in drafts if one.changes]
    told = [_plan(one) for one in drafts if not one.changes]
    try:
        return merge((*changing, Plan(steps=steps), *told))
    except PlanError as error:
        raise RefusedError(str(error)) from error


def _plan(one: Drafted) -> Plan:
    """Return the plan of a draft without what the resolver adds; manual steps fix nothing."""
    steps: tuple[AnyStep, ...] = tuple(s for s in one.draft.steps if not isinstance(s, Resolve))
    if not one.changes:
        return Plan(steps=steps)
    reasons = (one.draft.reason,) if one.draft.reason else ()
    names = (*map(name_of, wishes_of((one,))), *(pin.name for pin in Plan(steps=steps).pins))
    asks = {one.id: tuple(dict.fromkeys(names))}
    return Plan(steps=steps, cures=(one.id,), reasons=reasons, asks=asks)


def without(plan: Plan, moved: set[str]) -> Plan:
    """Return a plan that says nothing of packages that the resolver moves: it sees all of them, a fix its own."""
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, Install):
            pins = tuple(pin for pin in step.pins if pin.name not in moved)
            again = tuple(name for name in step.reinstall if name not in moved)
            if pins:
                steps.append(replace(step, pins=pins, reinstall=again))
        elif isinstance(step, Remove):
            names = tuple(name for name in step.names if name not in moved)
            steps += [Remove(names=names)] if names else []
        else:
            steps.append(step)
    return replace(plan, steps=tuple(steps))


def steps_of(made: Made, place: Place, asked: Collection[str]) -> tuple[Install, ...]:
    """Return the installs of a set for what is `asked`: torch and companions from their index, then the rest."""
    there, serving = place.there, _serving(made, place.there, asked)
    moved = [(one, pinned(n, one.version, made.labels)) for n, one in made.moved.items()]
    pins = [
        replace(one, version=version, was=there.get(one.name, ""))
        for one, version in moved
        if one.name in serving
    ]
    group = tuple(pin for pin in pins if pin.name in GROUP)
    rest = tuple(pin for pin in pins if pin.name not in GROUP)
    torch = made.torch
    again = tuple(pin.name for pin in group if public(pin.was) == public(pin.version))
    first = Install(pins=group, index=torch.index_url, no_deps=torch.kept, reinstall=again)
    return tuple(step for step in (first, Install(pins=rest)) if step.pins)


def whole_set(made: Made) -> tuple[Install, ...]:
    """Return the installs of a set for an empty environment: torch and its companions first."""
    pins = [replace(p, version=pinned(n, p.version, made.labels)) for n, p in made.pins.items()]
    group = tuple(pin for pin in pins if pin.name in GROUP)
    rest = tuple(pin for pin in pins if pin.name not in GROUP)
    first = Install(pins=group, index=made.torch.index_url, no_deps=False)
    return tuple(step for step in (first, Install(pins=rest)) if step.pins)


def pinned(name: str, version: str, labels: Mapping[str, str]) -> str:
    """Return a version with the local label of its file."""
    label = labels.get(name, "")
    return f"{version}+{label}" if label else version


def _serving(made: Made, there: Collection[str], asked: Collection[str]) -> set[str]:
    """Return the requested packages, and what these and the installed packages require.

    A set always contains torch, and what torch requires moves with it. If torch is neither installed nor requested,
    another fix installs it.
    """
    pins = made.found.pins
    wanted = {*there, *asked}
    if "torch" in wanted:
        return {pin.name for pin in pins}
    serving = {*asked}
    while more := {p.name for p in pins if (wanted | serving) & {*p.via}} - serving:
        serving |= more
    return serving


def new_torch(plan: Plan) -> Install | None:
    """Return the install of another build of torch; only its index knows the libraries that it needs."""
    return next((s for s in plan.steps if isinstance(s, Install) and not s.no_deps), None)


def exchanged(plan: Plan, snapshot: Snapshot, brought: Iterable[Pin] = ()) -> Plan:
    """Take out, with cures of them, CUDA libraries and Triton of the old torch that a new one and others do not use."""
    if (packages := snapshot.find(Packages)) is None:
        return plan
    where = marker_environment(snapshot.find(Interpreter), snapshot.find(Host))
    several = packages.distributions
    others = (requirements(d.requires, where) for d in several if not with_torch(d.name))
    kept = {"torch", *(pin.name for pin in brought), *(n for some in others for n, _ in some)}
    gone = tuple(sorted(d.name for d in several if with_torch(d.name) and d.name not in kept))
    if not gone:
        return plan
    return merge((without(plan, {*gone}), Plan(steps=(Remove(names=gone),))))


def fetched(plan: Plan, place: Place) -> Plan:
    """Return the plan with all hashes, sizes and the packages that only a new torch needs. Raises RefusedError."""
    there = place.there
    if (new := new_torch(plan)) is not None:
        found = _looked_up(new, place, {n: v for n, v in there.items() if not with_torch(n)})
        # of its solution what torch alone brings is kept: the set has the versions of all others
        of_torch = [pin for pin in found.pins if pin.name in GROUP or with_torch(pin.name)]
        own = tuple(
            replace(pin, was=there.get(pin.name, ""))
            for pin in of_torch
            if pin.name in (*GROUP, *new.reinstall) or there.get(pin.name) != pin.version
        )
        rest = without(plan, {pin.name for pin in of_torch})
        put = Plan(steps=(replace(found, pins=own, no_deps=True),))
        plan = exchanged(merge((rest, put)), place.snapshot, found.pins)
    steps = (_looked_up(s, place, there) if isinstance(s, Install) else s for s in plan.steps)
    plan = replace(plan, steps=tuple(steps))
    total = sum(pin.download_bytes for pin in plan.pins)
    return replace(plan, download_bytes=total, disk_bytes=int(total * UNPACKED))


def _looked_up(install: Install, place: Place, there: Mapping[str, str]) -> Install:
    """Return an install with its hashes.

    Without a GPU every build of torch runs, also that of the user's sources, but a CUDA build is not used, because it
    is ten times as large and needs useless libraries.
    """
    ask, unfit = place.ask, ""
    ban, index = ask.declared.ban, ask.declared.placed(install.index)
    found = ask.look_up(install, place.python, there)
    if isinstance(found, Install):
        return found
    if index and not place.machine.gpus:
        # there it has another label, or none
        bare = (replace(p, version=public(p.version)) for p in install.pins)
        own = replace(install, pins=tuple(bare), index="", no_deps=False)
        other = ask.look_up(own, place.python, there)
        if isinstance(other, Install):
            cuda = any(pin.name.startswith(("nvidia-", "cuda-")) for pin in other.pins)
            if ask.declared.no_index or not cuda:
                asked = {pin.name for pin in install.pins}
                pins = (pin for pin in other.pins if not install.no_deps or pin.name in asked)
                return replace(other, pins=tuple(pins))
            unfit = "the torch without a label is for CUDA, but there is no GPU here"
    if isinstance(found, NoSolution):
        told = ask.lacking(found.lacked or [pin.name for pin in install.pins], install.index)
        plain = explain(found, there)
        why = "; ".join(filter(None, (plain, told, unfit)))
        wanted = " ".join(pin.requirement for pin in install.pins)
        words = f"--no-deps {wanted} --index-url {index}"
        silent = index in ask.silent
        ways = elsewhere(words) if silent else ()
        raise RefusedError(why, *ways, ban=ban, partly=silent, details=found.text)
    again = "run doctor fix again when the package index can be reached"
    raise RefusedError(found.text, *(() if ban else (again,)), ban=ban, silent=True)


def elsewhere(words: str) -> tuple[str, str]:
    """Return the commands with which another machine fetches packages, and those to run here afterwards."""
    fetch = f"python -m pip download --only-binary :all: -d wheels {words}"
    return (
        f"{fetch}  # on a machine with the same system and Python that reaches the index",
        'export PIP_FIND_LINKS="$PWD/wheels"  # here, with that folder; then run doctor again',
    )


_CALLED = {"torch": "pytorch"}
"""What conda calls a package, where that is another name."""


def hold_off(plan: Plan, snapshot: Snapshot) -> None:
    """Check that a plan only changes what pip or uv installed, within the user's pins.

    Raises RefusedError if it changes or removes a package of conda, contradicts conda-meta/pinned, or if pixi, which
    reverts changes of others, manages the prefix. The user can then use the tool that manages the prefix.
    """
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    if packages is None or interpreter is None or interpreter.kind != "conda":
        return
    kept = packages.prefix or CondaPrefix()
    wanted = {pin.name: pin.version for pin in plan.pins}
    for pin in kept.pins:
        name, specifier = _pinned(pin)
        if within(wanted.get(name, ""), specifier) is False:
            why = f"{name} {wanted[name]} conflicts with conda-meta/pinned, which says {pin}"
            way = f"change that line of {interpreter.prefix}/conda-meta/pinned"
            raise RefusedError(why, way, final=True)
    moved = (*wanted, *(name for name in plan.removed if name not in wanted))
    owned = [n for n in moved if _is_condas(n, packages)]
    if not owned and (kept.tool != "pixi" or not moved):
        return
    where, prefix = shlex.quote(kept.manifest), shlex.quote(interpreter.prefix)
    if kept.tool == "pixi":
        feature = f" --feature {shlex.quote(kept.environment)}"
        where = f"--manifest-path {where}{feature if kept.environment != 'default' else ''}"
        lines = _lines(f"pixi remove {where}", f"pixi add {where}", "==", owned, wanted)
        of_pip = [n for n in moved if n not in owned]
        where += " --pypi"
        lines += _lines(f"pixi remove {where}", f"pixi add {where}", "==", of_pip, wanted)
        why = "pixi manages this environment with its own file and reverts changes made by other tools"
        raise RefusedError(why, *lines, final=True)
    take, put = f"{kept.tool} remove -p {prefix}", f"{kept.tool} install -p {prefix}"
    named = " and ".join(owned[:3])
    why = f"conda installed {named}; a change by pip or uv would make its records wrong"
    # the way on for what pip put in: the same fix without conda's packages
    rest = ["doctor fix"] if any(name not in owned for name in wanted) else []
    raise RefusedError(why, *_lines(take, put, "=", owned, wanted), *rest, final=True)


def _lines(take: str, put: str, equal: str, names: list[str], wanted: dict[str, str]) -> list[str]:
    """Return the commands that remove and install packages, by the names that the tool has for them."""
    pypi = put.endswith("--pypi")
    called = {name: name if pypi else _CALLED.get(name, name) for name in names}
    lines = [f"{take} {called[name]}" for name in names if name not in wanted]
    versions = {n: wanted[n] if pypi else _with_build(wanted[n]) for n in names if n in wanted}
    pins = [shlex.quote(f"{called[name]}{equal}{one}") for name, one in versions.items()]
    return [*lines, f"{put} {' '.join(pins)}"] if pins else lines


def _with_build(version: str) -> str:
    """Return "2.9.1=cuda126*" for "2.9.1+cu126", as conda-forge names its builds; only the release for other labels."""
    plain, _, label = version.partition("+")
    build = "cpu*" if label == "cpu" else f"cuda{label[2:]}*" if label.startswith("cu") else ""
    return f"{plain}={build}" if build else plain


def _pinned(line: str) -> tuple[str, str]:
    """Return ("numpy", "==1.26.*") of "numpy 1.26.*", "numpy=1.26" or "numpy ==1.26.*"; builds are left out."""
    found = re.match(r"([\w.-]+)\s*(=[^=\s][^\s]*|[^\s]*)", line)
    name, specifier = (found[1], found[2]) if found else ("", "")
    pip_name = next((pip for pip, conda in _CALLED.items() if conda == name), normalised(name))
    if re.match(r"=[^=]", specifier):
        fuzzy = specifier[1:].partition("=")[0].rstrip("*").rstrip(".")
        return pip_name, f"=={fuzzy}.*"
    return pip_name, f"=={specifier}" if specifier[:1].isdigit() else specifier


def _is_condas(name: str, packages: Packages) -> bool:
    held = packages.get(name)
    by = held.installer if held is not None else "pip"  # what pip wrote over is pip's by now
    recorded = {name, _CALLED.get(name, name)} & packages.conda.keys()
    return by == "conda" or (bool(recorded) and by not in ("pip", "uv"))
