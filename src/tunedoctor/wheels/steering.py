"""Which settings of pip and uv steer the pick, and whether the printed commands withstand them."""

import msgspec

from tunedoctor.facts import InstallerConfig
from tunedoctor.wheels.choice import Choice


class Steer(msgspec.Struct, frozen=True):
    """One setting that steers which files an install takes."""

    setting: str
    """pip.extra-index-url, uv.torch-backend …"""
    value: str
    place: str
    """The file or the variable that states it."""
    does: str
    """What it does to the pick: one sentence."""
    withstood: bool
    """The printed command gives the chosen build in spite of it."""
    cure: str = ""
    """What to add to the command, or to undo, where it isn't withstood; one sentence."""


def steering(config: InstallerConfig, choice: Choice) -> tuple[Steer, ...]:
    """Return the settings that steer the pick, those that the commands don't withstand first."""
    if choice.build is None:
        return ()
    return tuple(
        Steer(name, value, config.places.get(name, ""), "", withstood=True)
        for name, value in config.settings.items()
    )
