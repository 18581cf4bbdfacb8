"""A configuration of doctor train as other commands read it: files of TOML, and options over them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunedoctor.system.reading import read_regular, toml

_LARGEST = 1 << 20
"""Bytes of a configuration."""


def words_of(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the files, and the options by their keys; "" of one without a value."""
    pairs = (one[2:].partition("=") for one in arguments if one.startswith("--"))
    words = {key.replace("-", "_"): word for key, _, word in pairs}
    return [one for one in arguments if not one.startswith("--")], words


def values_of(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the configuration from files, overridden by options. Raises OSError, and ValueError for invalid TOML."""
    values: dict[str, Any] = {}
    files, words = words_of(arguments)
    for path in files:
        values |= toml(read_regular(path, _LARGEST).decode("utf-8-sig"))
    return values | {key: word for key, word in words.items() if word}


def spelled(values: Mapping[str, Any]) -> list[str]:
    """Return a configuration as options."""
    words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    return [f"--{key}={word}" for key, word in words.items()]
