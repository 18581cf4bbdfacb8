"""Counts of parameters, and shapes from any config."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunedoctor.memory.adapters import adapter_elements
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.families import KNOWN
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.tables.small import ModelRow, models


@pytest.mark.parametrize("row", models(), ids=lambda row: row.name)
def test_counts_are_exact_for_every_model_of_the_catalogue(row: ModelRow) -> None:
    found = parameters(shape_of(row.config, row.name))
    assert found.total == row.params
    assert sum(found[1:]) == found.total


@pytest.mark.parametrize(
    ("rank", "targets", "elements"),
    [
        # trainable parameters that PEFT's own benchmark prints for Llama-3.2-3B
        (32, ("q_proj", "v_proj"), 9_175_040),
        (64, ("q_proj", "v_proj"), 18_350_080),
        (10, ("gate_proj", "up_proj", "down_proj"), 9_461_760),
    ],
)
def test_adapters_are_counted_as_peft_counts_them(
    rank: int, targets: tuple[str, ...], elements: int
) -> None:
    assert adapter_elements(named("Llama-3.2-3B"), Run(rank=rank, targets=targets)) == elements


MIXTRAL = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2,
    "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
    "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "n_shared_experts": 1,
    "n_routed_experts": 256, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "qk_nope_head_dim": 128, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "vocab_size": 129280,
    "tie_word_embeddings": False,
}  # fmt: skip
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "vocab_size": 50257,
    "n_positions": 1024,
}
MAMBA = {"model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 24, "state_size": 16, "vocab_size": 50280,
         "intermediate_size": 1536, "conv_kernel": 4, "time_step_rank": 48, "use_conv_bias": True}  # fmt: skip
FALCON = {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
          "multi_query": True, "parallel_attn": True, "bias": False, "vocab_size": 65024}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "published"),
    [
        (MIXTRAL, 46_702_792_704),
        (DEEPSEEK_V3, 671_026_404_352),
        (GPT2, 124_439_808),
        (MAMBA, 129_135_360),
        (FALCON, 6_921_720_704),
    ],
    ids=["mixtral", "mla", "gpt2", "mamba", "falcon"],
)
def test_other_architectures_count_to_their_published_totals(
    config: dict[str, object], published: int
) -> None:
    assert parameters(shape_of(config)).total == published


KEYS = [
    "hidden_size", "n_embd", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
    "intermediate_size", "vocab_size", "tie_word_embeddings", "num_experts", "num_experts_per_tok", "layer_types",
    "sliding_window", "kv_lora_rank", "q_lora_rank", "text_config", "vision_config", "mlp_only_layers",
    "hybrid_override_pattern", "moe_intermediate_size", "linear_num_value_heads", "mamba_expand", "attention_bias",
]  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.integers(0, 4096),
    st.floats(),
    st.text(max_size=9),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner),
    ),
    max_leaves=12,
)
CONFIGS = st.fixed_dictionaries(
    {"model_type": st.one_of(st.sampled_from([*KNOWN.families, "made_up"]), LEAVES)},
    optional=dict.fromkeys(KEYS, VALUES),
)


@settings(max_examples=300)
@given(st.one_of(CONFIGS, VALUES))
def test_any_config_is_read_or_refused_in_a_sentence(config: object) -> None:
    try:
        shape = shape_of(config)
    except MemoryModelError as error:
        assert str(error)
        return
    for method in ("lora", "qlora", "full"):
        found = peak(shape, Run(method=method, seq=128))
        assert found.total == sum(found.terms.values())
        assert found.total >= 0


@pytest.mark.parametrize("model_type", KNOWN.families)
def test_every_family_makes_a_model_that_adapters_reach(model_type: str) -> None:
    config = {"model_type": model_type, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
              "vocab_size": 512, "intermediate_size": 128, "kv_lora_rank": 16 if "deepseek" in model_type else None}  # fmt: skip
    shape = shape_of(json.loads(json.dumps(config)))
    assert adapter_elements(shape, Run(rank=4)) > 0
    assert shape.depth == 4


def test_a_size_is_taken_for_a_model_as_large() -> None:
    assert "Llama-2-7b" in named("7B").name
    assert not named("7B").exact
    with pytest.raises(MemoryModelError, match="config"):
        named("700B")
