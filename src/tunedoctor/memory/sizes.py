"""The numbers of a config's layers, under whatever names its makers gave them."""

from tunedoctor.memory.build import Numbers
from tunedoctor.memory.family import KNOWN, Bias, Family, name_of
from tunedoctor.memory.fields import Fields, senseless

KEYS = KNOWN.keys


def numbers(config: Fields, family: Family, model_type: str) -> Numbers:
    """Return what a config says of a layer. Raises MemoryModelError where it does not say it."""
    hidden = config.needed(*KEYS["hidden"])
    none = model_type in KNOWN.without_attention
    heads = config.or_else(1, *KEYS["heads"]) if none else config.needed(*KEYS["heads"])
    head_dim = config.whole("head_dim", "kv_channels", "d_kv", "attention_head_dim")
    feed = _feed(config, hidden, model_type)
    experts = experts_of(config)
    width = config.or_else(0, *KEYS["widths"])
    kv_heads, active = _kv_heads(config, family, heads), config.or_else(1, *KEYS["active"])
    if not head_dim and hidden % heads and not config.whole("kv_lora_rank"):
        wanted = f"head_dim, or a divisor of {config.key(*KEYS['hidden'])} {hidden},"
        raise senseless(config.key(*KEYS["heads"]), heads, wanted)
    if heads % kv_heads:
        wanted = f"a divisor of {config.key(*KEYS['heads'])} {heads}"
        raise senseless(config.key(*KEYS["kv_heads"]), kv_heads, wanted)
    if experts and active > experts:
        wanted = f"at most {config.key(*KEYS['experts'])} {experts}"
        raise senseless(config.key(*KEYS["active"]), active, wanted)
    own = width or config.or_else(feed, "intermediate_size")
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
        query_norm=_query_norm(config),
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
    )


def experts_of(config: Fields) -> int:
    """Return the number of routed experts; 0: there are none."""
    if config.data.get("is_moe") is False or config.data.get("enable_moe_block") is False:
        return 0
    found = config.or_else(0, *KEYS["experts"])
    return found if found > 1 else 0


def bias(config: Fields, rule: Bias) -> bool:
    """Tell whether a bias is there, by a family's rule."""
    return rule if isinstance(rule, bool) else config.flag(rule)


def _norms(config: Fields, family: Family) -> int:
    """Return the norms of the residual's width: two more where a switch puts them behind each part."""
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


def _feed(config: Fields, hidden: int, model_type: str) -> int:  # noqa: PLR0911  one for each way of telling
    if model_type == "qwen":  # its intermediate_size counts w1 and w2 together
        return config.or_else(8 * hidden, "intermediate_size") // 2
    if model_type == "recurrent_gemma":  # gate and up together
        return config.or_else(6 * hidden, "intermediate_size") // 2
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
    if model_type == "llama4_text":
        return config.or_else(0, "intermediate_size")
    if own := config.whole(*KEYS["shared"]):
        return own
    return config.or_else(0, *KEYS["shared_count"]) * expert_width


def _query_norm(config: Fields) -> bool | None:
    key = config.key("use_qk_norm", "qk_layernorm", "qk_norm")
    return None if config.data.get(key) is None else config.flag(key)
