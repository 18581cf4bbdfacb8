"""Choose the PyTorch build for this machine, for a described one, or for the machines of a file."""

import sys
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from tunedoctor.core.arguments import (
    ArchArgument,
    DriverArgument,
    GlibcArgument,
    GpusArgument,
    PlatformArgument,
    PythonArgument,
    TargetArgument,
    public,
)
from tunedoctor.core.environment import choose_target, take_snapshot
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.facts import Interpreter, NvidiaDriver, Target, Unknown
from tunedoctor.model.machine import MachineError
from tunedoctor.model.snapshot import SCHEMA, Snapshot, SnapshotError, from_json
from tunedoctor.probes.system import knowledge
from tunedoctor.wheels.choose import WheelChoice, choose_with_commands
from tunedoctor.wheels.described import DescribedValues, blank, machine_of, machines_from, over

OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_HELP = "doctor wheel --help lists the options"


@public
def wheel(  # noqa: PLR0913  the options of the command
    target: TargetArgument = None,
    *,
    torch: Annotated[
        str | None, Meta(description="Allowed torch versions, for example >=2.6.")
    ] = None,
    gpus: GpusArgument = (),
    driver: DriverArgument = None,
    python: PythonArgument = None,
    platform: PlatformArgument = None,
    arch: ArchArgument = None,
    glibc: GlibcArgument = None,
) -> WheelChoice:
    """Choose the PyTorch build for this machine or a described one: which, why, and how to install it.

    Uses the table that comes with doctor, and no network. `platform` ("linux", "wsl", "windows", "macos") describes
    another machine; without it, the other parameters override facts of this one. `torch` is a range such as ">=2.6";
    `gpus` are "8.9", "gfx1100", names, or "none".
    """
    if platform and target is not None:
        misuse(
            "--platform describes another machine", "leave out --target, or leave out --platform"
        )
    asked = DescribedValues(
        platform=platform or "",
        arch=arch or "",
        glibc=glibc or "",
        python=python or "",
        driver=driver or "",
        gpus=tuple(gpus),
        torch=torch or "",
    )
    chosen = choose_wheel(asked, lambda: take_snapshot(choose_target(target)))
    return redacted(chosen, this_identity())


def choose_wheel(asked: DescribedValues, take: Callable[[], Snapshot]) -> WheelChoice:
    """Return the build for the machine that is described, else for this one; `take` returns its snapshot."""
    if not asked.platform:
        return _of_this_machine(asked, take())
    with refusing(MachineError, _HELP):
        machine, assumed = blank(asked, OWN_PYTHON)
    return choose_with_commands(machine, None, assumed, knowledge())


def choose_wheels_of(data: bytes, source: str) -> list[WheelChoice]:
    """Return the builds for the machines of a file: a snapshot, or machines as JSON. `source` names it in errors."""
    age = knowledge()
    with refusing(
        UnicodeDecodeError, "it must contain a machine in JSON", f"{source} is not UTF-8 text: "
    ):
        text = data.decode("utf-8-sig")
    useless, writer = "the snapshot cannot be used: ", "doctor snapshot -o FILE writes one"
    if SCHEMA in text[:4000]:
        with refusing((SnapshotError, MachineError), writer, useless):
            snapshot, assumed = _with_a_python(from_json(text))
            return [choose_with_commands(machine_of(snapshot), snapshot, assumed, age)]
    with refusing(MachineError, "doctor explain wheel shows the form", f"{source}: "):
        return [choose_with_commands(machine, knowledge=age) for machine in machines_from(text)]


def _of_this_machine(asked: DescribedValues, snapshot: Snapshot) -> WheelChoice:
    known = not isinstance(snapshot.get(NvidiaDriver), Unknown)
    snapshot, assumed = _with_a_python(snapshot)
    assumed = () if asked.python else assumed
    with refusing(MachineError, f"--platform and the other options describe a machine; {_HELP}"):
        machine = over(machine_of(snapshot), asked, driver_known=known)
    return choose_with_commands(machine, snapshot, assumed, knowledge())


def _with_a_python(snapshot: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
    """Suppose doctor's own Python if no environment was named, and say so: wheels differ by it."""
    target = snapshot.find(Target)
    if target is None or target.chosen_by != "none":
        return snapshot, ()
    own = Interpreter(executable="", version=OWN_PYTHON)
    return snapshot.having(own), (f"Python {OWN_PYTHON}",)
