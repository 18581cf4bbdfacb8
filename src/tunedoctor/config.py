"""The user's settings: [tool.doctor] of ./pyproject.toml."""

from pathlib import Path
from typing import Any, Literal

import msgspec


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
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return Config()
    if "[tool.doctor]" not in text:  # a TOML parser costs 8 ms
        return Config()
    import tomllib  # noqa: PLC0415

    try:
        table: Any = tomllib.loads(text).get("tool", {}).get("doctor", {})
        return msgspec.convert(
            {key.replace("-", "_"): value for key, value in table.items()}, Config
        )
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, AttributeError) as error:
        msg = f"{file.name}, [tool.doctor]: {error}"
        raise ConfigError(msg) from None
