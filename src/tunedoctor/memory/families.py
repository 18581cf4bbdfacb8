"""How architectures differ where a config.json is silent, over tables/families.json."""

from typing import Any

import msgspec

from tunedoctor.memory.family import Family
from tunedoctor.tables.load import table

LLAMA = Family()
_TABLE: Any = table("families")
FAMILIES = msgspec.convert(_TABLE["families"], dict[str, Family])
NO_HEADS: tuple[str, ...] = tuple(_TABLE["no_heads"])
"""Model types without attention and without a feed-forward part."""
ALIASES: dict[str, str] = _TABLE["aliases"]


def family_of(model_type: str) -> tuple[Family, bool]:
    """Return the family of a model type, and whether it is known; who isn't is read as Llama's kin."""
    name = ALIASES.get(model_type, model_type)
    found = FAMILIES.get(name) or FAMILIES.get(name.removesuffix("_text"))
    return (found, True) if found else (LLAMA, False)
