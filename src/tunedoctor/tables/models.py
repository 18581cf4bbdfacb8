"""Shapes of popular models, over models.json."""

from typing import Any, NamedTuple

from tunedoctor.tables.load import table


class ModelRow(NamedTuple):
    """One model of the table."""

    name: str
    config: dict[str, Any]
    """Keys and values as its config.json has them."""
    params: int
    note: str = ""


def models() -> tuple[ModelRow, ...]:
    """Return all models of the table, in its order."""
    rows = table("models")["models"]
    return tuple(
        ModelRow(name, row["config"], row["params"], row.get("note", ""))
        for name, row in rows.items()
    )
