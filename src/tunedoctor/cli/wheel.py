"""doctor wheel."""

import sys
from collections.abc import Callable

from tunedoctor.cli.command_options import WheelOptions
from tunedoctor.cli.options import aim, look, misuse, refusing, values_of
from tunedoctor.cli.output import read_input, show
from tunedoctor.facts import Interpreter, NvidiaDriver, Target, Unknown
from tunedoctor.model.machine import MachineError
from tunedoctor.model.snapshot import SCHEMA, Snapshot, SnapshotError, from_json
from tunedoctor.probes.system import knowledge
from tunedoctor.render import choice
from tunedoctor.wheels.choose import Answer, answer, matrix
from tunedoctor.wheels.described import Asked, blank, machine_of, machines_from, over

OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_HELP = "doctor wheel --help lists the options"


def run_wheel(given: WheelOptions) -> int:
    """Say which torch is right for this machine or for a described one; returns the exit code."""
    check_combinations(given)
    asked = values_of(Asked, given)
    if given.source is not None:
        answers = _of_file(given.source)
    else:
        answers = [answered(asked, lambda: look(aim(given.target, own=given.own)))]
    if given.matrix:
        show(given.format, choice.render_matrix, *map(matrix, answers))
    else:
        show(given.format, choice.render, *answers)
    return 0


def answered(asked: Asked, look_here: Callable[[], Snapshot]) -> Answer:
    """Return the choice for a machine that the options describe, else for the one that is looked at; exits with 2."""
    if not asked.platform:
        return _of_this_machine(asked, look_here())
    with refusing(MachineError, _HELP):
        machine, assumed = blank(asked, OWN_PYTHON)
    return answer(machine, None, assumed, knowledge())


def _of_file(source: str) -> list[Answer]:
    data, age = read_input(source), knowledge()
    with refusing(
        UnicodeDecodeError, "a machine in JSON belongs there", f"{source} is no UTF-8 text: "
    ):
        text = data.decode("utf-8-sig")
    useless, writer = "the snapshot is of no use: ", "doctor snapshot -o FILE writes one"
    if SCHEMA in text[:4000]:
        with refusing((SnapshotError, MachineError), writer, useless):
            snapshot, assumed = _with_a_python(from_json(text))
            return [answer(machine_of(snapshot), snapshot, assumed, age)]
    with refusing(MachineError, "doctor explain wheel shows the form", f"{source}: "):
        return [answer(machine, knowledge=age) for machine in machines_from(text)]


def _of_this_machine(asked: Asked, snapshot: Snapshot) -> Answer:
    known = not isinstance(snapshot.get(NvidiaDriver), Unknown)
    snapshot, assumed = _with_a_python(snapshot)
    assumed = () if asked.python else assumed
    with refusing(MachineError, f"--platform and the other options describe a machine; {_HELP}"):
        machine = over(machine_of(snapshot), asked, driver_known=known)
    return answer(machine, snapshot, assumed, knowledge())


def _with_a_python(snapshot: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
    """Suppose the doctor's own Python where no environment was named, and say so: wheels differ by it."""
    target = snapshot.find(Target)
    if target is None or target.chosen_by != "none":
        return snapshot, ()
    own = Interpreter(executable="", version=OWN_PYTHON)
    return snapshot.having(own), (f"Python {OWN_PYTHON}",)


def check_combinations(options: WheelOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.source and (
        options.target
        or options.own
        or options.platform
        or options.arch
        or options.glibc
        or options.musl
        or options.macos
        or options.python
        or options.driver
        or options.gpus
        or options.without
        or options.torch
    ):
        misuse("--from describes the machine whole", "leave out the other options")
    if options.platform and (options.target or options.own):
        misuse(
            "--platform describes another machine", "leave out --target, or leave out --platform"
        )
