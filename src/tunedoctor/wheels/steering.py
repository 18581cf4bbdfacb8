"""Settings of pip and uv that steer an install: what each does, and what keeps it away from the printed commands.

What they do stands in tables/installer_settings.json.
"""

import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tunedoctor.facts import InstallerConfig
from tunedoctor.tables.load import table
from tunedoctor.wheels.choice import Choice
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pins import Pins, pins_of

_PYTORCH = "download.pytorch.org"


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

    @property
    def variable(self) -> bool:
        """Tell whether a variable of the environment states it, not a file."""
        return _is_variable(self.place)


def steering(
    config: InstallerConfig, choice: Choice, machine: Machine, *, python: str = ""
) -> tuple[Steer, ...]:
    """Return the settings that steer the pick: those not withstood first, then those kept away, then harmless ones.

    `python` is the path that the commands name; () where the choice has no build.
    """
    if choice.build is None:
        return ()
    windows = machine.platform == "windows"
    found = steers(config, pins_of(choice, choice.build, machine), python, windows=windows)
    return tuple(sorted(found, key=lambda one: (one.withstood, not one.cure)))


def steers(config: InstallerConfig, pins: Pins, python: str, *, windows: bool) -> list[Steer]:
    """Return the settings that steer the install of these pins into `python`, in the order of the configuration."""
    switches = table("installer_settings")["switches"]
    found: list[Steer] = []
    for name, value in config.settings.items():
        place = config.places.get(name, "")
        option = name.partition(".")[2]
        if value.lower() in switches["off"] and option in switches["names"]:
            continue
        does, harms = _effect(name, value, place, pins, python)
        if not does:
            continue
        held = not harms or not windows or _held_on_windows(name, place)
        cure = _cure(name, place, held=held, windows=windows) if harms else ""
        found.append(Steer(name, value, place, does, withstood=held, cure=cure))
    return found


def _effect(name: str, value: str, place: str, pins: Pins, python: str) -> tuple[str, bool]:
    """Return what a setting does to these packages, and whether that harms; "" for nothing."""
    if name in ("uv.python", "uv.system-python"):
        end = "; the command names its own" if python else ""
        return f"names an interpreter{end}", not python
    if name.endswith(".no-binary"):
        every = {":all:", "true", "1", *(pin.name for pin in pins.packages)}
        asked = every & set(re.split(r"[\s,]+", value.lower()))
        return ("asks for source archives, which no index has of torch" if asked else "", True)
    rows = table("installer_settings")
    own = pins.index and (name != "uv.torch-backend" or pins.backend)
    row = rows["always"].get(name) or rows["own_index" if own else "default_index"].get(name)
    if name in rows["files"]:
        row = None if place.startswith("UV_") else rows["files"][name]
    if row is None:
        return "", False
    harms = {
        "pytorch_index": _PYTORCH in value,
        "unless_labelled": not all(pin.label for pin in pins.packages),
    }.get(row["harms"], row["harms"])
    return row["does"].format(value=value, backend=pins.backend), bool(harms)


def _is_variable(place: str) -> bool:
    return bool(re.fullmatch(r"(?:PIP|UV)_[A-Z0-9_]+", place))


def _held_on_windows(name: str, place: str) -> bool:
    """Tell whether the shielded command withstands a harmful setting where there is no `env`."""
    if name.startswith("uv."):
        return not _is_variable(place)
    if name in ("pip.python", "pip.unreadable"):
        return False
    # of its files pip leaves out the user's alone when it is isolated
    return _is_variable(place) or "appdata" in place.lower()


def _cure(name: str, place: str, *, held: bool, windows: bool) -> str:
    tool, _, option = name.partition(".")
    variable = _is_variable(place)
    if not held:
        if variable:
            return f"remove the variable {place} before the command"
        return f"mend {place}" if option == "unreadable" else f"take {option} out of {place}"
    if tool == "pip" and windows:
        return "the command is --isolated: without pip's variables (certificates, proxies too) and your pip.ini"
    files = "configuration files of pip" if tool == "pip" else "configuration files"
    return f"the command goes without {place if variable else files}"


class Shield(NamedTuple):
    """Words around a command; all empty where nothing sways it."""

    before_pip: str = ""
    """With a space at its end: "env -u PIP_TARGET "."""
    pip: tuple[str, ...] = ()
    """Options of `pip install`."""
    before_uv: str = ""
    uv: tuple[str, ...] = ()
    """Options of uv."""


def shield(found: Iterable[Steer], *, windows: bool) -> Shield:
    """Return the least that keeps harmful settings away.

    Variables one by one where there is `env`, so that certificates and proxies stay. PowerShell and cmd have no
    common way: there pip gets --isolated, which drops all its variables and the user's file.
    """
    harms = [one for one in found if one.cure]
    pip = [one for one in harms if one.setting.startswith("pip.")]
    uv = [one for one in harms if one.setting.startswith("uv.")]
    uv_files = ("--no-config",) if any(not one.variable for one in uv) else ()
    if windows:
        isolated = ("--isolated",) if any(one.withstood for one in pip) else ()
        return Shield(pip=isolated, uv=uv_files)
    nothing = ["PIP_CONFIG_FILE=/dev/null"] if any(not one.variable for one in pip) else []
    return Shield(before_pip=_env(pip, nothing), before_uv=_env(uv, []), uv=uv_files)


def _env(harms: Iterable[Steer], settings: list[str]) -> str:
    names = dict.fromkeys(one.place for one in harms if one.variable)
    words = [*(f"-u {shlex.quote(name)}" for name in names), *settings]
    return f"env {' '.join(words)} " if words else ""
