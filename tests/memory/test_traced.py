"""The closed form against the real model classes, traced in the target; small models of many architectures."""

import json
from typing import Any

import pytest
from trainers import done
from typed import tool

from tunedoctor.memory.band import relative_error
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.run import Run
from tunedoctor.memory.stacks import STACKS

TRAINED = (4, 5, 7, 8, 15, 18, 22)
"""Settings of the benchmark that train in a second: each method, model, precision, loss, DoRA, dropout and packing."""
BASE: dict[str, Any] = {
    "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 8,
    "num_key_value_heads": 4, "head_dim": 64, "vocab_size": 4096, "tie_word_embeddings": False,
    "max_position_embeddings": 2048,
}  # fmt: skip
LATENT = {"kv_lora_rank": 128, "q_lora_rank": 256, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64,
          "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 256, "n_shared_experts": 1,
          "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "head_dim": None}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen3": {},
    "gpt_neox": {"head_dim": None, "hidden_act": "gelu"},
    "afmoe": {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 256, "num_dense_layers": 1,
              "num_shared_experts": 1, "sliding_window": 4096},
    "bitnet": {"head_dim": None},
    "gemma4_text": {"hidden_size_per_layer_input": 64, "vocab_size_per_layer_input": 4096, "sliding_window": 4096,
                    "num_kv_shared_layers": 0, "global_head_dim": 128, "tie_word_embeddings": True,
                    "layer_types": ["sliding_attention", "full_attention"] * 3},
    "deepseek_v3": LATENT,
    "opt": {"ffn_dim": 2048, "dropout": 0.1, "word_embed_proj_dim": 512, "head_dim": None, "intermediate_size": None, "tie_word_embeddings": True},
}  # fmt: skip
RUNS = {
    "lora, checkpointed": Run(stack=STACKS["doctor"], seq=1024),
    "lora, all kept": Run(stack=STACKS["hf"], checkpointing=False, seq=1024),
}


def config_of(model_type: str) -> dict[str, Any]:
    whole = {"model_type": model_type, **BASE, **CONFIGS[model_type]}
    return {key: value for key, value in whole.items() if value is not None}


def test_the_trainer_takes_what_is_reckoned(torch_python):
    """Each block that the CPU's allocator hands out in two real steps is counted."""
    allocator = tool("allocator", "benchmarks")
    cases = [allocator.TRAINED[at] for at in TRAINED]
    for case, truth, found in allocator.trained(torch_python, cases):
        assert found == pytest.approx(truth, rel=0.02), case


def test_the_closed_form_is_near_the_tracer(torch_python):
    """All in one process of the target."""
    exact = tool("exact", "benchmarks")
    exact.RUNS = RUNS
    compared = exact.compared(torch_python, {name: config_of(name) for name in CONFIGS})
    assert len(compared) == len(CONFIGS) * len(RUNS)
    for row in compared:
        told = relative_error(shape_of(config_of(row.model)), RUNS[row.run])
        assert abs(row.off) <= max(0.04, told), row


def test_a_fault_of_the_target_is_an_answer(train):
    """What can't be traced is told in one line, and the next request is answered all the same."""
    exact = tool("exact", "benchmarks")
    config = config_of("llama")
    good = exact.request(config, shape_of(config), RUNS["lora, checkpointed"])
    bad = {**good, "config": {**config, "model_type": "nothing_of_the_kind"}}
    asked = f"{json.dumps(bad)}\n{json.dumps(good)}\n"
    code = f"import io, runpy, sys\nsys.stdin = io.StringIO({asked!r})\n"
    ended = done(train(code=f"{code}runpy.run_path({str(exact.SCRIPT)!r}, run_name='__main__')"))
    first, second = (json.loads(line) for line in ended.out.splitlines())
    assert "nothing_of_the_kind" in first["error"]
    assert second["peak"] > 0
