"""The parameters of a command as words of a command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunedoctor.cli.app import load_command
from tunedoctor.core.errors import misuse


def command_parameters(command: str) -> dict[str, Any]:
    """Return name -> parameter of a command, as Typer made them from the function's signature."""
    return {str(parameter.name): parameter for parameter in load_command(command).params}


def command_words(command: str, values: Mapping[str, object]) -> list[str]:
    """Return values of parameters as words of a command line; None is left out.

    Exits with 2 for an argument that begins with a dash and so would be read as an option.
    """
    parameters = command_parameters(command)
    flags, arguments = list[str](), list[str]()
    for name, value in values.items():
        parameter = parameters[name]
        several = [*value] if isinstance(value, list | tuple) else [] if value is None else [value]
        texts = [str(Path(item) if isinstance(item, os.PathLike) else item) for item in several]
        if parameter.param_type_name == "argument":
            if dashed := next((text for text in texts if text.startswith("-")), ""):
                misuse(
                    f"{name} is {dashed[:60]!r}, which begins with a dash", "write a file as ./-x"
                )
            arguments += texts
        elif isinstance(value, bool):
            flags += parameter.opts[:1] if value else parameter.secondary_opts[:1]
        else:
            flags += [f"{parameter.opts[0]}={text}" for text in texts]
    return [*flags, *arguments]
