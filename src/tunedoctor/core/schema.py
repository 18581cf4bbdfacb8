"""The JSON Schema of what a command prints with --format json."""

from importlib import import_module
from typing import Any

import msgspec

SCHEMAS = {
    "report": "diagnosis.report.Report",
    "wheel": "wheels.choose.WheelChoice",
    "matrix": "wheels.choose.BuildMatrix",
    "set": "planning.package_set.PackageSet",
    "fit": "memory.fit_report.FitReport",
    "data": "data.report.DataReport",
    "fix": "transaction.outcome.FixResult",
    "smoke": "smoke.result.SmokeResult",
    "envs": "probes.environments.Environments",
    "config": "core.settings.EffectiveSettings",
    "diff": "diagnosis.differences.Difference",
    "fleet": "fleet.report.FleetReport",
}
"""Names that doctor schema takes, and the type that each command prints."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of an output, made from its type."""
    module, _, kind = SCHEMAS[name].rpartition(".")
    type_ = getattr(import_module(f"tunedoctor.{module}"), kind)
    title = next(field.default for field in msgspec.structs.fields(type_) if field.name == "schema")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**head, **msgspec.json.schema(type_)}
