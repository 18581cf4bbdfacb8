"""doctor set."""

import os
import sys
from argparse import Namespace
from typing import NamedTuple

import msgspec

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import write
from tunedoctor.cli.sources import Consent, asking
from tunedoctor.cli.target import aim, needed, starting
from tunedoctor.facts import Interpreter, Packages, Target, TorchBuild, Unknown
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.uv import Failed
from tunedoctor.planning.ask import Ask, live
from tunedoctor.planning.files import MARK, frozen, project
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.set_answer import Answer, answered
from tunedoctor.planning.wanted import WantedError, asked_for
from tunedoctor.redaction import public, this_identity
from tunedoctor.snapshot import Snapshot
from tunedoctor.targeting import NO_TARGET
from tunedoctor.wheels.asked import Asked, blank, over
from tunedoctor.wheels.machine import MachineError

_HELP = "doctor set --help lists the options"
_EXIT = {"set": 0, "none": 1, "unknown": 2}


class Files(NamedTuple):
    """What is to be written, "" for nothing; "-" is stdout, for the project alone."""

    freeze: str = ""
    pyproject: str = ""
    force: bool = False


def command(given: Namespace) -> int:
    """Find one set of libraries for what the options name; returns the exit code."""
    where = given.platform, given.arch, given.glibc
    asked = Asked(*where, python=given.python, driver=given.driver, gpus=tuple(given.gpu))
    return set_(
        given.packages,
        asked,
        given.target,
        Files(given.freeze, given.pyproject, given.force),
        given.format,
        own=given.own,
        offline=given.offline,
        verbose=given.verbose,
        project_sources=given.allow_project_sources,
    )


def set_(  # noqa: PLR0913  each is an option
    packages: list[str],
    asked: Asked,
    target: str | None,
    files: Files,
    format_: str,
    *,
    own: bool,
    offline: bool,
    verbose: bool = False,
    project_sources: bool = False,
) -> int:
    """Find one set of libraries, print and write it; returns the exit code."""
    if files.pyproject == "-" and format_ == "json":
        misuse("--pyproject - and --format json both write to stdout", "name a file for one")
    _check_places(files)
    try:
        names = asked_for(packages)
    except WantedError as error:
        misuse(str(error), _HELP)
    if asked.platform and (own or target is not None):
        misuse(
            "--platform describes another machine", "leave out --target, or leave out --platform"
        )
    place = NO_TARGET if asked.platform else starting(needed(aim(target, own=own)))
    from tunedoctor.cli.progress import spinner  # noqa: PLC0415
    from tunedoctor.live import take  # noqa: PLC0415

    somebody = format_ == "terminal" and sys.stdin.isatty() and sys.stdout.isatty()
    consent = Consent(project_sources, somebody)
    with spinner() as one:
        snapshot = None if asked.platform else take(place, read=True)
    interpreter = snapshot.find(Interpreter) if snapshot else None
    prefix = interpreter.prefix if interpreter else ""
    known = asking(consent, prefix, snapshot.find(Packages) if snapshot else None)
    if offline:
        known.declared = msgspec.structs.replace(known.declared, offline="--offline")
    ask = live(known)
    there = _this(asked, place, snapshot, ask) if snapshot else _described(asked, ask)
    with spinner() as one:
        one.watch(["the package sources"])
        answer, made = answered(there, names)
        if made is not None:
            answer = _written(answer, made, files, known)
    _print(answer, made, files, format_, verbose=verbose)
    return _EXIT[answer.verdict]


def _described(asked: Asked, ask: Ask) -> Place:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        return Place(blank(asked, own).machine, ask, whole=True)
    except MachineError as error:
        misuse(str(error), _HELP)


def _this(asked: Asked, place: Target, snapshot: Snapshot, ask: Ask) -> Place:
    from tunedoctor.wheels.of_snapshot import driver_unknown, machine_of  # noqa: PLC0415

    known = not driver_unknown(snapshot)
    try:
        machine = over(machine_of(snapshot), asked, driver_known=known).machine
    except MachineError as error:
        misuse(str(error), "--target names an environment; " + _HELP)
    if not known and not asked.driver:
        misuse(
            "nobody could say which NVIDIA driver there is",
            "name it with --driver 580.65.06, or --driver none",
        )
    interpreter, packages = snapshot.find(Interpreter), snapshot.get(Packages)
    if (
        asked.python
        and interpreter
        and not interpreter.version.startswith(asked.python.rstrip("t"))
    ):
        return Place(machine, ask, whole=True)
    if isinstance(packages, Unknown):
        misuse(
            f"what is installed could not be read: {packages.why}",
            "--target names an environment; --platform describes a machine without one",
        )
    python = interpreter.executable if interpreter else ""
    build = snapshot.find(TorchBuild)
    told = Place(machine, ask, snapshot, build, place.asked, python, whole=True)
    if asked != Asked():
        return told  # of another machine than this one the findings tell nothing
    options = Options.of()
    return told._replace(checks=options.checks(), fixes=options.fixes())


def _check_places(files: Files) -> None:
    """Refuse before any work what could not be written after it."""
    from tunedoctor.cli.files import refusal  # noqa: PLC0415

    if files.freeze == "-":
        misuse("--freeze writes a file", "name one: --freeze requirements.txt")
    for place in (files.freeze, files.pyproject):
        if place and place != "-" and (why := refusal(place, MARK, force=files.force)):
            misuse(f"{place} {why}", "name another file, or say --force")


def _written(answer: Answer, made: Made, files: Files, known: Asking) -> Answer:
    from tunedoctor.cli.files import write_whole  # noqa: PLC0415

    texts: dict[str, str] = {}
    if files.freeze:
        text = frozen(answer, made, os.path.basename(files.freeze), known.resolve)  # noqa: PTH119
        if isinstance(text, Failed):
            return msgspec.structs.replace(
                answer, verdict="unknown", why=f"{files.freeze} was not written: {text.text}"
            )
        texts[files.freeze] = text
    if files.pyproject and files.pyproject != "-":
        texts[files.pyproject] = project(answer, made)
    for place, text in texts.items():
        try:
            write_whole(place, text)
        except OSError as error:
            misuse(
                f"{place} can't be written: {error.strerror or error}",
                "name a file in a folder of yours",
            )
    return msgspec.structs.replace(answer, files=tuple(texts))


def _print(answer: Answer, made: Made | None, files: Files, format_: str, *, verbose: bool) -> None:
    from tunedoctor.render import set as screen  # noqa: PLC0415
    from tunedoctor.render import style  # noqa: PLC0415
    from tunedoctor.render.json import render as as_json  # noqa: PLC0415

    told = public(answer, this_identity())
    if files.pyproject == "-" and made is not None:
        write(project(answer, made))
    elif format_ == "json":
        write(as_json(told))
    else:
        look = style.style_for(sys.stdout, os.environ)
        write(screen.render(told, look, verbose=verbose))
