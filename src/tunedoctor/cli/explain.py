"""doctor explain, list and schema."""

import sys

from tunedoctor.cli.command_options import ExplainOptions, SchemaOptions
from tunedoctor.cli.options import criteria_of
from tunedoctor.cli.output import screen, write
from tunedoctor.core.explain import documents, explain_topic, list_installed
from tunedoctor.core.files import read_log
from tunedoctor.core.schema import schema_of
from tunedoctor.render.explain import render_explanation, render_installed, render_topics
from tunedoctor.render.screen import as_json


def run_explain(given: ExplainOptions) -> int:
    """Print a page of a check or of docs/, what an error text shows, or the list of all; returns the exit code."""
    if given.listed:
        checks = criteria_of(given)._replace(skip=(), only=()).checks()
        write(render_topics(checks, documents(), screen()))
        return 0
    text = read_log("-").text if given.id == "-" else None
    found = explain_topic(given.id, text, lambda: criteria_of(given))
    write(render_explanation(found, screen()))
    return 0


def run_list() -> int:
    """Print checks, fixes and plug-ins; returns the exit code."""
    write(render_installed(list_installed(), screen(), is_terminal=sys.stdout.isatty()))
    return 0


def run_schema(given: SchemaOptions) -> int:
    """Print the JSON Schema of an output; returns the exit code."""
    write(as_json(schema_of(given.name)))
    return 0
