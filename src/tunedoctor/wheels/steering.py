"""Which settings of pip and uv steer the pick, and whether the printed commands withstand them."""

import msgspec

from tunedoctor.facts import InstallerConfig
from tunedoctor.wheels.choice import Choice
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pins import pins_of
from tunedoctor.wheels.shield import withstood
from tunedoctor.wheels.sways import Sway, sways


class Steer(msgspec.Struct, frozen=True):
    """One setting that steers which files an install takes."""

    setting: str
    """pip.extra-index-url, uv.torch-backend …"""
    value: str
    place: str
    """The file or the variable that states it."""
    does: str
    """What it does to the pick: one sentence, without a full stop."""
    withstood: bool
    """The command that `commands_of` prints for this configuration gives the chosen build in spite of it."""
    cure: str = ""
    """How the command keeps it away, or what to undo where it can't; "" where the setting does no harm."""


def steering(
    config: InstallerConfig, choice: Choice, machine: Machine, *, python: str = ""
) -> tuple[Steer, ...]:
    """Return the settings that steer the pick: those not withstood first, then those kept away, then harmless ones.

    `python` is the path that the commands name; () where the choice has no build.
    """
    if choice.build is None:
        return ()
    windows = machine.platform == "windows"
    found = sways(config, pins_of(choice, choice.build, machine), python=python)
    steers = [
        Steer(
            one.setting,
            one.value,
            one.place,
            one.does,
            withstood=withstood(one, windows=windows),
            cure=_cure(one, windows=windows),
        )
        for one in found
    ]
    return tuple(sorted(steers, key=lambda one: (one.withstood, not one.cure)))


def _cure(one: Sway, *, windows: bool) -> str:
    if not one.harms:
        return ""
    name = one.setting.partition(".")[2]
    if not withstood(one, windows=windows):
        if one.variable:
            return f"remove the variable {one.place} before the command"
        return f"take {name} out of {one.place}" if name != "unreadable" else f"mend {one.place}"
    if one.tool == "uv":
        return f"the command goes without {one.place if one.variable else 'configuration files'}"
    if not windows:
        return f"the command goes without {one.place if one.variable else 'configuration files of pip'}"
    return "the command is --isolated: without pip's variables and your pip.ini, certificates and proxies among them"
