"""What `doctor wheel` answers: plain data that the screen and scripts read. Published as a JSON Schema."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import InstallerConfig, Interpreter, Knowledge, TorchBuild
from tunedoctor.snapshot import Snapshot
from tunedoctor.tables.wheels import cuda_of
from tunedoctor.wheels.choice import Action
from tunedoctor.wheels.choose import choose, near
from tunedoctor.wheels.commands import Commands, Steer, commands_of, steering
from tunedoctor.wheels.machine import Machine, label_of
from tunedoctor.wheels.rules import driver_floor

_SAME = ("action", "index", "torchvision", "torchaudio", "says", "reasons", "hidden", "environment")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A choice for one machine, with the commands that carry it out."""

    schema: Literal["doctor.wheel/1"] = "doctor.wheel/1"
    action: Action
    torch_version: str | None
    """None where the action is not an install."""
    variant: str | None
    index: str
    """URL of the wheel index; "PyPI" where the default index has the build."""
    torchvision: str
    torchaudio: str
    alternatives: tuple[str, ...]
    """Best first: "2.14.1+cu126", or "2.15.0+cu132 with driver 580 or newer"."""
    says: tuple[str, ...]
    """Codes of what the user must hear."""
    reason: str
    """The deciding sentence."""
    reasons: tuple[str, ...]
    """All sentences, the deciding one first."""
    hidden: tuple[str, ...] = ()
    """GPUs that the build does not serve."""
    environment: dict[str, str] = {}
    """Variables to set for the build to run."""
    driver_floor: str = ""
    """Oldest NVIDIA driver for the build."""
    assumed: tuple[str, ...] = ()
    """What nobody told of the machine, and was taken for granted."""
    installed: str = ""
    """The torch that is in the target now."""
    installed_fits: bool | None = None
    """Whether that one can stay; None where there is none, or where it does not tell its variant."""
    nearest: str = ""
    """The build nearest to the installed one that fits this machine, where that one doesn't: `doctor fix` takes it."""
    machine: Machine
    knowledge: Knowledge | None = None
    """How old the wheel table is that chose."""
    commands: Commands | None = None
    steering: tuple[Steer, ...] = ()


def answer(
    machine: Machine,
    snapshot: Snapshot | None = None,
    assumed: tuple[str, ...] = (),
    knowledge: Knowledge | None = None,
) -> Answer:
    """Choose for a machine; `snapshot` shows what is installed and configured here, None where nothing here counts."""
    choice = choose(machine)
    interpreter = snapshot.find(Interpreter) if snapshot else None
    torch = snapshot.find(TorchBuild) if snapshot else None
    config = snapshot.find(InstallerConfig) if snapshot else None
    installed = label_of(torch) if torch else ""
    python = interpreter.executable if interpreter else ""
    build = choice.build
    floor = driver_floor(cuda_of(build.variant), windows=machine.windows) if build else ""
    if machine.driver_supposed and floor:
        assumed = (*assumed, f"driver {floor} or newer")
    told = "+" in installed or (installed and machine.platform == "macos")
    there = near(machine, installed) if told else None
    return Answer(
        **{name: getattr(choice, name) for name in _SAME},
        torch_version=build.torch_version if build else None,
        variant=build.variant if build else None,
        alternatives=tuple(f"{one.build} {one.after}".strip() for one in choice.alternatives),
        reason=choice.reasons[0] if choice.reasons else "",
        driver_floor=floor,
        assumed=assumed,
        installed=installed,
        installed_fits=there.kept and build is not None if there else None,
        nearest=str(there.choice.build or "") if there and not there.kept else "",
        machine=replace(machine, driver_version="") if machine.driver_supposed else machine,
        knowledge=knowledge,
        commands=commands_of(choice, machine, installed=installed, python=python, config=config),
        steering=steering(config, choice, machine, python=python) if config else (),
    )
