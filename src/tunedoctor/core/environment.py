"""The environment that a function works on: which one it is, whether it may be started or changed, its snapshot."""

import math
import os
import shlex
import sys

from tunedoctor.core.criteria import NO_SETTINGS
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.facts import Target
from tunedoctor.facts.target import FOUND, MOST_NAMED, ONLY, OWN, makes
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.targeting import SYSTEM, choose_current_target, doubt, system_python
from tunedoctor.system.programs import PASSED_OVER
from tunedoctor.tables.config import Settings

_SETTING = "[tool.doctor] target"
_MOST_PASSED_OVER = 3


def choose_target(
    target: str | os.PathLike[str] | None,
    *,
    own: bool = False,
    system: bool = False,
    settings: Settings = NO_SETTINGS,
    settings_found: bool = True,
) -> Target:
    """Return the target that is named, else that of the settings, the active environment, or the one that is found.

    `own`: doctor's own environment. `system`: the Python outside of virtual environments. `settings_found`: the file
    of the settings was found and not named, so that a path in it is relative to its folder. If none is sure, the
    target's `chosen_by` is "none".
    """
    if own and target is not None:
        misuse("--self names doctor's own environment", "leave out --self or --target")
    if system and (own or target is not None):
        misuse("--system names the system's Python", "leave out --target, --self or --system")
    if system:
        return system_python(os.environ)
    if own:
        return choose_current_target(sys.executable, "--self")
    if target is None and settings.config.target:
        below = os.path.dirname(settings.file) if settings_found else ""  # noqa: PTH120
        return choose_current_target(settings.config.target, _SETTING, below)
    return choose_current_target(None if target is None else os.fspath(target))


def target_argument(place: Target, target: str | None) -> str | None:
    """Return the value of --target for another command; None if that command finds the target without it."""
    return target or (
        place.asked if place.chosen_by in ("--self", SYSTEM, _SETTING, *FOUND) else None
    )


def target_option(place: Target, target: str | None) -> str:
    """Return the --target option for another command; "" if that command finds the target without it."""
    path = target_argument(place, target)
    return f" --target {shlex.quote(path)}" if path else ""


def require_target(place: Target) -> Target:
    """Return the chosen environment. Raises DoctorError if none was found."""
    if place.chosen_by == "none":
        environments = [
            f"{shlex.quote(environment.path)} ({environment.holds})"
            for environment in place.nearby[:MOST_NAMED]
        ]
        environments += ["doctor envs lists more"] if len(place.nearby) > MOST_NAMED else []
        if environments:
            misuse(
                f"there are several environments: {', '.join(environments)}",
                "--target PATH names one",
            )
        if place.own:
            misuse(
                f"the only environment here is doctor's own ({place.own})",
                f"{makes(place.own)} creates another; --target PATH names one; --self uses doctor's own",
            )
        misuse(
            "no Python environment was found here",
            f"{makes(place.own)} creates one; --target PATH names one (doctor envs lists yours)",
        )
    return place


def require_changeable(place: Target, *, asks: bool, words: str) -> Target:
    """Return an environment that may be changed: one that was only found needs a question, or has to be named.

    Raises DoctorError if it may not be changed; `words` is the command that changes it.
    """
    if require_target(place).chosen_by in (ONLY, OWN) and not asks:
        misuse(
            f"{place.asked} is {place.chosen_by}, and --yes only changes an environment that you name",
            f"name it: {words} --target {shlex.quote(place.asked)}",
        )
    return place


def require_working(place: Target) -> Target:
    """Return the named environment if it has an interpreter. Raises DoctorError otherwise."""
    if require_target(place).problem:
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    return place


def announce_start(
    place: Target, interaction: Interaction, *, quiet: bool = False, does: str = "starts"
) -> Target:
    """Say which interpreter is about to be started, or its environment changed, and why it was chosen.

    Asks first if it can have come with the folder. Raises DoctorError if the user does not agree.
    """
    if why := doubt(place):
        what = f"{place.python}, chosen by {place.chosen_by}, {why}"
        way_out = f"--target {shlex.quote(place.python)} starts it"
        if not interaction.can_ask:
            misuse(what, way_out)
        if not interaction.confirm(f"doctor: {what}. Start it?"):
            misuse("it was not started", way_out)
    if place.python and not quiet:
        by = f"{'which is' if place.chosen_by in FOUND else 'chosen by'} {place.chosen_by}"
        interaction.say(f"{does} {place.python}, {by}")
    return place


def take_snapshot(
    place: Target, interaction: Interaction = SILENT, seconds: float = math.inf, **how: bool
) -> Snapshot:
    """Return a snapshot of this machine and a target; `how` is what `probes.live.take` may do."""
    from tunedoctor.probes.live import take  # noqa: PLC0415  with it come all probes

    PASSED_OVER.clear()
    with interaction.progress("asking") as progress:
        snapshot = take(place, watch=progress.watch, seconds=seconds, **how)
    for path, why in list(PASSED_OVER.items())[:_MOST_PASSED_OVER]:
        interaction.say(f"{path} was not run: {why}")
    return snapshot
