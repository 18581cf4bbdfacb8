"""A set around what is installed as steps: what goes out, and what comes in, pinned, with hashes and sizes."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from tunedoctor.agreement import Drafted
from tunedoctor.contracts.requirements import marker_environment, requirements
from tunedoctor.cure import name_of
from tunedoctor.facts import Host, Interpreter, Packages
from tunedoctor.fixing import Resolve
from tunedoctor.installers.uv import NoSolution
from tunedoctor.plan import AnyStep, Install, Pin, Plan, PlanError, Remove, merge
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.wanted import GROUP, RefusedError, public, with_torch
from tunedoctor.snapshot import Snapshot

UNPACKED = 3.0
"""Room that a plan takes, in downloads: the wheel, what is in it, and byte code. torch's wheels grow 1.9-fold."""


def wishes_of(drafts: Iterable[Drafted]) -> tuple[str, ...]:
    """Return the requirements that drafts leave to the resolver."""
    steps = (step for one in drafts for step in one.draft.steps if isinstance(step, Resolve))
    return tuple(word for step in steps for word in step.requirements)


def joined(drafts: Iterable[Drafted], steps: tuple[Remove | Install, ...] = ()) -> Plan:
    """Return the one plan of drafts and what the resolver fills in for them.

    Raises:
        RefusedError: the drafts contradict each other.
    """
    moved = {p.name for s in steps if isinstance(s, Install) for p in s.pins}
    changing = [without(_plan(one), moved) for one in drafts if one.changes]
    told = [_plan(one) for one in drafts if not one.changes]
    try:
        return merge((*changing, Plan(steps=steps), *told))
    except PlanError as error:
        raise RefusedError(str(error)) from error


def _plan(one: Drafted) -> Plan:
    """Return the plan of a draft without what the resolver fills in; told steps cure nothing."""
    steps: tuple[AnyStep, ...] = tuple(s for s in one.draft.steps if not isinstance(s, Resolve))
    if not one.changes:
        return Plan(steps=steps)
    reasons = (one.draft.reason,) if one.draft.reason else ()
    names = (*map(name_of, wishes_of((one,))), *(pin.name for pin in Plan(steps=steps).pins))
    return Plan(
        steps=steps, cures=(one.id,), reasons=reasons, asks={one.id: tuple(dict.fromkeys(names))}
    )


def without(plan: Plan, moved: set[str]) -> Plan:
    """Return a plan that says nothing of packages that the resolver moves: it sees all of them, a fix its own."""
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, Install):
            pins = tuple(pin for pin in step.pins if pin.name not in moved)
            again = tuple(name for name in step.reinstall if name not in moved)
            if pins:
                steps.append(msgspec.structs.replace(step, pins=pins, reinstall=again))
        elif isinstance(step, Remove):
            names = tuple(name for name in step.names if name not in moved)
            steps += [Remove(names=names)] if names else []
        else:
            steps.append(step)
    return msgspec.structs.replace(plan, steps=tuple(steps))


def steps_of(made: Made, place: Place, asked: Collection[str]) -> tuple[Install, ...]:
    """Return the installs that make a set: torch and its companions from their index, the rest from the default one.

    `asked` are the packages that it is for: of others it brings in only what they need.
    """
    there, serving = place.there, _serving(made, place.there, asked)
    pins = [
        Pin(
            name=one.name,
            version=pinned(one.name, one.version, made.labels),
            was=there.get(one.name, ""),
        )
        for one in made.moved.values()
        if one.name in serving
    ]
    group = tuple(pin for pin in pins if pin.name in GROUP)
    rest = tuple(pin for pin in pins if pin.name not in GROUP)
    torch = made.torch
    again = tuple(pin.name for pin in group if public(pin.was) == public(pin.version))
    first = Install(pins=group, index=torch.index_url, no_deps=torch.kept, reinstall=again)
    return tuple(step for step in (first, Install(pins=rest)) if step.pins)


def pinned(name: str, version: str, labels: Mapping[str, str]) -> str:
    """Return a version with the local label of its file."""
    label = labels.get(name, "")
    return f"{version}+{label}" if label else version


def _serving(made: Made, there: Collection[str], asked: Collection[str]) -> set[str]:
    """Return what is asked for, and what that and the packages that are there require.

    A set always holds torch, and what torch requires moves with it. Where it is neither there nor asked for, it is a
    cure of its own.
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
    """Return the install of another build of torch, whose libraries only its index tells."""
    return next((s for s in plan.steps if isinstance(s, Install) and not s.no_deps), None)


def exchanged(plan: Plan, snapshot: Snapshot, brought: Iterable[Pin] = ()) -> Plan:
    """Take out the CUDA libraries and Triton of the old torch that a new one does not bring, nor anybody uses.

    A cure for the old torch that puts one of them in anew is of no use then.
    """
    if (packages := snapshot.find(Packages)) is None:
        return plan
    where = marker_environment(snapshot.find(Interpreter), snapshot.find(Host))
    several = packages.distributions
    used = {
        name
        for d in several
        if not with_torch(d.name)
        for name, _ in requirements(d.requires, where)
    }
    kept = {"torch", *used, *(pin.name for pin in brought)}
    gone = tuple(sorted(d.name for d in several if with_torch(d.name) and d.name not in kept))
    if not gone:
        return plan
    return merge((without(plan, {*gone}), Plan(steps=(Remove(names=gone),))))


def fetched(plan: Plan, place: Place) -> Plan:
    """Return the plan with the hashes and sizes of all files, and with what a new torch alone brings.

    Raises:
        RefusedError: the index does not answer, or has no such files.
    """
    there = place.there
    if (new := new_torch(plan)) is not None:
        found = _looked_up(new, place, {n: v for n, v in there.items() if not with_torch(n)})
        # of its solution what torch alone brings is kept: the set has the versions of all others
        of_torch = [pin for pin in found.pins if pin.name in GROUP or with_torch(pin.name)]
        own = tuple(
            msgspec.structs.replace(pin, was=there.get(pin.name, ""))
            for pin in of_torch
            if pin.name in (*GROUP, *new.reinstall) or there.get(pin.name) != pin.version
        )
        rest = without(plan, {pin.name for pin in of_torch})
        put = Plan(steps=(msgspec.structs.replace(found, pins=own, no_deps=True),))
        plan = exchanged(merge((rest, put)), place.snapshot, found.pins)
    steps = (_looked_up(s, place, there) if isinstance(s, Install) else s for s in plan.steps)
    plan = msgspec.structs.replace(plan, steps=tuple(steps))
    total = sum(pin.download_bytes for pin in plan.pins)
    return msgspec.structs.replace(plan, download_bytes=total, disk_bytes=int(total * UNPACKED))


def _looked_up(install: Install, place: Place, there: Mapping[str, str]) -> Install:
    """Return an install with its hashes; without a GPU every build of torch runs, that of the user's sources too.

    One for CUDA that an index has is not taken for that: it is ten times as large, and brings libraries for no use.
    """
    ask, unfit = place.ask, ""
    ban, index = ask.declared.ban, ask.declared.placed(install.index)
    found = ask.look_up(install, place.python, there)
    if isinstance(found, Install):
        return found
    if index and not place.machine.gpus:
        # there it has another label, or none
        bare = (msgspec.structs.replace(p, version=public(p.version)) for p in install.pins)
        own = msgspec.structs.replace(install, pins=tuple(bare), index="", no_deps=False)
        other = ask.look_up(own, place.python, there)
        if isinstance(other, Install):
            cuda = any(pin.name.startswith(("nvidia-", "cuda-")) for pin in other.pins)
            if ask.declared.no_index or not cuda:
                asked = {pin.name for pin in install.pins}
                pins = (pin for pin in other.pins if not install.no_deps or pin.name in asked)
                return msgspec.structs.replace(other, pins=tuple(pins))
            unfit = "the torch without label is for CUDA, and there is no GPU here"
    if isinstance(found, NoSolution):
        told = ask.lacking(found.lacked or [pin.name for pin in install.pins], install.index)
        why = "; ".join(filter(None, (found.why(), told, unfit)))
        words = " ".join(
            ["--no-deps", *(p.requirement for p in install.pins), "--index-url", index]
        )
        raise RefusedError(why, *(elsewhere(words) if index in ask.silent else ()), ban=ban)
    again = "doctor fix again, when the package index can be reached"
    raise RefusedError(found.text, *(() if ban else (again,)), ban=ban, silent=True)


def elsewhere(words: str) -> tuple[str, str]:
    """Return how another machine fetches what is out of reach here, and what is said here then."""
    fetch = f"python -m pip download --only-binary :all: -d wheels {words}"
    return (
        f"{fetch}  # on a machine of this system and Python that reaches the index",
        'export PIP_FIND_LINKS="$PWD/wheels"  # here, with that folder; then run it again',
    )
