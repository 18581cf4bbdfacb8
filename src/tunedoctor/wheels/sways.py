"""Settings of pip and uv that sway an install, with what each was seen to do to the printed commands.

All of it was measured: pip 23.2 and uv 0.13.9 against indexes on loopback, one setting at a time.
"""

import re
from typing import NamedTuple

from tunedoctor.facts import InstallerConfig
from tunedoctor.wheels.pins import Pins


class Sway(NamedTuple):
    """One setting and its effect on the printed command as it would be without a shield against it."""

    setting: str
    value: str
    place: str
    does: str
    harms: bool
    """Without a shield the install fails, goes elsewhere, or takes another file."""

    @property
    def tool(self) -> str:
        """Return pip or uv."""
        return self.setting.partition(".")[0]

    @property
    def variable(self) -> bool:
        """Tell whether a variable of the environment states it, not a file."""
        return bool(re.fullmatch(r"(?:PIP|UV)_[A-Z0-9_]+", self.place))


def sways(config: InstallerConfig, pins: Pins, *, python: str = "") -> list[Sway]:
    """Return the settings that sway the install of these pins into `python`, in the order of the configuration."""
    found: list[Sway] = []
    for name, value in config.settings.items():
        place = config.places.get(name, "")
        if value.lower() in _OFF and name.partition(".")[2] in _SWITCHES:
            continue
        effect = _effect(name, value, pins, python, variable=place.startswith("UV_"))
        if effect is not None:
            found.append(Sway(name, value, place, *effect))
    return found


_OFF = ("0", "false", "no", "off", "n", "f", "")
_SWITCHES = frozenset(
    (
        *("no-index", "pre", "user", "require-hashes", "require-virtualenv", "no-deps"),
        *("offline", "system-python"),
    )
)
_Effect = tuple[str, bool]

_ALWAYS: dict[str, _Effect] = {
    "pip.constraint": (
        "holds packages at the versions of that file: pip stops at one for torch",
        True,
    ),
    "pip.extra-index-url": (
        "pip takes the highest version of all indexes: a torch or a dependency of that index can win",
        True,
    ),
    "pip.no-deps": ("leaves out what torch needs: the CUDA libraries, Triton", True),
    "pip.no-index": ("pip asks no index at all, the one of the command neither", True),
    "pip.only-binary": ("takes wheels alone, which all of these are", False),
    "pip.platform": ("pip looks for wheels of that platform", True),
    "pip.pre": ("takes preliminary versions of what torch needs", False),
    "pip.prefix": ("puts the files below that folder and not into the target", True),
    "pip.python": ("pip works on that interpreter and not on the target", True),
    "pip.python-version": ("pip looks for wheels of that Python", True),
    "pip.require-hashes": ("pip refuses requirements without hashes", True),
    "pip.require-virtualenv": ("pip works inside a virtual environment alone", False),
    "pip.target": ("puts the files into that folder and not into the target", True),
    "pip.unreadable": ("pip stops at that file", True),
    "pip.user": ("puts the files into the user's site-packages and not into the target", True),
    "uv.amd-gpu-architecture": (
        "steers --torch-backend=auto, which the command does not use",
        False,
    ),
    "uv.constraint": (
        "holds packages at the versions of that file: uv stops at one for torch",
        True,
    ),
    "uv.constraint-dependencies": (
        "holds packages at those versions: uv stops at one for torch",
        True,
    ),
    "uv.cuda-driver-version": (
        "steers --torch-backend=auto, which the command does not use",
        False,
    ),
    "uv.exclude-newer": ("the wheel index tells no upload dates: uv finds nothing there", True),
    "uv.find-links": ("uv takes a file of the same version from there before any index", True),
    "uv.index-strategy": (
        "decides among indexes; exact versions leave it no choice of torch",
        False,
    ),
    "uv.offline": ("uv takes what its cache has, and nothing else", True),
    "uv.only-binary": ("takes wheels alone, which all of these are", False),
    "uv.override": ("replaces the versions asked for, those of the command too", True),
    "uv.override-dependencies": ("replaces the versions asked for, those of the command too", True),
    "uv.prefix": ("puts the files below that folder and not into the target", True),
    "uv.prerelease": ("takes preliminary versions of what torch needs", False),
    "uv.python-platform": ("uv looks for wheels of that platform", True),
    "uv.python-version": ("uv looks for wheels of that Python", True),
    "uv.require-hashes": ("uv refuses requirements without hashes", True),
    "uv.resolution": ("decides the versions of what torch needs, not those of the command", False),
    "uv.target": ("puts the files into that folder and not into the target", True),
    "uv.unreadable": ("uv stops at that file", True),
}
"""Setting -> what it does, and whether the command needs a shield against it."""

_FILES_ALONE: dict[str, _Effect] = {
    "uv.no-deps": ("leaves out what torch needs: the CUDA libraries, Triton", True),
    "uv.no-index": ("uv asks no index at all, that of PyTorch neither", True),
}
"""Settings that uv takes from a file; a variable of such a name does nothing to `uv pip install`."""


def _effect(name: str, value: str, pins: Pins, python: str, *, variable: bool) -> _Effect | None:
    """Return what a setting does; None for one that does nothing to these packages."""
    if name in ("uv.python", "uv.system-python"):
        end = "; the command names its own" if python else ""
        return f"names an interpreter{end}", not python
    if name.endswith(".no-binary"):
        return _no_binary(value, pins)
    if name in _FILES_ALONE:
        return None if variable else _FILES_ALONE[name]
    if name in _ALWAYS:
        return _ALWAYS[name]
    return _on_default(name, value) if not pins.index else _on_own_index(name, value, pins)


def _no_binary(value: str, pins: Pins) -> _Effect | None:
    asked = set(re.split(r"[\s,]+", value.lower()))
    if not asked & {":all:", "true", "1", *(pin.name for pin in pins.packages)}:
        return None
    return "asks for source archives, which no index has of torch", True


def _on_default(name: str, value: str) -> _Effect | None:
    """Answer for a build of the default index, which the command does not name."""
    if name == "uv.torch-backend":
        return f"sends uv to PyTorch's index for {value}", True
    if name in _DEFAULT_INDEX:
        return "stands for the default index: torch comes from there", _PYTORCH in value
    return {
        "pip.find-links": ("adds files to choose from, of the same version too", True),
        "uv.extra-index-url": ("uv takes each package from the first index that has it", True),
        "uv.index": ("uv takes each package from the first index that has it", True),
    }.get(name)


_DEFAULT_INDEX = ("pip.index-url", "uv.default-index", "uv.index-url")
_PYTORCH = "download.pytorch.org"
"""As the default index of other installs it is left over: it lacks most packages, and each variant some of torch's."""


def _on_own_index(name: str, value: str, pins: Pins) -> _Effect | None:
    """Answer for a build of PyTorch's index, which the command names."""
    if name == "uv.torch-backend":
        if pins.backend:
            return (
                f"names PyTorch's index for other installs; the command names {pins.backend}",
                False,
            )
        return f"sends uv to PyTorch's index for {value}", True
    if name == "pip.index-url":
        return "names the index of other installs; the command names its own", False
    if name in _DEFAULT_INDEX:
        return "what torch needs comes from there; torch itself does not", _PYTORCH in value
    exact = all(pin.label for pin in pins.packages)
    links = "adds files to choose from; versions with a label leave no choice of torch"
    first = "what torch needs comes from there first; torch itself does not"
    return {
        "pip.find-links": (links, not exact),
        "uv.extra-index-url": (first, False),
        "uv.index": (first, False),
    }.get(name)
