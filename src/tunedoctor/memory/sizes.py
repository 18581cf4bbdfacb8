"""What a config says about its layers: their numbers, under various names, their mixer, window and experts."""

from tunedoctor.memory.build import Numbers
from tunedoctor.memory.family import (
    KNOWN,
    Bias,
    Family,
    Fields,
    LayerKind,
    Mixers,
    name_of,
    senseless,
)

KEYS = KNOWN.keys


def numbers(config: Fields, family: Family, model_type: str) -> Numbers:
    """Return what a config says about a layer. Raises MemoryModelError if something is missing."""
    hidden = config.needed(*KEYS["hidden"])
    none = model_type in KNOWN.without_attention
    heads = config.or_else(1, *KEYS["heads"]) if none else config.needed(*KEYS["heads"])
    head_dim = config.whole("head_dim", "kv_channels", "d_kv", "attention_head_dim")
    feed = _feed(config, hidden, model_type)
    experts = experts_of(config)
    width = config.or_else(0, *KEYS["widths"])
    kv_heads, active = _kv_heads(config, family, heads), config.or_else(1, *KEYS["active"])
    if not head_dim and hidden % heads and not config.whole("kv_lora_rank"):
        wanted = f"head_dim, or a divisor of {config.key(*KEYS['hidden'])} {hidden}"
        raise senseless(config.key(*KEYS["heads"]), heads, wanted)
    if heads % kv_heads:
        wanted = f"a divisor of {config.key(*KEYS['heads'])} {heads}"
        raise senseless(config.key(*KEYS["kv_heads"]), kv_heads, wanted)
    if experts and active > experts:
        wanted = f"at most {config.key(*KEYS['experts'])} {experts}"
        raise senseless(config.key(*KEYS["active"]), active, wanted)
    own = width or config.or_else(feed, "intermediate_size")
    normed = config.key("use_qk_norm", "qk_layernorm", "qk_norm")
    return Numbers(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim or max(1, hidden // heads),
        value_dim=0 if config.whole("kv_lora_rank") else config.or_else(0, "v_head_dim"),
        feed=config.or_else(feed, "dense_intermediate_size") if experts else feed,
        qkv_bias=bias(config, family.qkv_bias),
        o_bias=bias(config, family.o_bias),
        feed_bias=bias(config, family.feed_bias),
        query_norm=None if config.data.get(normed) is None else config.flag(normed),
        gate=config.flag("use_attention_gate", default=True),
        softcap=config.number("attn_logit_softcapping") > 0,
        norms=_norms(config, family),
        experts=experts,
        active=active,
        expert_width=own if experts else 0,
        activation=_activation(config, model_type),
        parallel=config.flag("use_parallel_residual") or config.flag("parallel_attn"),
        dropped=any(config.number(key) > 0 for key in KEYS["dropouts"]),
        expert_names=KNOWN.peft.expert_names.get(name_of(model_type), ()),
        shared_width=_shared(config, model_type, own) if experts else 0,
        latent=config.or_else(0, "moe_latent_size") if experts else 0,
    )


def experts_of(config: Fields) -> int:
    """Return the number of routed experts; 0 if there are none."""
    if config.data.get("is_moe") is False or config.data.get("enable_moe_block") is False:
        return 0
    found = config.or_else(0, *KEYS["experts"])
    return found if found > 1 else 0


def bias(config: Fields, rule: Bias) -> bool:
    """Return whether a bias exists, according to a family's rule."""
    return rule if isinstance(rule, bool) else config.flag(rule)


def _norms(config: Fields, family: Family) -> int:
    """Return the number of norms on the residual: two more if a switch adds them after each part."""
    if config.data.get("parallel_attn") is not None:  # Falcon
        if not config.flag("parallel_attn"):
            return 2
        usual = 2 if config.flag("new_decoder_architecture") else 1
        return config.or_else(usual, "num_ln_in_parallel_attn")
    if config.flag("use_parallel_residual"):
        return min(family.norms, family.parallel_norms)
    switches = ("use_post_norm", "use_sandwich_norm", "use_sandwich_norms")
    more = 2 if any(config.data.get(key) is True for key in switches) else 0
    return max(family.norms, family.norms + more if family.norms <= 2 else 0)


def _activation(config: Fields, model_type: str) -> str:
    for key in ("hidden_act", "activation_function", "hidden_activation"):
        if isinstance(value := config.data.get(key), str):
            return value
    return {"phi": "gelu_new", "gpt2": "gelu_new", "gptj": "gelu_new"}.get(model_type, "")


def _kv_heads(config: Fields, family: Family, heads: int) -> int:
    if config.data.get("multi_query_attention") is True:  # ChatGLM
        return config.or_else(1, "multi_query_group_num")
    if family.one_head_key and not config.flag("new_decoder_architecture"):
        return 1 if config.flag("multi_query", default=True) else heads
    return config.or_else(heads, *KEYS["kv_heads"], least=1)


def _feed(config: Fields, hidden: int, model_type: str) -> int:
    # their intermediate_size is the sum for w1 and w2, or gate and up
    if both := {"qwen": 8, "recurrent_gemma": 6}.get(model_type):
        return config.or_else(both * hidden, "intermediate_size") // 2
    if model_type == "lfm2" and config.flag("block_auto_adjust_ff_dim", default=True):
        wide = int(2 * config.or_else(4 * hidden, "intermediate_size", "block_ff_dim") / 3)
        wide = int(config.number("block_ffn_dim_multiplier", 1.0) * wide)
        step = config.or_else(256, "block_multiple_of")
        return step * -(-wide // step)
    if model_type == "llama4_text":
        return config.or_else(4 * hidden, "intermediate_size_mlp", "intermediate_size")
    if model_type == "granitemoehybrid" and (shared := config.whole("shared_intermediate_size")):
        return shared
    if model_type in KNOWN.without_attention:
        return 0
    return config.or_else(4 * hidden, *KEYS["feed"], least=1)


def _shared(config: Fields, model_type: str, expert_width: int) -> int:
    if model_type in ("llama4_text", "gemma4_text"):  # the dense part runs beside the experts
        return config.or_else(0, "intermediate_size")
    if own := config.whole(*KEYS["shared"]):
        return own
    return config.or_else(0, *KEYS["shared_count"]) * expert_width


def kinds(config: Fields, model_type: str, depth: int) -> list[LayerKind]:
    """Return the kind of each of `depth` layers."""
    name = name_of(model_type)
    return [_kind(config, name, i) for i in range(depth)]


def _kind(config: Fields, name: str, i: int) -> LayerKind:  # noqa: PLR0911  one for each way of telling
    moe = _is_moe(config, name, i)
    if name in ("mamba", "falcon_mamba"):
        return LayerKind("mamba1", feeds=False)
    if name == "mamba2":
        return LayerKind("mamba2", feeds=False)
    if name == "falcon_h1":
        return LayerKind("both")
    pattern = config.data.get("hybrid_override_pattern")
    if isinstance(pattern, str) and i < len(pattern):  # Nemotron H: one letter for each layer
        part = {"M": LayerKind("mamba2", feeds=False), "*": LayerKind("attention", feeds=False)}
        return part.get(pattern[i], LayerKind("none", moe=pattern[i] == "E"))
    said = _layer_type(config, i)
    if name == "nemotron_h" and said:
        return _single(said)
    if "mamba" in said or (said == "linear_attention" and name in KNOWN.mamba2_hybrids):
        return LayerKind("mamba1" if name in ("jamba", "zamba") else "mamba2", moe=moe)
    if said in ("linear_attention", "linear"):
        return LayerKind("delta", moe=moe)
    if "conv" in said or "recurrent" in said:
        return LayerKind("convolution", moe=moe)
    if not said and (other := _by_period(config, name, i)) is not None:
        return LayerKind(other, moe=moe)
    plain = _attention(config, name, said, i)
    return plain._replace(mixer="latent" if config.whole("kv_lora_rank") else "attention", moe=moe)


def _attention(config: Fields, name: str, said: str, i: int) -> LayerKind:
    window = _window(config, name, said, i)
    kind = LayerKind("attention", window, indexed=_indexed(config, said, i))
    if "full" in said or (not said and not window):
        kind = kind._replace(
            head_dim=config.or_else(512 if name.startswith("gemma4") else 0, "global_head_dim"),
            one_for_both=config.data.get("attention_k_eq_v") is True,
        )
        if kind.one_for_both:
            kind = kind._replace(kv_heads=config.or_else(0, "num_global_key_value_heads"))
    elif window:
        usual = config.or_else(0, "num_key_value_heads") * 2 if name == "mimo_v2_flash" else 0
        kind = kind._replace(
            head_dim=config.or_else(0, "swa_head_dim"),
            kv_heads=config.or_else(usual, "swa_num_key_value_heads"),
        )
    own = (config.whole("num_hidden_layers") or 0) - config.or_else(0, "num_kv_shared_layers")
    if config.whole("num_kv_shared_layers") and i >= own:
        wide = 2 if config.data.get("use_double_wide_mlp") is True else 1
        kind = kind._replace(borrows=True, wide=wide)
    return kind


def _indexed(config: Fields, said: str, i: int) -> bool:
    if not (config.whole("index_n_heads") and config.whole("index_head_dim")):
        return False
    types = config.words("indexer_types")
    chosen = types[i] == "full" if i < len(types) else True
    return chosen and ("index" in said or "sparse" in said or not said)


def _single(said: str) -> LayerKind:
    if "mamba" in said or said == "linear_attention":
        return LayerKind("mamba2", feeds=False)
    mixer: Mixers = "attention" if "attention" in said else "none"
    return LayerKind(mixer, feeds=mixer == "none", moe=said == "moe")


def _layer_type(config: Fields, i: int) -> str:
    """Return the config's own name for the layer; "" if it has none."""
    for key in ("layer_types", "layers_block_type", "block_types"):
        words = config.words(key)
        if words:
            return words[i % len(words)].lower()
    pattern = config.data.get("hybrid_layer_pattern")  # MiMo: 1 for a window
    if isinstance(pattern, list) and i < len(pattern):
        return "sliding_attention" if pattern[i] == 1 else "full_attention"
    linear = config.part("linear_attn_config")  # Kimi Linear: layer numbers, counted from 1
    if linear and isinstance(places := linear.data.get("kda_layers"), list):
        return "linear_attention" if i + 1 in places else "full_attention"
    return ""


def _by_period(config: Fields, name: str, i: int) -> Mixers | None:
    """Return the mixer of a layer from a period or a list of layer numbers; None: attention."""
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
    usual = KNOWN.sees_all_every.get(name, 0)
    step = config.or_else(usual, "sliding_window_pattern", "_sliding_window_pattern")
    return window if not step or (i + 1) % step else 0


def _is_moe(config: Fields, name: str, i: int) -> bool:  # noqa: PLR0911  one for each way of telling
    if not experts_of(config):
        return False
    words = config.words("mlp_layer_types")
    if i < len(words):
        return words[i] == "sparse" or "moe" in words[i]
    flags = config.data.get("moe_layer_freq")  # MiMo: one for each layer
    if isinstance(flags, list):
        return i < len(flags) and flags[i] in (1, True)
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
