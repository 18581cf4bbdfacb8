"""The user's settings: [tool.doctor] of ./pyproject.toml."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from tunedoctor.reading import read_regular
from tunedoctor.toml import LARGEST, parsed


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings; options of the command line add to them or win."""

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

    Raises:
        ConfigError: the file has a [tool.doctor] that can't be understood.
    """
    file = folder / "pyproject.toml"
    try:
        text = read_regular(file, LARGEST).decode()
    except (OSError, UnicodeDecodeError):
        return Config()
    if "[tool.doctor]" not in text:
        return Config()
    try:
        table: Any = parsed(text).get("tool", {}).get("doctor", {})
        return msgspec.convert(
            {key.replace("-", "_"): value for key, value in table.items()}, Config
        )
    except (ValueError, AttributeError) as error:
        msg = f"{file.name}, [tool.doctor]: {error}"
        raise ConfigError(msg) from None
