"""The build for an environment that has a torch: that one where it fits, else the nearest release that does."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.versions import minor, parts, pep440, within
from tunedoctor.wheels.choice import Build, Choice
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pick import allowed, releases
from tunedoctor.wheels.pins import of_build
from tunedoctor.wheels.rules import index_of

_LABEL = re.compile(r"cu\d+|rocm[\d.]+|xpu|cpu")
_SERVES_ALL = ("install", "ask")


class Near(NamedTuple):
    """What is to be there."""

    choice: Choice
    kept: bool = False
    """The installed build can stay; the choice is that build then."""


def near(machine: Machine, installed: str = "", beside: str = "") -> Near:
    """Return the build for a machine, as near to the installed torch ("2.6.0+cu124", "2.6.0", "") as can be.

    It stays where it is in the wanted range and serves what the newest build would: one for the CPU does not fit a
    machine with a GPU that a build serves. Without a GPU every build runs, and none is exchanged for that, nor where
    no build fits; nothing is known against one that is newer than the table, or of somebody's own. Where a driver has
    to come first it is the build that runs then. With none installed, the release that goes with what is there `beside`
    it is taken before the best one.
    """
    release, _, label = installed.partition("+")
    best = choose(machine)
    inside = bool(release) and (not machine.torch or bool(within(release, machine.torch)))
    labelled = machine.platform != "macos" and bool(_LABEL.fullmatch(label))
    there = Build(release, label)
    index = index_of(label) if labelled else ""
    if inside and (not best.build or not allowed(f"=={release}") or (index and not machine.gpus)):
        return Near(replace(best, build=there, index=index), kept=True)
    if release and (same := _like(best, machine, installed if labelled else release)):
        return Near(replace(same, build=there, index=same.index if labelled else ""), kept=True)
    paired = _like(best, machine, beside) if beside and not release else None
    return Near(_with_driver(paired or nearest(machine, release), machine))


def nearest(machine: Machine, release: str) -> Choice:
    """Return the build of a release, else of its minor, of newer minors upwards, of older downwards, else the best.

    Each must serve what the best one serves.
    """
    best = choose(machine)
    for wanted in _ways(release) if best.build else ():
        if found := _like(best, machine, wanted):
            return found
    return best


def _with_driver(choice: Choice, machine: Machine) -> Choice:
    """Return the build that runs under the driver which has to come first, with the reason; else the choice."""
    first = choice.alternatives[:1] if choice.action.endswith("_driver") else ()
    return replace(of_build(first[0].build, machine), reasons=choice.reasons) if first else choice


def _ways(release: str) -> Iterator[str]:
    """Yield a release and the minors around it, as "2.6.0" and "2.6.*"."""
    one = pep440(release)
    if one is None:
        return
    here = one.release[:2]
    minors = dict.fromkeys(minor(one.version) for one in reversed(releases()))
    newer = [one for one in minors if parts(one) > here]
    older = [one for one in reversed(minors) if parts(one) < here]
    yield one.base_version
    yield from (f"{one}.*" for one in (minor(one.base_version), *newer, *older))


def _like(best: Choice, machine: Machine, wanted: str) -> Choice | None:
    """Return the choice within one release where it serves what the best choice serves."""
    if not allowed(f"=={wanted}"):
        return None
    range_ = ",".join(filter(None, (machine.torch, f"=={wanted}")))
    found = choose(replace(machine, torch=range_))
    same = found.action == best.action or {found.action, best.action} <= {*_SERVES_ALL}
    return found if found.build and same else None
