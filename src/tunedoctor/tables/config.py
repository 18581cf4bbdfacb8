"""The user's settings: [tool.doctor] of ./pyproject.toml, and mirrors of package indexes in a file of the user's."""

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from tunedoctor.system.reading import read_regular, toml
from tunedoctor.tables.load import user_folder

_LARGEST = 1 << 20
T = TypeVar("T", bound="_Own")


class _Own(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The user's own file."""

    mirrors: dict[Literal["pytorch", "default"], str] = {}
    """URLs that stand for the PyTorch index (of https://…/whl) and for the default one (of https://…/simple)."""


class Config(_Own, frozen=True, kw_only=True):
    """Settings of a folder; options of the command line add to them or win."""

    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    """Plug-ins that may run; no other does."""
    fail_on: Literal["error", "warning", "note", "never"] = "error"
    strict: bool = False
    target: str = ""


class ConfigError(ValueError):
    """The settings can't be used; the message names file and key."""


def read_config(folder: Path) -> Config:
    """Return the settings of a folder; defaults where there are none.

    Raises ConfigError: the file has a [tool.doctor] that can't be understood.
    """
    file = folder / "pyproject.toml"
    text = _text(file)
    if "tool.doctor" not in text:  # a TOML parser costs 8 ms
        return Config()
    try:
        table: Any = toml(text).get("tool", {}).get("doctor", {})
        named = {key.replace("-", "_"): value for key, value in table.items()}
        return _checked(msgspec.convert(named, Config))
    except (ValueError, AttributeError) as error:
        msg = f"{file.name}, [tool.doctor]: {error}"
        raise ConfigError(msg) from None


class Mirror(msgspec.Struct, frozen=True):
    """What stands for an index."""

    url: str
    place: str
    """The file or the variable that names it."""


@cache
def mirrors() -> Mapping[str, Mirror]:
    """Return "pytorch" and "default" -> the user's own mirrors: of the variables DOCTOR_MIRROR_…, else of the file.

    They are read once. A file of the working folder names none: whoever wrote it could send installs elsewhere.

    Raises ConfigError: the file can't be understood, or a mirror is no URL.
    """
    file = config_file(os.environ)
    found: dict[str, Mirror] = {}
    place = str(file)
    try:
        text = _text(file)
        own = _checked(msgspec.convert(toml(text) if text else {}, _Own)).mirrors
        found = {str(name): Mirror(url, place) for name, url in own.items()}
        for name in ("pytorch", "default"):
            place = f"DOCTOR_MIRROR_{name.upper()}"
            if url := os.environ.get(place, "").strip():
                _checked(_Own(mirrors={name: url}))
                found[name] = Mirror(url, place)
    except ValueError as error:
        msg = f"{place}: {error}"
        raise ConfigError(msg) from None
    return found


def config_file(variables: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the user's own file: DOCTOR_CONFIG, else where the system keeps settings. It need not be there."""
    if named := variables.get("DOCTOR_CONFIG"):
        return Path(named)
    return user_folder("CONFIG", variables, platform) / "config.toml"


def _text(file: Path) -> str:
    try:
        return read_regular(file, _LARGEST).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _checked(settings: T) -> T:
    """Return settings whose mirrors are URLs."""
    for name, url in settings.mirrors.items():
        if not re.fullmatch(r"https?://[^\s/?#]+(?:/[^\s?#]*)?", url):
            msg = f"mirrors.{name} is {url[:100]!r}, which is no URL of an index"
            raise ValueError(msg)
    return settings
