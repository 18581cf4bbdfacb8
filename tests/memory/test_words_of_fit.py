"""What people write for a fit: tokens, GPUs, models, configurations and options of a run."""

import re

import pytest

from tunedoctor.core.models import cards_near
from tunedoctor.memory.catalogue import find_model
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.fit_report import run_of
from tunedoctor.memory.host import tokens_of
from tunedoctor.memory.parameters import adapter_elements, parameters
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20000000", 20000000),
        ("20M", 20000000),
        ("1.5B", 1500000000),
    ],
)
def test_tokens_are_a_number_with_a_unit(text, expected):
    assert tokens_of(text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RTX 3O90", "RTX 3090"),
        ("H10", "H100"),
        ("RX 7900 XY", "RX 7900 XT"),
        ("A1000 80GB", "A100"),
    ],
)
def test_the_nearest_card_is_suggested_for_a_wrong_name(name, text):
    assert text in cards_near(name)[0]


@pytest.mark.parametrize(
    "name",
    [
        "foo",
        "",
        "?",
        "x" * 1000,
    ],
)
def test_no_card_is_suggested_for_a_name_that_is_like_none(name):
    assert cards_near(name) == []


@pytest.mark.parametrize(
    ("rank", "targets", "expected"),
    [
        (32, ("q_proj", "v_proj"), 9175040),
        (64, ("q_proj", "v_proj"), 18350080),
        (10, ("gate_proj", "up_proj", "down_proj"), 9461760),
    ],
)
def test_adapters_have_the_elements_that_peft_counts(rank, targets, expected):
    result = adapter_elements(find_model("Llama-3.2-3B"), Run(rank=rank, targets=targets))
    assert result == expected


@pytest.mark.parametrize(
    ("data", "total"),
    [
        (
            {
                "model_type": "mixtral",
                "hidden_size": 4096,
                "intermediate_size": 14336,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "num_local_experts": 8,
                "num_experts_per_tok": 2,
                "vocab_size": 32000,
                "tie_word_embeddings": False,
            },
            46702792704,
        ),
        (
            {
                "model_type": "deepseek_v3",
                "hidden_size": 7168,
                "intermediate_size": 18432,
                "moe_intermediate_size": 2048,
                "num_hidden_layers": 61,
                "num_attention_heads": 128,
                "num_key_value_heads": 128,
                "n_shared_experts": 1,
                "n_routed_experts": 256,
                "kv_lora_rank": 512,
                "q_lora_rank": 1536,
                "qk_rope_head_dim": 64,
                "v_head_dim": 128,
                "qk_nope_head_dim": 128,
                "num_experts_per_tok": 8,
                "first_k_dense_replace": 3,
                "vocab_size": 129280,
                "tie_word_embeddings": False,
            },
            671026404352,
        ),
        (
            {
                "model_type": "gpt2",
                "n_embd": 768,
                "n_layer": 12,
                "n_head": 12,
                "vocab_size": 50257,
                "n_positions": 1024,
            },
            124439808,
        ),
        (
            {
                "model_type": "mamba",
                "hidden_size": 768,
                "num_hidden_layers": 24,
                "state_size": 16,
                "vocab_size": 50280,
                "intermediate_size": 1536,
                "conv_kernel": 4,
                "time_step_rank": 48,
                "use_conv_bias": True,
            },
            129135360,
        ),
        (
            {
                "model_type": "falcon",
                "hidden_size": 4544,
                "num_hidden_layers": 32,
                "num_attention_heads": 71,
                "multi_query": True,
                "parallel_attn": True,
                "bias": False,
                "vocab_size": 65024,
            },
            6921720704,
        ),
    ],
)
def test_a_configuration_gives_the_published_number_of_parameters(data, total):
    assert parameters(shape_of(data)).total == total


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("700B", "config"),
        ("lama-3.1-8b", "Llama-3.1-8B"),
    ],
)
def test_an_unknown_model_is_refused_with_a_way_out(text, message):
    with pytest.raises(MemoryModelError, match=re.escape(message)):
        find_model(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "many",
        "1e9",
        "9999999999999999999999999999999999999999",
        "20 T",
    ],
)
def test_what_is_no_number_of_tokens_is_refused(text):
    with pytest.raises(MemoryModelError, match="--tokens"):
        tokens_of(text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {
                "model_type": "llama",
                "hidden_size": 512,
                "intermediate_size": 1024,
                "num_hidden_layers": 4,
                "num_attention_heads": 8,
                "num_key_value_heads": 4,
                "vocab_size": 1000,
                "tie_word_embeddings": "false",
            },
            "tie_word_embeddings",
        ),
        (
            {
                "model_type": "llama",
                "hidden_size": 512,
                "intermediate_size": 1024,
                "num_hidden_layers": 4,
                "num_attention_heads": 8,
                "num_key_value_heads": 4,
                "vocab_size": 1000,
                "attention_bias": "yes",
            },
            "attention_bias",
        ),
        (
            {
                "model_type": "llama",
                "hidden_size": 512,
                "intermediate_size": 1024,
                "num_hidden_layers": 4,
                "num_attention_heads": 8,
                "num_key_value_heads": 4,
                "vocab_size": 1000,
                "mlp_bias": 3,
            },
            "mlp_bias",
        ),
    ],
)
def test_a_wrong_value_of_a_configuration_is_named(data, message):
    with pytest.raises(MemoryModelError, match=re.escape(message)):
        shape_of(data)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"method": "lorra"}, "method"),
        ({"rank": 0}, "rank"),
        ({"rank": "x"}, "rank"),
        ({"max_length": -1}, "max_length"),
        ({"dropout": 2}, "dropout"),
        ({"dora": "perhaps"}, "dora"),
        ({"precision": 16}, "precision"),
        ({"batch": 1000000000000}, "batch"),
        ({"micro_batch": 1.5}, "micro_batch"),
    ],
)
def test_a_wrong_option_of_a_run_is_named(config, message):
    with pytest.raises(MemoryModelError, match=re.escape(message)):
        run_of(config)
