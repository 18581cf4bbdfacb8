"""Configs as they lie beside real models, and damaged ones."""

from typing import Any

import pytest

from tunedoctor.memory.config import shape_of
from tunedoctor.memory.shape import MemoryModelError

PLAIN: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "tie_word_embeddings": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"]
)
@pytest.mark.parametrize("value", ["4096", [], {}, 10**30, 1.5, "x", None, -1, True])
def test_a_faulty_or_lacking_key_is_named(key: str, value: object) -> None:
    with pytest.raises(MemoryModelError, match=key):
        shape_of({**PLAIN, key: value})
