"""Architectures outside the catalogue: exact counts where they are known, a wide range where they are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tunedoctor.memory.adapters import adapter_elements, targeted
from tunedoctor.memory.answer import answer
from tunedoctor.memory.band import band
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.depths import depths
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.memory.stacks import STACKS

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


@pytest.mark.parametrize(
    "more", [{"eos_token_id": 7}, {"rope_theta": 10000}, {"max_position_embeddings": 4096}]
)
def test_numbers_that_are_no_sizes_widen_nothing(more: dict[str, Any]) -> None:
    assert shape_of({**PLAIN, "model_type": "made_up", **more}).unread == ()


def test_numbers_that_each_layer_has_of_its_own_count_layer_by_layer() -> None:
    widths = [1024, 2048] * 6
    own = shape_of({**PLAIN, "intermediate_size": widths})
    for width in (1024, 2048):
        alike = parameters(shape_of({**PLAIN, "intermediate_size": width})).linear
        assert abs(parameters(own).linear - alike) == 6 * 3 * 512 * 1024
    assert len(own.layers) == 12


def test_layers_that_borrow_keys_and_values_have_no_matrices_for_them() -> None:
    text = KNOWN["gemma4_text"]["config"]
    whole = shape_of(text)
    half = shape_of({**text, "num_kv_shared_layers": 15})
    names = [m.name for m in half.layers[-1].matrices]
    assert "q_proj" in names
    assert "k_proj" not in names
    assert parameters(half).total < parameters(whole).total


def test_adapters_reach_what_stands_beside_the_layers() -> None:
    shape = shape_of(KNOWN["gemma4_text"]["config"])
    (beside,) = shape.beside
    run = Run(rank=8, targets=("per_layer_model_projection",))
    assert adapter_elements(shape, run) == 8 * (beside.inputs + beside.outputs)


def test_a_gate_of_attention_that_shares_its_name_with_experts_gets_no_adapter() -> None:
    shape = shape_of(KNOWN["afmoe"]["config"])
    layer = shape.layers[-1]
    assert "gate_proj" in [m.name for m in layer.matrices]
    assert "gate_proj" not in [m.name for m in targeted(layer, Run())]


def test_encoders_and_recurrences_are_refused_by_what_they_are() -> None:
    bert = {**PLAIN, "model_type": "newbert", "type_vocab_size": 2}
    with pytest.raises(MemoryModelError, match="writes no text"):
        shape_of(bert)
    assert shape_of({**bert, "is_decoder": True}).depth == 12
    with pytest.raises(MemoryModelError, match="recurrence"):
        shape_of({**PLAIN, "model_type": "rwkv"})


def test_weights_that_lie_quantised_are_told() -> None:
    shape = shape_of({**PLAIN, "quantization_config": {"quant_method": "fp8"}})
    assert any("fp8" in note for note in answer(shape, Run(), ()).notes)
    assert not any("fp8" in note for note in answer(shape, Run(method="qlora"), ()).notes)


def test_kernels_of_linear_attention_are_the_lower_end_of_the_range() -> None:
    shape = shape_of(KNOWN["olmo_hybrid"]["config"])
    found = band(shape, Run(checkpointing=False, stack=STACKS["hf"]))
    assert found.low < 0.8 * found.middle


def test_what_runs_in_eager_attention_alone_has_that_as_its_upper_end() -> None:
    shape = shape_of({**PLAIN, "model_type": "granite_swa"})
    run = Run(checkpointing=False, stack=STACKS["hf"])
    eager = Run(checkpointing=False, stack=STACKS["hf"], attention="eager")
    assert band(shape, run).high * 2**30 >= peak(shape, eager).total
    assert peak(shape, eager).total > 1.2 * peak(shape, run).total


def test_parallel_residuals_keep_the_input_of_their_norms_once() -> None:
    neox = KNOWN["gpt_neox"]["config"]
    run = Run(checkpointing=False, stack=STACKS["hf"])
    side = peak(shape_of({**neox, "use_parallel_residual": True}), run).total
    after = peak(shape_of({**neox, "use_parallel_residual": False}), run).total
    layers, hidden = neox["num_hidden_layers"], neox["hidden_size"]
    assert after - side == pytest.approx(layers * 2048 * hidden * 2, rel=0.01)


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
