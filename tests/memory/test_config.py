"""Configs as they lie beside real models, and damaged ones."""

from typing import Any

import pytest

from tunedoctor.memory.catalogue import named
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.shape import MemoryModelError

LLAVA = {
    "model_type": "llava",
    "text_config": {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096},
    "tie_word_embeddings": False,
}
GEMMA = {
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
        "sliding_window": 1024,
    },
}  # fmt: skip
PLAIN: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "tie_word_embeddings": False,
}  # fmt: skip


def test_a_text_part_that_keeps_silent_is_as_its_class_has_it() -> None:
    # Llava 1.5 7B's language model is Vicuna's, with 64 more words
    llama = parameters(named("meta-llama/Llama-2-7b-hf")).total
    assert parameters(shape_of(LLAVA)).total == llama + 2 * 64 * 4096
    gemma = shape_of(GEMMA)
    assert gemma.vocab == 262208
    assert [m.outputs for m in gemma.layers[0].matrices[:3]] == [2048, 1024, 1024]


@pytest.mark.parametrize(
    "key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"]
)
@pytest.mark.parametrize("value", ["4096", [], {}, 10**30, 1.5, "x", None, -1, True])
def test_a_faulty_or_lacking_key_is_named(key: str, value: object) -> None:
    with pytest.raises(MemoryModelError, match=key):
        shape_of({**PLAIN, key: value})


@pytest.mark.parametrize(
    ("key", "value"), [("tie_word_embeddings", "false"), ("attention_bias", "yes"), ("mlp_bias", 3)]
)
def test_a_switch_is_true_or_false(key: str, value: object) -> None:
    with pytest.raises(MemoryModelError, match=key):
        shape_of({**PLAIN, key: value})
