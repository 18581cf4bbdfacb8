"""Architectures outside the catalogue: exact counts where they are known, a wide range where they are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tunedoctor.memory.answer import answer
from tunedoctor.memory.band import band
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.depths import depths
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError

KNOWN: dict[str, Any] = json.loads((Path(__file__).parent / "architectures.json").read_text())
"""Configs as the classes of transformers 5.24 have them, with the parameters of their models on the meta device."""
PLAIN: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 12,
    "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "hidden_act": "silu",
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_counts_are_those_of_the_real_class(name: str) -> None:
    shape = shape_of(KNOWN[name]["config"])
    assert parameters(shape).total == KNOWN[name]["parameters"]
    assert sum(parameters(shape)[1:]) == KNOWN[name]["parameters"]


def test_an_unknown_architecture_gets_a_wider_range_than_a_known_one() -> None:
    known, strange = shape_of(PLAIN), shape_of({**PLAIN, "model_type": "made_up"})
    one, two = band(known, Run()), band(strange, Run())
    assert strange.unread == ()
    assert two.low < one.low
    assert one.high < two.high


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"latent_rank": 64}, "latent_rank"),
        ({"widths": [3, 4, 5]}, "widths"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"hidden_act": None}, "hidden_act"),
    ],
)
def test_what_is_not_understood_of_an_unknown_architecture_is_named_and_widens_the_range(
    more: dict[str, Any], key: str
) -> None:
    shape = shape_of({**PLAIN, "model_type": "made_up", **more})
    assert key in shape.unread
    found = answer(shape, Run(), ())
    assert found.range[0] < found.peak_gib / 2 < 2 * found.peak_gib < found.range[1]
    assert any(key in note and "--exact" in note for note in found.notes)


def test_encoders_and_recurrences_are_refused_by_what_they_are() -> None:
    bert = {**PLAIN, "model_type": "newbert", "type_vocab_size": 2}
    with pytest.raises(MemoryModelError, match="writes no text"):
        shape_of(bert)
    assert shape_of({**bert, "is_decoder": True}).depth == 12
    with pytest.raises(MemoryModelError, match="recurrence"):
        shape_of({**PLAIN, "model_type": "rwkv"})


@pytest.mark.parametrize(
    ("pattern", "few", "more"),
    [
        (["full_attention"] * 12, 2, 3),
        ((["sliding_attention"] * 5 + ["full_attention"]) * 4 + ["sliding_attention"] * 2, 14, 20),
        (["sliding_attention", "full_attention"] * 6, 4, 6),
        (["sliding_attention"] + ["full_attention"] * 11, 2, 3),
    ],
)
def test_the_fewest_layers_are_traced(pattern: list[str], few: int, more: int) -> None:
    config = {
        **PLAIN,
        "num_hidden_layers": len(pattern),
        "layer_types": pattern,
        "sliding_window": 512,
    }
    assert depths(shape_of(config), 2048) == (few, more)
