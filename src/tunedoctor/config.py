"""The user's settings: [tool.doctor] of ./pyproject.toml, and mirrors of package indexes in a file of the user's."""

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from tunedoctor.reading import read_regular, toml
from tunedoctor.tables.load import user_folder

_LARGEST = 1 << 20


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings; options of the command line add to them or win."""

    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    """Plug-ins that may run; no other does."""
    fail_on: Literal["error", "warning", "note", "never"] = "error"
    strict: bool = False
    target: str = ""
    mirrors: dict[Literal["pytorch", "default"], str] = {}
    """URLs that stand for the PyTorch index (of https://…/whl) and for the default one (of https://…/simple)."""


class ConfigError(ValueError):
    """The settings can't be used; the message names file and key."""


def read_config(folder: Path) -> Config:
    """Return the settings of a folder; defaults where there are none.

    Raises:
        ConfigError: the file has a [tool.doctor] that can't be understood.
    """
    file = folder / "pyproject.toml"
    try:
        text = read_regular(file, _LARGEST).decode()
    except (OSError, UnicodeDecodeError):
        return Config()
    if "tool.doctor" not in text:  # a TOML parser costs 8 ms
        return Config()
    try:
        table: Any = toml(text).get("tool", {}).get("doctor", {})
        found = msgspec.convert(
            {key.replace("-", "_"): value for key, value in table.items()}, Config
        )
        _check(found.mirrors)
    except (ValueError, AttributeError) as error:
        msg = f"{file.name}, [tool.doctor]: {error}"
        raise ConfigError(msg) from None
    return found


class Mirror(msgspec.Struct, frozen=True):
    """What stands for an index."""

    url: str
    place: str
    """The file or the variable that names it."""


@cache
def mirrors() -> Mapping[str, Mirror]:
    """Return "pytorch" and "default" -> the user's own mirrors: of the variables DOCTOR_MIRROR_…, else of the file.

    They are read once. A file of the working folder names none: whoever wrote it could send installs elsewhere.

    Raises:
        ConfigError: the file can't be understood, or a mirror is no URL.
    """
    file = config_file(os.environ)
    found = {name: Mirror(url, str(file)) for name, url in _in_file(file).items()}
    for name in ("pytorch", "default"):
        variable = f"DOCTOR_MIRROR_{name.upper()}"
        if url := os.environ.get(variable, "").strip():
            try:
                _check({name: url})
            except ValueError as error:
                msg = f"{variable}: {error}"
                raise ConfigError(msg) from None
            found[name] = Mirror(url, variable)
    return found


def config_file(variables: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the user's own file: DOCTOR_CONFIG, else where the system keeps settings. It need not be there."""
    if named := variables.get("DOCTOR_CONFIG"):
        return Path(named)
    return user_folder("CONFIG", variables, platform) / "config.toml"


class _Own(msgspec.Struct, forbid_unknown_fields=True):
    mirrors: dict[Literal["pytorch", "default"], str] = {}


def _in_file(file: Path) -> Mapping[str, str]:
    try:
        text = read_regular(file, _LARGEST).decode()
    except (OSError, UnicodeDecodeError):
        return {}
    try:
        found = msgspec.convert(toml(text), _Own).mirrors
        _check(found)
    except ValueError as error:
        msg = f"{file}: {error}"
        raise ConfigError(msg) from None
    return {str(name): url for name, url in found.items()}


def _check(found: Mapping[Any, str]) -> None:
    for name, url in found.items():
        if not re.fullmatch(r"https?://[^\s/?#]+(?:/[^\s?#]*)?", url):
            msg = f"mirrors.{name} is {url[:100]!r}, which is no URL of an index"
            raise ValueError(msg)
