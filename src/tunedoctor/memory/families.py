"""How architectures differ, over families.json: biases, norms, names of modules, what is tied."""

import msgspec

from tunedoctor.memory.family import Family
from tunedoctor.tables.load import table


class _Table(msgspec.Struct, frozen=True):
    families: dict[str, Family]
    aliases: dict[str, str]
    without_attention: tuple[str, ...]
    without_decoder: tuple[str, ...]
    encoder_and_decoder: tuple[str, ...]
    recurrent: tuple[str, ...]
    keys: dict[str, tuple[str, ...]]
    """Names of a config's numbers, as their makers gave them."""


KNOWN = msgspec.convert(table("families"), _Table)


def name_of(model_type: str) -> str:
    """Return the name that a model type's family goes by."""
    return KNOWN.aliases.get(model_type, model_type)


def family_of(model_type: str) -> tuple[Family, bool]:
    """Return the family of a model type, and whether it is known; one that isn't is treated as Llama-like."""
    name = name_of(model_type)
    found = KNOWN.families.get(name) or KNOWN.families.get(name.removesuffix("_text"))
    return (found, True) if found else (Family(), False)
