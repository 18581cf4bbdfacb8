"""The parameters of a command for other programs: as words of a command line, and as JSON Schema."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunedoctor.cli.app import load_command
from tunedoctor.core.errors import misuse


def command_parameters(command: str) -> dict[str, Any]:
    """Return name -> parameter of a command, as Typer made them from the function's signature."""
    return {str(one.name): one for one in load_command(command).params}


def command_words(command: str, values: Mapping[str, object]) -> list[str]:
    """Return values of parameters as words of a command line; None is left out.

    Exits with 2 for an argument that begins with a dash and so would be read as an option.
    """
    parameters = command_parameters(command)
    flags, arguments = list[str](), list[str]()
    for name, value in values.items():
        parameter = parameters[name]
        several = [*value] if isinstance(value, list | tuple) else [] if value is None else [value]
        texts = [str(Path(one) if isinstance(one, os.PathLike) else one) for one in several]
        if parameter.param_type_name == "argument":
            if dashed := next((one for one in texts if one.startswith("-")), ""):
                misuse(
                    f"{name} is {dashed[:60]!r}, which begins with a dash", "name a file as ./-x"
                )
            arguments += texts
        elif isinstance(value, bool):
            flags += parameter.opts[:1] if value else parameter.secondary_opts[:1]
        else:
            flags += [f"{parameter.opts[0]}={one}" for one in texts]
    return [*flags, *arguments]


def json_schema(parameter: Any, text: Mapping[str, Any], most: int) -> dict[str, Any]:  # noqa: ANN401  click's types are private in Typer
    """Return the JSON Schema of a parameter; `text` is that of a string, `most` the entries of a list."""
    kind = parameter.type
    form: dict[str, Any] = {**text}
    if getattr(parameter, "is_flag", False):
        form = {"type": "boolean"}
    elif kind.name.startswith(("int", "float")):
        form = {"type": "integer" if kind.name.startswith("int") else "number"}
        limits = {"minimum": getattr(kind, "min", None), "maximum": getattr(kind, "max", None)}
        form |= {key: limit for key, limit in limits.items() if limit is not None}
    elif parameter.multiple or parameter.nargs == -1:
        form = {"type": "array", "items": {**text}, "maxItems": most}
    elif choices := getattr(kind, "choices", None):
        form = {"enum": [*choices]}
    default = parameter.default
    return {
        **form,
        **({"default": default} if isinstance(default, str | int | float) and default else {}),
    }
