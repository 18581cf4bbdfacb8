"""The answer of doctor set: a plan shown as what stays, what changes and why, and as commands; or why there is none."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Literal, cast

import msgspec

from tunedoctor.facts import Target
from tunedoctor.installers.uv import Pin
from tunedoctor.plan import AnyStep, Install, Remove
from tunedoctor.planning.make import Made, Place, question_for
from tunedoctor.planning.planner import Planned, shown
from tunedoctor.planning.steps import pinned
from tunedoctor.planning.truths import named
from tunedoctor.planning.wanted import GROUP, RefusedError
from tunedoctor.wheels.commands import backend_of

Verdict = Literal["set", "none", "unknown"]


class Change(msgspec.Struct, frozen=True):
    """One package of the set."""

    name: str
    version: str
    was: str = ""
    """Installed version; "" where it is not there."""
    change: Literal["kept", "changed", "added", "removed"] = "kept"
    """removed: a cure takes it out, and its version is ""."""
    why: str = ""
    """Why it is changed or added."""
    named: bool = True
    """The commands and the project name it; others come along with these."""


class SetTorch(msgspec.Struct, frozen=True):
    """The PyTorch build of the set."""

    version: str
    variant: str
    index: str = ""
    """URL of the wheel index; "" for the default index."""
    kept: bool = False


class Commands(msgspec.Struct, frozen=True):
    """Commands that make the set, in their order; () where nothing is to install."""

    pip: tuple[str, ...] = ()
    uv: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer: JSON of `doctor set --format json`."""

    schema: Literal["doctor.set/1"] = "doctor.set/1"
    verdict: Verdict
    target: str = ""
    """The environment that was looked at; "" for a described machine."""
    python: str = ""
    platform: str = ""
    torch: SetTorch | None = None
    packages: tuple[Change, ...] = ()
    about: tuple[str, ...] = ()
    """What the set must hold; the others come with these."""
    smallest: bool = True
    """Nothing that it changes could stay as it is."""
    dropped: dict[str, str] = {}
    """Left out of a fresh set, with the reason."""
    left: tuple[str, ...] = ()
    """Known breaks that no version of the packages leaves."""
    why: str = ""
    """The clash, or what could not be told; in one sentence."""
    details: str = ""
    """The resolver's own words."""
    way_out: str = ""
    commands: Commands = Commands()
    files: tuple[str, ...] = ()
    """What was written."""

    @property
    def changed(self) -> tuple[Change, ...]:
        """Packages that the commands install."""
        return tuple(one for one in self.packages if one.change != "kept")


def answered(place: Place, asked: Mapping[str, str]) -> tuple[Answer, Made | None]:
    """Return the answer to what is asked for, and the set, if there is one."""
    question, target = question_for(place.machine), place.snapshot.find(Target)
    told = Answer(
        verdict="set",
        target=target.asked if target else "",
        python=question.python,
        platform=question.platform,
    )
    left: tuple[str, ...] = ()
    try:
        one = shown(place, asked)
    except RefusedError as error:
        if error.tried is None:
            return msgspec.structs.replace(
                told,
                verdict="unknown" if error.silent else "none",
                why=error.why,
                details=error.details,
                way_out=next(iter(error.by_hand), ""),
            ), None
        one, left = error.tried, (error.why,)
    made = cast("Made", one.made)  # all of a set is left to the resolver
    torch, packages = made.torch, _packages(one, made)
    along = {change.name for change in packages if not change.named}
    return msgspec.structs.replace(
        told,
        torch=SetTorch(torch.version, torch.variant, torch.index_url, torch.kept),
        packages=packages,
        about=made.want.roots,
        dropped=made.dropped,
        left=(*made.found.left, *left),
        commands=_commands(one, made, place.python, along & {*made.pins}),
    ), made


def _packages(one: Planned, made: Made) -> tuple[Change, ...]:
    """Return the set, and what cures take out and put in beside it."""
    want, there, moved = made.want, made.want.installed, made.moved
    spoken = {*want.roots, *made.found.why, *named()} if want.fresh else {*moved}
    packages = {
        name: Change(
            name,
            pin.version,
            there.get(name, ""),
            "kept" if name not in moved else "changed" if name in there else "added",
            _why(pin, made) if name in moved else "",
            name in spoken,
        )
        for name, pin in made.pins.items()
    }
    for name in one.plan.removed:
        packages[name] = Change(name, "", there.get(name, ""), "removed", named=False)
    for pin in (pin for pin in one.plan.pins if pin.name not in moved):
        kind: Literal["changed", "added"] = "changed" if pin.name in there else "added"
        packages[pin.name] = Change(pin.name, pin.version, pin.was, kind, named=False)
    return tuple(packages.values())


def _why(pin: Pin, made: Made) -> str:
    if pin.name in made.why:
        return made.why[pin.name]
    owners = [one for one in pin.via if one in made.moved] or list(pin.via)
    return f"goes with {' and '.join(owners[:2])}" if owners else ""


def _commands(one: Planned, made: Made, python: str, along: Collection[str]) -> Commands:
    """Return the commands for pip and for uv; `python` is the target's interpreter, "" for the active one.

    Packages that come `along` with others are not named.
    """
    own = shlex.quote(python or "python")
    there = f" --python {own}" if python else ""
    lines = [pair for step in one.plan.changes for pair in _lines(step, made, along)]
    return Commands(
        tuple(f"{own} -m pip {verb} {words}" for verb, words, _ in lines),
        tuple(f"uv pip {verb.removesuffix(' -y')}{there} {words}" for verb, _, words in lines),
    )


def _lines(step: AnyStep, made: Made, along: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield verb and words of a step, for pip and for uv; nothing where packages are not what it changes."""
    if isinstance(step, Remove):
        yield _out(step.names)
    if not isinstance(step, Install):
        return
    torch, moved = made.torch, made.moved
    pins = [pin for pin in step.pins if pin.name not in along]
    by_pip = f" --index-url {step.index}" if step.index else ""
    if alone := " ".join(pin.requirement for pin in pins if pin.name not in moved):
        by_uv = by_pip.replace("index-url", "default-index")
        put = f"--no-deps {alone}"
        yield "install", f"--force-reinstall {put}{by_pip}", f"--reinstall {put}{by_uv}"
    words = [pin.requirement for pin in pins if pin.name in moved]
    if not words:
        return
    # a pin without label is met by the build that is to go
    if stale := [n for n in step.reinstall if n in moved and not made.labels.get(n)]:
        yield _out(stale)
    if not any(word.startswith("torch==") for word in words):
        # an installer that is not told puts another one in its place
        group = any(pin.name in GROUP for pin in pins)
        own = pinned("torch", torch.version, made.labels if group else {})
        words.insert(0 if group else len(words), f"torch=={own}")
    # UV_DEFAULT_INDEX beats --index-url, and nothing beats a backend
    backed = step.index and backend_of(step.index, torch.variant)
    by_uv = f" --torch-backend={torch.variant}" if backed else by_pip.replace("-url", "")
    put = " ".join(words)
    yield "install", f"{put}{by_pip}", f"{put}{by_uv}"


def _out(names: Collection[str]) -> tuple[str, str, str]:
    """Return what takes packages out."""
    words = " ".join(names)
    return "uninstall -y", words, words
