"""doctor schema."""

from argparse import Namespace
from importlib import import_module

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
    write(render(import_module(f"tunedoctor.{SCHEMAS[given.name]}").schema()))
    return 0
