"""Which kind each layer of a config is: its mixer, its window, and whether it holds experts."""

from typing import Literal, NamedTuple

from tunedoctor.memory.families import ALIASES
from tunedoctor.memory.fields import Fields


class Kind(NamedTuple):
    """One layer."""

    mixer: Literal[
        "attention", "latent", "delta", "convolution", "mamba1", "mamba2", "both", "none"
    ]
    window: int = 0
    moe: bool = False
    feeds: bool = True


def kinds(config: Fields, model_type: str, depth: int) -> list[Kind]:
    """Return the kind of each of `depth` layers."""
    name = ALIASES.get(model_type, model_type)
    return [_kind(config, name, i) for i in range(depth)]


def _kind(config: Fields, name: str, i: int) -> Kind:  # noqa: C901, PLR0911  one for each way of telling
    moe = _is_moe(config, name, i)
    if name in ("mamba", "falcon_mamba"):
        return Kind("mamba1", feeds=False)
    if name == "mamba2":
        return Kind("mamba2", feeds=False)
    if name == "falcon_h1":
        return Kind("both")
    pattern = config.data.get("hybrid_override_pattern")
    if isinstance(pattern, str) and i < len(pattern):  # Nemotron H: one part for each layer
        part = {"M": Kind("mamba2", feeds=False), "*": Kind("attention", feeds=False)}
        return part.get(pattern[i], Kind("none", moe=pattern[i] == "E"))
    said = _said(config, i)
    if name == "nemotron_h" and said:
        return _single(said)
    if "mamba" in said or (said == "linear_attention" and name in _MAMBA2):
        return Kind("mamba1" if name in ("jamba", "zamba") else "mamba2", moe=moe)
    if said in ("linear_attention", "linear"):
        return Kind("delta", moe=moe)
    if "conv" in said or "recurrent" in said:
        return Kind("convolution", moe=moe)
    if not said and (other := _by_period(config, name, i)) is not None:
        return Kind(other, moe=moe)
    if config.whole("kv_lora_rank"):
        return Kind("latent", moe=moe)
    return Kind("attention", _window(config, name, said, i), moe)


_MAMBA2 = ("bamba", "granitemoehybrid", "zamba2")
"""Hybrids whose "linear_attention" is Mamba 2."""


def _single(said: str) -> Kind:
    """Return the kind of a layer that holds one part alone."""
    if "mamba" in said or said == "linear_attention":
        return Kind("mamba2", feeds=False)
    return (
        Kind("attention", feeds=False) if "attention" in said else Kind("none", moe=said == "moe")
    )


def _said(config: Fields, i: int) -> str:
    """Return what the config itself calls the layer; "" where it does not."""
    for key in ("layer_types", "layers_block_type", "block_types"):
        words = config.words(key)
        if words:
            return words[i % len(words)].lower()
    return ""


def _by_period(
    config: Fields, name: str, i: int
) -> Literal["delta", "convolution", "mamba1", "mamba2"] | None:
    """Return the mixer of layers that a period or a list of places tells; None: attention."""
    if name in ("qwen3_next", "qwen3_5", "qwen3_5_moe"):
        step = config.or_else(4, "full_attention_interval")
        return None if (i + 1) % step == 0 else "delta"
    if name == "jamba":
        period = config.or_else(8, "attn_layer_period")
        return None if i % period == config.or_else(0, "attn_layer_offset") else "mamba1"
    places = config.data.get("attn_layer_indices") or config.data.get("full_attn_idxs")
    if isinstance(places, list) and name in ("bamba", "lfm2", "lfm2_moe", "granitemoehybrid"):
        if i in places:
            return None
        return "convolution" if name.startswith("lfm2") else "mamba2"
    return "mamba2" if name == "bamba" else None


def _window(config: Fields, name: str, said: str, i: int) -> int:
    window = config.or_else(0, "sliding_window")
    if not window or config.data.get("use_sliding_window") is False:
        return 0
    if said:
        return window if "sliding" in said or "chunked" in said else 0
    if name == "gemma2":
        return window if i % 2 == 0 else 0
    pattern = config.or_else(0, "sliding_window_pattern", "_sliding_window_pattern")
    if name in ("gemma3", "cohere2", "gpt_oss") or pattern:
        step = pattern or {"gemma3": 6, "cohere2": 4, "gpt_oss": 2}.get(name, 1)
        return window if (i + 1) % step else 0
    return window


def _is_moe(config: Fields, name: str, i: int) -> bool:  # noqa: PLR0911  one for each way of telling
    if (
        config.whole("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts") or 0
    ) < 2:
        return False
    words = config.words("mlp_layer_types")
    if i < len(words):
        return words[i] == "sparse"
    only_dense = config.data.get("mlp_only_layers")
    if isinstance(only_dense, list) and i in only_dense:
        return False
    moe_layers = config.data.get("moe_layers")
    if isinstance(moe_layers, list) and moe_layers:
        return i in moe_layers
    first = config.or_else(0, "first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
    if i < first:
        return False
    if name == "jamba":
        period = config.or_else(2, "expert_layer_period")
        return i % period == config.or_else(1, "expert_layer_offset") % period
    step = config.or_else(1, "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq")
    return (i + 1) % step == 0
