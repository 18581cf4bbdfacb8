"""doctor schema."""

from argparse import Namespace
from importlib import import_module
from typing import Any

import msgspec

from tunedoctor.cli.output import write
from tunedoctor.render.json import render

SCHEMAS = {
    "report": "diagnosis.report.Report",
    "wheel": "wheels.choose.Answer",
    "matrix": "wheels.matrix.Matrix",
    "set": "planning.set_answer.Answer",
    "fit": "memory.answer.Answer",
    "data": "data.report.Report",
    "fix": "transaction.outcome.Answer",
    "smoke": "smoke.answer.Answer",
    "envs": "probes.environments.Environments",
}
"""Kind of output -> the type that it is written from."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of output, made from the types."""
    module, _, kind = SCHEMAS[name].rpartition(".")
    answer = getattr(import_module(f"tunedoctor.{module}"), kind)
    title = next(f.default for f in msgspec.structs.fields(answer) if f.name == "schema")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**head, **msgspec.json.schema(answer)}


def command(given: Namespace) -> int:
    """Print the JSON Schema of a kind of output; returns the exit code."""
    write(render(schema_of(given.name)))
    return 0
