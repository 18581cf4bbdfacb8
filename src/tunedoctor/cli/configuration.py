"""A configuration of doctor train as other commands read it: files of TOML, and options over them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from tunedoctor.cli.command_options import FitOptions
from tunedoctor.memory.answer import run_of
from tunedoctor.system.reading import read_regular, toml

_LARGEST = 1 << 20
"""Bytes of a configuration."""
_SAME = (
    *("method", "rank", "dora", "dropout", "seq", "padded", "batch", "accum", "optimizer"),
    *("checkpointing", "attention", "precision", "sharding"),
)
"""What doctor fit calls as the run's fields are called."""


def words_of(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the files, and the options by their keys; "" of one without a value."""
    pairs = (one[2:].partition("=") for one in arguments if one.startswith("--"))
    words = {key.replace("-", "_"): word for key, _, word in pairs}
    return [one for one in arguments if not one.startswith("--")], words


def values_of(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the configuration: files, and options over them. Raises OSError, and ValueError for what is no TOML."""
    values: dict[str, Any] = {}
    files, words = words_of(arguments)
    for path in files:
        values |= toml(read_regular(path, _LARGEST).decode("utf-8-sig"))
    return values | {key: word for key, word in words.items() if word}


def spelled(values: Mapping[str, Any]) -> list[str]:
    """Return a configuration as options."""
    words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    return [f"--{key}={word}" for key, word in words.items()]


def with_configuration(options: FitOptions, config: Mapping[str, Any]) -> FitOptions:
    """Return the options of doctor fit with the values of a configuration, except where an option was typed.

    Raises MemoryModelError, naming the key.
    """
    run = run_of(config, options.gpus)
    told = {name: getattr(run, name) for name in _SAME}
    told["targets"] = ",".join(run.targets) or "all-linear"
    if config.get("precision") == "fp16" and run.precision == "bf16":
        told["precision"] = "fp16"
    if run.stack.loss == "whole":  # chunk = 0
        told["loss"] = "whole"
    if config.get("precision") == "pure-bf16":
        told |= {"autocast": False, "adapter_bits": 16}
    return replace(options, **{k: v for k, v in told.items() if k not in options.typed})
