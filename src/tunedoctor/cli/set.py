"""doctor set."""

import os
import sys
from functools import partial

import msgspec

from tunedoctor.cli.command_options import SetOptions
from tunedoctor.cli.options import TERMINAL, aim, criteria_of, look
from tunedoctor.cli.output import show, write
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.sources import asking
from tunedoctor.core.arguments import values_of
from tunedoctor.core.environment import announce_start, require_target, target_option
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import require_writable, write_file
from tunedoctor.facts import Interpreter, NvidiaDriver, Packages, Unknown
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.uv import Failed
from tunedoctor.model.machine import MachineError
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.set_answer import MARK, Answer, answered, frozen, project
from tunedoctor.planning.wanted import RefusedError, asked_for
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render.plan import render_set
from tunedoctor.wheels.described import Asked, blank, machine_of, over, with_glibc

_HELP = "doctor set --help lists the options"


def run_set(given: SetOptions) -> int:
    """Find one set of libraries for what the options name, print and write it; returns the exit code."""
    check_combinations(given)
    asked = values_of(Asked, given)
    _check(given)
    with refusing(RefusedError, _HELP):
        names = asked_for(given.packages)
    place = (
        NO_TARGET
        if asked.platform
        else announce_start(require_target(aim(given.target, own=given.own)), TERMINAL)
    )
    snapshot = None if asked.platform else look(place, read=True)
    somebody = given.format == "terminal" and sys.stdin.isatty() and sys.stdout.isatty()
    known = asking(snapshot, allowed=given.allow_project_sources, ask=somebody)
    if given.offline:
        known.declared = msgspec.structs.replace(known.declared, offline="--offline")
    there = _place(asked, snapshot, known)
    with spinner() as one:
        one.watch(["resolving with the package sources"])
        answer, made = answered(there, names)
        if made is not None:
            answer = _written(answer, made, given, known)
    if given.pyproject == "-" and made is not None:
        write(project(answer, made))
    else:
        again = target_option(place, given.target)
        show(given.format, partial(render_set, verbose=given.verbose, there=again), answer)
    return {"set": 0, "none": 1, "unknown": 2}[answer.verdict]


def _check(given: SetOptions) -> None:
    """Refuse before any work what could not be done or written after it."""
    if given.pyproject == "-" and given.format == "json":
        misuse("--pyproject - and --format json both write to stdout", "name a file for one")
    if given.freeze == "-":
        misuse("--freeze writes a file", "name one: --freeze requirements.txt")
    for place in (given.freeze, given.pyproject):
        require_writable(place, MARK, "name another, or --force", force=given.force)


def _place(asked: Asked, snapshot: Snapshot | None, known: Asking) -> Place:
    """Return where the set is for: of another machine than this one the findings tell nothing."""
    if snapshot is None:
        with refusing(MachineError, _HELP):
            own = f"{sys.version_info.major}.{sys.version_info.minor}"
            machine, assumed = blank(asked, own)
            machine, more = with_glibc(machine, *_own_glibc())
            return Place(machine, known, whole=True, assumed=(*assumed, *more))
    sure = not isinstance(snapshot.get(NvidiaDriver), Unknown)
    with refusing(MachineError, f"--target names an environment; {_HELP}"):
        machine = over(machine_of(snapshot), asked, driver_known=sure)
    if not sure and not asked.driver:
        misuse(
            "nobody could say which NVIDIA driver there is",
            "name it with --driver 580.65.06, or --driver none",
        )
    interpreter, packages = snapshot.find(Interpreter), snapshot.get(Packages)
    if interpreter and not interpreter.version.startswith(asked.python.rstrip("t")):
        return Place(machine, known, whole=True)
    if isinstance(packages, Unknown):
        misuse(
            f"what is installed could not be read: {packages.why}",
            "--target names an environment; --platform describes a machine without one",
        )
    criteria = criteria_of()
    judges = () if asked != Asked() else criteria.checks()
    return Place(machine, known, snapshot, judges, criteria.fixes() if judges else (), whole=True)


def _own_glibc() -> tuple[str, str]:
    """Return the glibc and the processor of this machine: ("2.39", "x86_64"); "" where it is no Linux with glibc."""
    if sys.platform != "linux":
        return "", ""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        version = ""
    return version.removeprefix("glibc "), os.uname().machine


def _written(answer: Answer, made: Made, given: SetOptions, known: Asking) -> Answer:
    texts: dict[str, str] = {}
    if given.freeze:
        text = frozen(answer, made, os.path.basename(given.freeze), known.resolve)  # noqa: PTH119
        if isinstance(text, Failed):
            why = f"{given.freeze} was not written: {text.text}"
            return msgspec.structs.replace(answer, verdict="unknown", why=why)
        texts[given.freeze] = text
    if given.pyproject and given.pyproject != "-":
        texts[given.pyproject] = project(answer, made)
    for place, text in texts.items():
        write_file(place, text)
    return msgspec.structs.replace(answer, files=tuple(texts))


def check_combinations(options: SetOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.platform and (options.target or options.own):
        misuse(
            "--platform describes another machine", "leave out --target, or leave out --platform"
        )
