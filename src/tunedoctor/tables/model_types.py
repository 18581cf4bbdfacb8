"""Which transformers release was the first to know a model type, over model_types.json."""

import re

from tunedoctor.tables.load import table


def first_transformers(model: str) -> str:
    """Return the first release that knows a model type ("qwen3" -> "4.51.0"), or a class of it ("Qwen3ForCausalLM").

    "" where no release of the table knows it: a model with code of its own, or one that is younger than the table.
    """
    data = table("model_types")
    known: dict[str, str] = data["items"]
    if model in known:
        return known[model]
    if model in data["in_before"]:
        return str(data["before"])
    plain = _plain(re.sub(r"(?:For[A-Z]\w*|Model|Config|Tokenizer(?:Fast)?|Processor)$", "", model))
    return next((since for name, since in known.items() if _plain(name) == plain), "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
