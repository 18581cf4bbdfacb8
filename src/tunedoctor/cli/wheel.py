"""doctor wheel."""

import os
import sys
from argparse import Namespace

from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import write
from tunedoctor.cli.read import read_input
from tunedoctor.cli.target import aim
from tunedoctor.facts import Interpreter, Target
from tunedoctor.probes.system import knowledge
from tunedoctor.redaction import public, this_identity
from tunedoctor.snapshot import Snapshot
from tunedoctor.wheels.answer import Answer, answer
from tunedoctor.wheels.described import Asked, blank, machines_from, over
from tunedoctor.wheels.machine import MachineError

_HELP = "doctor wheel --help lists the options"


def command(given: Namespace) -> int:
    """Say which torch is right for what the options name; returns the exit code."""
    asked = Asked(
        given.platform, given.arch, given.glibc, given.musl, given.macos, given.python, given.driver,
        tuple(given.gpu), tuple(given.without), given.torch,
    )  # fmt: skip
    return wheel(asked, given.target, given.source, given.format, own=given.own)


def wheel(asked: Asked, target: str | None, source: str | None, format_: str, *, own: bool) -> int:
    """Say which torch is right for this machine or for a described one; returns the exit code."""
    if source is not None:
        if own or target is not None or any(asked):
            misuse("--from describes the machine whole", "leave out the other options")
        answers = _of_file(source)
    elif asked.platform:
        if own or target is not None:
            misuse(
                "--platform describes another machine",
                "leave out --target, or leave out --platform",
            )
        answers = [_of_options(asked)]
    else:
        answers = [_of_this_machine(asked, aim(target, own=own))]
    _print(answers, format_)
    return 0


def _of_file(source: str) -> list[Answer]:
    data = read_input(source)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        misuse(f"{source} is no UTF-8 text", "a machine in JSON belongs there")
    snapshot = _snapshot_answer(text)
    if snapshot is not None:
        return [snapshot]
    age = knowledge()
    try:
        return [answer(machine, knowledge=age) for machine in machines_from(text)]
    except MachineError as error:
        misuse(f"{source}: {error}", "docs/wheel.md shows the form")


def _snapshot_answer(text: str) -> Answer | None:
    """Answer for a snapshot that doctor snapshot wrote; None where the text is none."""
    from tunedoctor.snapshot import SCHEMA, SnapshotError, from_json  # noqa: PLC0415
    from tunedoctor.wheels.machine import machine_of  # noqa: PLC0415

    if SCHEMA not in text[:4000]:
        return None
    try:
        snapshot, assumed = _with_a_python(from_json(text))
        return answer(machine_of(snapshot), snapshot, assumed, knowledge())
    except (SnapshotError, MachineError) as error:
        misuse(f"the snapshot is of no use: {error}", "doctor snapshot -o FILE writes one")


def _of_options(asked: Asked) -> Answer:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        machine, assumed = blank(asked, own)
    except MachineError as error:
        misuse(str(error), _HELP)
    return answer(machine, None, assumed, knowledge())


def _of_this_machine(asked: Asked, place: Target) -> Answer:
    from tunedoctor.cli.progress import spinner  # noqa: PLC0415
    from tunedoctor.live import take  # noqa: PLC0415
    from tunedoctor.wheels.machine import driver_unknown, machine_of  # noqa: PLC0415

    with spinner() as one:
        snapshot = take(place, watch=one.watch)
    known = not driver_unknown(snapshot)
    snapshot, assumed = _with_a_python(snapshot)
    assumed = () if asked.python else assumed
    try:
        machine = over(machine_of(snapshot), asked, driver_known=known)
    except MachineError as error:
        misuse(str(error), "--platform and the other options describe a machine; " + _HELP)
    return answer(machine, snapshot, assumed, knowledge())


def _with_a_python(snapshot: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
    """Suppose the doctor's own Python where no environment was named, and say so: wheels differ by it."""
    target = snapshot.find(Target)
    if target is None or target.chosen_by != "none":
        return snapshot, ()
    python = ".".join(map(str, sys.version_info[:2]))
    return snapshot.having(Interpreter(executable="", version=python)), (f"Python {python}",)


def _print(answers: list[Answer], format_: str) -> None:
    who = this_identity()
    shown = [public(one, who) for one in answers]
    if format_ == "json":
        from tunedoctor.render.json import line, render  # noqa: PLC0415

        write(render(shown[0]) if len(shown) == 1 else "".join(map(line, shown)))
        return
    from tunedoctor.render import choice, style  # noqa: PLC0415

    look = style.style_for(sys.stdout, os.environ)
    write("\n".join(choice.render(one, look) for one in shown))
