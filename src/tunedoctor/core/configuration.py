"""Configurations as commands read them: TOML of doctor train with options over it, and files of other frameworks."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunedoctor.core.errors import misuse, refusing
from tunedoctor.system.reading import read_regular, toml

if TYPE_CHECKING:
    from tunedoctor.frameworks.detect import Configuration

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


def framework_configuration(name: str) -> "Configuration | None":
    """Return the configuration of a training framework in a file; None if the name is that of no such file.

    Raises DoctorError if the file can't be read as one. A .json file of none is left to the readers of models.
    """
    if not name.lower().endswith((".yaml", ".yml", ".json", ".py", ".ipynb", ".sh", ".bash")):
        return None
    # most commands need none of it
    from tunedoctor.frameworks.detect import is_configuration_file, read_configuration  # noqa: PLC0415
    from tunedoctor.frameworks.document import ConfigurationError  # noqa: PLC0415

    if not is_configuration_file(name):
        return None
    try:
        return read_configuration(name)
    except ConfigurationError as error:
        if name.lower().endswith(".json"):
            return None
        misuse(f"{name}: {error}", "doctor explain frameworks lists what doctor reads")
    except OSError as error:
        if name.lower().endswith(".json"):
            return None
        misuse(f"{name}: {error.strerror or error}", "name a configuration file")


def require_framework_configuration(name: str) -> "Configuration":
    """Return the configuration of a training framework in a file. Raises DoctorError if it is of none."""
    from tunedoctor.frameworks.detect import read_configuration  # noqa: PLC0415  as above
    from tunedoctor.frameworks.document import ConfigurationError  # noqa: PLC0415

    way_out = "doctor explain frameworks lists what doctor reads"
    with refusing((OSError, ConfigurationError), way_out, f"{name}: "):
        return read_configuration(name)
