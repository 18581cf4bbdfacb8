"""doctor schema."""

from collections.abc import Callable
from typing import Any

from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import write
from tunedoctor.render.json import render
from tunedoctor.report import json_schema


def _wheel() -> dict[str, Any]:
    from tunedoctor.wheels.answer import schema  # noqa: PLC0415

    return schema()


def _set() -> dict[str, Any]:
    from tunedoctor.planning.set_answer import schema  # noqa: PLC0415

    return schema()


def _smoke() -> dict[str, Any]:
    from tunedoctor.smoke.answer import schema  # noqa: PLC0415

    return schema()


def _fit() -> dict[str, Any]:
    from tunedoctor.memory.answer import schema  # noqa: PLC0415

    return schema()


def _fix() -> dict[str, Any]:
    from tunedoctor.planning.fix_answer import schema  # noqa: PLC0415

    return schema()


def _data() -> dict[str, Any]:
    from tunedoctor.data.report import schema  # noqa: PLC0415

    return schema()


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "report": json_schema,
    "wheel": _wheel,
    "set": _set,
    "fit": _fit,
    "data": _data,
    "fix": _fix,
    "smoke": _smoke,
}


def schema(name: str) -> int:
    """Print the JSON Schema of a kind of output; returns the exit code."""
    make = SCHEMAS.get(name)
    if make is None:
        misuse(f"there is no schema of {name!r}", f"choose one of {', '.join(SCHEMAS)}")
    write(render(make()))
    return 0
