"""What transformers' config classes fill in, over config_defaults.json."""

from typing import Any

from tunedoctor.tables.load import table


def defaults_of(model_type: str) -> dict[str, Any]:
    """Return the values of a model type's config class; {} where they are not known."""
    found: dict[str, Any] = table("config_defaults")["types"].get(model_type, {})
    return found
