"""The numbers of a config's layers, under whatever names its makers gave them."""

from tunedoctor.memory.build import Numbers
from tunedoctor.memory.families import KNOWN, name_of
from tunedoctor.memory.family import Bias, Family
from tunedoctor.memory.fields import Fields, senseless
from tunedoctor.memory.peft_rules import EXPERT_NAMES

DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "model_dim")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads", "kv_n_heads")
_EXPERTS = (
    *("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    *("num_routed_experts", "n_experts"),
)
_ACTIVE = (
    *("num_experts_per_tok", "top_k_experts", "moe_topk", "moe_k", "num_experts_per_token"),
    *("moe_top_k", "experts_per_token"),
)
_WIDTHS = ("moe_intermediate_size", "expert_ffn_hidden_size", "ffn_hidden_size_moe")
_SHARED = (
    *("shared_expert_intermediate_size", "shared_experts_intermediate_size"),
    *("shared_intermediate_size", "moe_shared_expert_intermediate_size"),
)
_SHARED_COUNT = (
    *("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"),
)
_FEED = (
    *("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "d_ff", "hidden_dim"),
    *("dff", "encoder_ffn_dim"),
)

_DROPOUTS = ("resid_pdrop", "dropout", "hidden_dropout", "hidden_dropout_prob", "residual_dropout")


def numbers(config: Fields, family: Family, model_type: str) -> Numbers:
    """Return what a config says of a layer. Raises MemoryModelError where it does not say it."""
    hidden = config.needed(*HIDDEN)
    heads = (
        config.or_else(1, *_HEADS)
        if model_type in KNOWN.without_attention
        else config.needed(*_HEADS)
    )
    head_dim = config.whole("head_dim", "kv_channels", "d_kv", "attention_head_dim")
    feed = _feed(config, hidden, model_type)
    experts = experts_of(config)
    width = config.or_else(0, *_WIDTHS)
    kv_heads, active = _kv_heads(config, family, heads), config.or_else(1, *_ACTIVE)
    if not head_dim and hidden % heads and not config.whole("kv_lora_rank"):
        wanted = f"head_dim, or a divisor of {config.key(*HIDDEN)} {hidden},"
        raise senseless(config.key(*_HEADS), heads, wanted)
    if heads % kv_heads:
        wanted = f"a divisor of {config.key(*_HEADS)} {heads}"
        raise senseless(config.key(*_KV_HEADS), kv_heads, wanted)
    if experts and active > experts:
        wanted = f"at most {config.key(*_EXPERTS)} {experts}"
        raise senseless(config.key(*_ACTIVE), active, wanted)
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
        dropped=any(config.number(key) > 0 for key in _DROPOUTS),
        expert_names=EXPERT_NAMES.get(name_of(model_type), ()),
        shared_width=_shared(config, model_type, own) if experts else 0,
    )


def experts_of(config: Fields) -> int:
    """Return the number of routed experts; 0: there are none."""
    if config.data.get("is_moe") is False or config.data.get("enable_moe_block") is False:
        return 0
    found = config.or_else(0, *_EXPERTS)
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
    return config.or_else(heads, *_KV_HEADS, least=1)


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
    return config.or_else(4 * hidden, *_FEED, least=1)


def _shared(config: Fields, model_type: str, expert_width: int) -> int:
    if model_type == "llama4_text":
        return config.or_else(0, "intermediate_size")
    if own := config.whole(*_SHARED):
        return own
    return config.or_else(0, *_SHARED_COUNT) * expert_width


def _query_norm(config: Fields) -> bool | None:
    """Tell whether queries and keys are normed, as the config says; None where it says nothing."""
    key = config.key("use_qk_norm", "qk_layernorm", "qk_norm")
    return None if config.data.get(key) is None else config.flag(key)
