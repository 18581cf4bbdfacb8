"""A set around what is installed -> installs and removals, pinned."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from tunedoctor.advice.requirements import marker_environment, requirements
from tunedoctor.facts import Host, Interpreter, Packages
from tunedoctor.installers.answers import NoSolution
from tunedoctor.plan import Install, Pin, Remove
from tunedoctor.planning.commands import GROUP
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.refusal import RefusedError, unanswered
from tunedoctor.planning.wanted import public, with_torch
from tunedoctor.snapshot import Snapshot


def steps_of(made: Made, place: Place, asked: Collection[str]) -> tuple[Remove | Install, ...]:
    """Return the steps that make a set: torch and what it brings from its index, the rest from the default one.

    `asked` are the packages that it is for: of others it brings in only what they need.

    Raises:
        RefusedError: the index does not answer, or has no such files.
    """
    there = place.there
    moved = [one for one in made.answer.changed if one.name in _serving(made, there, asked)]
    group = [one for one in moved if one.name in GROUP]
    rest = [one for one in moved if one.name not in GROUP]
    torch = made.torch
    steps: list[Remove | Install] = []
    if group:
        pins = [_pin(one.name, one.version, made.labels, there) for one in group]
        again = tuple(p.name for p in pins if public(p.was) == public(p.version))
        first = Install(
            pins=tuple(pins), index=torch.index_url, no_deps=torch.kept, reinstall=again
        )
        beside = {n: v for n, v in there.items() if not with_torch(n)}
        try:
            found = looked_up(first, place, beside)
        except RefusedError:
            if not made.any_build or not torch.index_url:
                raise
            # the user's own sources have it by another label, or by none
            bare = (msgspec.structs.replace(p, version=public(p.version)) for p in pins)
            own = msgspec.structs.replace(first, pins=tuple(bare), index="")
            found = looked_up(own, place, beside)
        mine = _own(found, there, again)
        if not torch.kept:
            gone = _stale(place.snapshot, {pin.name for pin in found.pins})
            steps += [Remove(names=gone)] if gone else []
        steps.append(mine)
    if rest:
        pins = [Pin(name=o.name, version=o.version, was=o.was) for o in rest]
        steps.append(looked_up(Install(pins=tuple(pins)), place, there))
    return tuple(steps)


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


def _pin(name: str, version: str, labels: Mapping[str, str], there: Mapping[str, str]) -> Pin:
    label = labels.get(name, "")
    return Pin(name=name, version=version + (f"+{label}" if label else ""), was=there.get(name, ""))


def _own(found: Install, there: Mapping[str, str], again: Iterable[str]) -> Install:
    """Keep of torch's solution what torch alone brings; the set has the versions of all others."""
    anew = set(again)
    pins: list[Pin] = []
    for pin in found.pins:
        if pin.name not in GROUP and not with_torch(pin.name):
            continue
        if there.get(pin.name) != pin.version or pin.name in anew or pin.name in GROUP:
            pins.append(msgspec.structs.replace(pin, was=there.get(pin.name, "")))
    return msgspec.structs.replace(found, pins=tuple(pins), no_deps=True)


def _stale(snapshot: Snapshot, new: set[str]) -> tuple[str, ...]:
    """Return the CUDA libraries and Triton of the old torch that the new one does not use, nor anybody else."""
    if (packages := snapshot.find(Packages)) is None:
        return ()
    where = marker_environment(snapshot.find(Interpreter), snapshot.find(Host))
    brought = {d.name for d in packages.distributions if with_torch(d.name)} - {"torch"}
    used = {
        name
        for d in packages.distributions
        if not with_torch(d.name)
        for name, _ in requirements(d.requires, where)
    }
    return tuple(sorted(brought - new - used))


def looked_up(install: Install, place: Place, there: Mapping[str, str]) -> Install:
    """Return an install with its hashes.

    Raises:
        RefusedError: the index has no such file, does not answer, or the pins clash.
    """
    ask = place.ask
    found = ask.look_up(install, place.python, there)
    if isinstance(found, Install):
        return found
    if isinstance(found, NoSolution):
        told = ask.lacking(found.blamed or [pin.name for pin in install.pins], install.index)
        raise unanswered("; ".join(filter(None, (found.why(), told))), ask.ban)
    again = "doctor fix again, when the package index can be reached"
    error = unanswered(found.text, ask.ban, *(() if ask.ban else (again,)))
    error.silent = True
    raise error
