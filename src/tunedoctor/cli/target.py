"""Which environment a command is about, and what is said before its interpreter is started."""

import shlex
import sys

from tunedoctor.cli.options import misuse, settings
from tunedoctor.cli.progress import spinner
from tunedoctor.facts import Target
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.targeting import here

_SETTING = "[tool.doctor] target"


def aim(target: str | None, *, own: bool) -> Target:
    """Return what --target or --self name, else the setting of the folder, the active environment or ./.venv.

    Exits with 2 on misuse. Where nobody named one, the target's `chosen_by` is "none".
    """
    if own and target is not None:
        misuse("--self is the doctor's own environment", "leave out --self or --target")
    if own:
        return here(sys.executable, "--self")
    setting = "" if target is not None else settings().target
    return here(setting, _SETTING) if setting else here(target)


def typed(place: Target, target: str | None) -> str | None:
    """Return what --target would name it by, for other commands; None where they find it by themselves."""
    return target or (place.asked if place.chosen_by in ("--self", _SETTING) else None)


def needed(place: Target) -> Target:
    """Return an environment that was named; exits with 2 where there is none."""
    if place.chosen_by == "none":
        near = f" (nearby: {', '.join(map(shlex.quote, place.nearby))})" if place.nearby else ""
        own = f", {place.own}," if place.own else ""
        misuse(
            f"no environment was named, and the doctor's own{own} is left alone",
            f"--target PATH names one{near}, doctor fix --new ~/llm/.venv makes one, --self means the doctor's own",
        )
    return place


def starting(place: Target, *, quiet: bool = False) -> Target:
    """Say which interpreter is about to be started, and by what it was chosen."""
    if place.python and not quiet:
        sys.stderr.write(f"doctor: starts {place.python}, chosen by {place.chosen_by}\n")
    return place


def works(place: Target) -> Target:
    """Return an environment that was named and has an interpreter; exits with 2 where there is none."""
    if needed(place).problem:
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    return place


def look(place: Target, **how: bool) -> Snapshot:
    """Take a snapshot, with what `live.take` may do; say what is being asked where that takes long."""
    from tunedoctor.probes.live import take  # noqa: PLC0415  with it come all probes

    with spinner("asking") as one:
        return take(place, watch=one.watch, **how)
