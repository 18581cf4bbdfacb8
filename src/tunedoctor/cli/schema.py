"""doctor schema."""

import msgspec

from tunedoctor.cli.output import write
from tunedoctor.report import json_schema


def schema() -> int:
    """Print the JSON Schema of a report; returns the exit code."""
    write(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n")
    return 0
