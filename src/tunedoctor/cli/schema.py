"""doctor schema."""

from argparse import Namespace
from importlib import import_module

from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import write
from tunedoctor.render.json import render

SCHEMAS = {
    "report": "report",
    "wheel": "wheels.choose",
    "set": "planning.set_answer",
    "fit": "memory.answer",
    "data": "data.report",
    "fix": "planning.fix_answer",
    "smoke": "smoke.answer",
}
"""Kind of output -> the module whose `schema` describes it."""


def command(given: Namespace) -> int:
    """Print the JSON Schema of a kind of output; returns the exit code."""
    place = SCHEMAS.get(given.name)
    if place is None:
        misuse(f"there is no schema of {given.name!r}", f"choose one of {', '.join(SCHEMAS)}")
    write(render(import_module(f"tunedoctor.{place}").schema()))
    return 0
