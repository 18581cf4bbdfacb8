"""The answer of doctor set: a plan shown as what stays, what changes and why, and as commands; or why there is none."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, cast

import msgspec

from tunedoctor.installers.answers import Pin
from tunedoctor.plan import AnyStep, Install, Plan, Remove
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.planner import Planned, shown
from tunedoctor.planning.platforms import python_of, uv_platform
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.planning.steps import pinned
from tunedoctor.planning.truths import named
from tunedoctor.planning.wanted import GROUP
from tunedoctor.wheels.pins import backend_of

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
    """No set changes fewer packages; False where that was not searched to the end."""
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


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the answer."""
    found = msgspec.json.schema(Answer)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def answered(place: Place, asked: Mapping[str, str]) -> tuple[Answer, Made | None]:
    """Return the answer to what is asked for, and the set, if there is one."""
    try:
        one = shown(place, asked)
        return _answer(place, one), one.made
    except RefusedError as error:
        if error.tried is not None:
            told = _answer(place, error.tried)
            return msgspec.structs.replace(told, left=(*told.left, error.why)), error.tried.made
        told = Answer(
            verdict="unknown" if error.silent else "none",
            target=place.target,
            python=python_of(place.machine),
            platform=uv_platform(place.machine),
            why=error.why,
            details=error.details,
            way_out=next(iter(error.by_hand), ""),
        )
        return told, None


def _answer(place: Place, one: Planned) -> Answer:
    made = cast("Made", one.made)  # all of a set is left to the resolver
    want, torch = made.want, made.torch
    moved = made.moved
    spoken = {*want.roots, *made.found.why, *named()} if want.fresh else {*moved}
    packages = {
        name: Change(
            name,
            pin.version,
            want.installed.get(name, ""),
            "kept" if name not in moved else "changed" if name in want.installed else "added",
            _why(pin, made) if name in moved else "",
            name in spoken,
        )
        for name, pin in made.pins.items()
    }
    there = place.there
    for step in one.plan.changes:
        # what cures take out and put in beside the set
        if isinstance(step, Remove):
            for name in step.names:
                packages[name] = Change(name, "", there.get(name, ""), "removed", named=False)
        elif isinstance(step, Install):
            for pin in (p for p in step.pins if p.name not in moved):
                kind: Literal["changed", "added"] = "changed" if pin.name in there else "added"
                packages[pin.name] = Change(pin.name, pin.version, pin.was, kind, named=False)
    return Answer(
        verdict="set",
        target=place.target,
        python=python_of(place.machine),
        platform=uv_platform(place.machine),
        torch=SetTorch(torch.version, torch.variant, torch.index_url, torch.kept),
        packages=tuple(packages.values()),
        about=want.roots,
        smallest=made.found.smallest,
        dropped=made.dropped,
        left=made.found.left,
        commands=_commands(one.plan, made, place.python, {*made.pins} - spoken),
    )


def _why(pin: Pin, made: Made) -> str:
    if pin.name in made.why:
        return made.why[pin.name]
    owners = [one for one in pin.via if one in made.moved] or list(pin.via)
    return f"goes with {' and '.join(owners[:2])}" if owners else ""


def _commands(plan: Plan, made: Made, python: str, along: Collection[str]) -> Commands:
    """Return the commands for pip and for uv; `python` is the target's interpreter, "" for the active one.

    Packages that come `along` with others are not named.
    """
    lines = [pair for step in plan.changes for pair in _lines(step, made, along)]
    pip = f"{shlex.quote(python or 'python')} -m pip "
    there = f" --python {shlex.quote(python)} " if python else " "
    by_uv = (line.replace(" ", there, 1) for _, line in lines)
    return Commands(
        tuple(f"{pip}{line}" for line, _ in lines), tuple(f"uv pip {line}" for line in by_uv)
    )


def _lines(step: AnyStep, made: Made, along: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a step for pip and for uv; nothing where packages are not what it changes."""
    if isinstance(step, Remove):
        yield _out(step.names)
    if not isinstance(step, Install):
        return
    torch, pins = made.torch, [pin for pin in step.pins if pin.name not in along]
    moved = made.moved
    alone = " ".join(pin.requirement for pin in pins if pin.name not in moved)
    if alone:
        by_pip, by_uv = (
            f" --{option} {step.index}" if step.index else ""
            for option in ("index-url", "default-index")
        )
        yield (
            f"install --force-reinstall --no-deps {alone}{by_pip}",
            f"install --reinstall --no-deps {alone}{by_uv}",
        )
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
    if step.index and backend_of(step.index, torch.variant):
        # UV_DEFAULT_INDEX beats --index-url, and nothing beats a backend
        by_uv = f" --torch-backend={torch.variant}"
    else:
        by_uv = f" --index {step.index}" if step.index else ""
    put = f"install {' '.join(words)}"
    yield f"{put} --index-url {step.index}" if step.index else put, f"{put}{by_uv}"


def _out(names: Collection[str]) -> tuple[str, str]:
    """Return what takes packages out, for pip and for uv."""
    words = " ".join(names)
    return f"uninstall -y {words}", f"uninstall {words}"
