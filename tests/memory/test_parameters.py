"""Counts of parameters, shapes from any config, and what a configuration of doctor train takes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import words

import tunedoctor
from tunedoctor.memory.band import Device
from tunedoctor.memory.catalogue import find_model
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.family import KNOWN
from tunedoctor.memory.fit_report import estimate_run, forecast, refusal, run_of
from tunedoctor.memory.parameters import adapter_elements, parameters
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.tables.small import models


@pytest.mark.parametrize("row", models(), ids=lambda row: row.name)
def test_counts_are_those_of_transformers_for_every_model_of_the_catalogue(row):
    found = parameters(find_model(row.name))
    guessed = "vision_config" in row.config
    assert found.total == pytest.approx(row.params, rel=0.01 if guessed else 0)
    assert sum(found[1:]) == found.total
    assert all(find_model(name).name.endswith(f"(shape of {row.name})") for name in row.alike)


@pytest.mark.parametrize(
    ("name", "row", "stored"),
    [
        ("Llama-3.1-8B", "", ""),
        ("Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B", ""),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", "meta-llama/Llama-3.1-8B", "bitsandbytes"),
        ("TheBloke/Llama-2-7B-Chat-GPTQ", "meta-llama/Llama-2-7b-hf", "gptq"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct-AWQ", "Qwen/Qwen2.5-7B", "awq"),
        ("mistralai/Mistral-7B-Instruct-v0.2", "mistralai/Mistral-7B-v0.2", ""),
        ("llama3.2 3b it", "meta-llama/Llama-3.2-3B", ""),
        ("TinyLlama-1.1B", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", ""),
    ],
)
def test_a_variant_has_the_shape_of_its_base(name, row, stored):
    found = find_model(name)
    assert found.name == (f"{name} (shape of {row})" if row else "meta-llama/Llama-3.1-8B")
    assert (found.stored, found.exact) == (stored, True)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Mistral-7B", "Mistral-7B-v0.1 or"),
        ("glm_4_9b", "glm-4-9b or"),
        ("lama-3.1-8b", "Llama-3.1-8B"),
        ("instruct", "'instruct'$"),
        (" ", "''$"),
    ],
)
def test_what_fits_none_or_several_is_answered_with_near_names(name, near):
    with pytest.raises(MemoryModelError, match=near):
        find_model(name)


KEYS = words("config")
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
def test_any_config_is_read_or_refused_in_a_sentence(config):
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
def test_every_family_makes_a_model_that_adapters_reach(model_type):
    config = {"model_type": model_type, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
              "vocab_size": 512, "intermediate_size": 128, "kv_lora_rank": 16 if "deepseek" in model_type else None}  # fmt: skip
    shape = shape_of(json.loads(json.dumps(config)))
    assert adapter_elements(shape, Run(rank=4)) > 0
    assert shape.depth == 4


KNOWN: dict[str, Any] = json.loads((Path(__file__).parent / "architectures.json").read_text())
"""Configs as the classes of transformers 5.24 have them, with the parameters of their models on the meta device."""
PLAIN: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 12,
    "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000, "hidden_act": "silu",
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_counts_are_those_of_the_real_class(name):
    shape = shape_of(KNOWN[name]["config"])
    assert parameters(shape).total == KNOWN[name]["parameters"]
    assert sum(parameters(shape)[1:]) == KNOWN[name]["parameters"]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"latent_rank": 64}, "latent_rank"),
        ({"widths": [3, 4, 5]}, "widths"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"hidden_act": None}, "hidden_act"),
    ],
)
def test_what_is_not_understood_of_an_unknown_architecture_is_named_and_widens_the_range(more, key):
    shape = shape_of({**PLAIN, "model_type": "made_up", **more})
    assert key in shape.unread
    found = estimate_run(shape, Run(), ())
    assert found.peak_range[0] < found.peak_gib / 2 < 2 * found.peak_gib < found.peak_range[1]
    assert any(key in note and "--exact" in note for note in found.notes)


def test_encoders_and_recurrences_are_refused_by_what_they_are():
    bert = {**PLAIN, "model_type": "newbert", "type_vocab_size": 2}
    with pytest.raises(MemoryModelError, match="writes no text"):
        shape_of(bert)
    assert shape_of({**bert, "is_decoder": True}).depth == 12
    with pytest.raises(MemoryModelError, match="recurrence"):
        shape_of({**PLAIN, "model_type": "rwkv"})


LLAMA = find_model("Llama-3.1-8B")
SMALL = (Device("card", "nvidia", 12.0),)
LARGE = (Device("card", "nvidia", 80.0),)
OPTIONS = ["method", "rank", "targets", "dora", "dropout", "max_length", "micro_batch", "batch", "optimizer",
        "precision", "attention", "checkpointing", "chunk", "shard"]  # fmt: skip


def test_defaults_are_those_of_the_trainer():
    source = (Path(tunedoctor.__file__).parent / "target" / "train_input.py").read_text()
    said = dict(re.findall(r'^    (\w+): \w+ = (".*?"|\S+)', source, re.MULTILINE))
    values = {key: said[key].strip('"').lower() for key in OPTIONS if key in said}
    assert {"method", "rank", "max_length", "micro_batch", "batch", "optimizer"} <= set(values)
    assert run_of(values) == run_of({})


def test_what_can_not_fit_is_refused_with_what_would():
    why = refusal({"method": "lora", "max_length": 2048}, LLAMA, SMALL)
    assert "GiB" in why
    assert "method = 'qlora'" in why
    assert "--no-check" in why
    assert refusal({"method": "lora", "max_length": 2048}, LLAMA, LARGE) == ""
    assert refusal({"method": "full"}, LLAMA, ()) == ""


def test_a_micro_batch_that_the_trainer_halves_is_no_reason():
    config = {"method": "qlora", "micro_batch": 16, "max_length": 4096}
    assert forecast(config, LLAMA, SMALL).verdict == "doesn't fit"
    assert refusal({**config, "max_length": 1024, "checkpointing": True}, LLAMA, SMALL) == ""


VALUES_OF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.text())
)


@given(st.dictionaries(st.sampled_from(OPTIONS), VALUES_OF))
def test_any_configuration_is_read_or_refused_in_a_sentence(config):
    try:
        run = run_of(config)
    except MemoryModelError as error:
        assert str(error)
        return
    assert run.tokens >= 1
