"""How architectures differ: biases, norms, names of modules, what is tied where a config.json is silent.

Read from the modelling code of transformers 5.24 (4.46 for GPT-2's kin). A bias is True, False, or the key of the
config that switches it on.
"""

from typing import Literal, NamedTuple

from tunedoctor.memory.shape import NormKind

Bias = bool | str


class Family(NamedTuple):
    """The modules of an architecture's attention layers."""

    qkv_bias: Bias = "attention_bias"
    o_bias: Bias = "attention_bias"
    feed_bias: Bias = "mlp_bias"
    head_bias: Bias = False
    norm: NormKind = "rms"
    norms: int = 2
    """Norms of the residual's width in a layer."""
    norm_bias: bool = True
    """Of a LayerNorm."""
    norm_weight: bool = True
    query_norm: Literal["", "head", "full", "heads"] = ""
    """head: one weight for all heads; full: over the whole projection; heads: a weight for each head."""
    gated: bool = True
    tied: bool = False
    fused: Literal["", "qkv", "all"] = ""
    """qkv: one projection for q, k and v; all: gate and up in one as well."""
    names: tuple[str, ...] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    """Fused ones stand once: ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")."""
    sinks: bool = False
    expert_bias: bool = False
    expert_parts: int = 3
    router_bias: bool = False
    shared_gate: bool = False
    """A matrix of hidden x 1 weighs the shared expert."""
    query_gate: bool = False
    """q_proj makes a gate as wide as the queries."""
    sdpa: bool = True
    learned_activation: int = 0
    """Parameters of the activation of one layer."""
    wide_logits: bool = False
    """Its class makes logits fp32 before it gives them back."""
    one_head_key: bool = False
    """Keys and values of one head where the config says multi_query."""
    as_it_is: bool = False
    """That one head is handed to SDPA as it is, with all query heads; in the newer decoder as many copies."""


_NEOX = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
_OPT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
_PHI3 = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
_SHARED = ("q_proj", "k_proj", "v_proj", "o_proj", "input_linear", "output_linear")
_PLAIN = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj")

LLAMA = Family()
_QWEN2 = Family(qkv_bias=True, o_bias=False, feed_bias=False)
_QWEN3 = Family(query_norm="head", feed_bias=False)
_MISTRAL = Family(qkv_bias=False, o_bias=False, feed_bias=False)
_GEMMA = Family(norm="gemma", tied=True, feed_bias=False)
_GLM4 = Family(
    o_bias=False,
    norms=4,
    feed_bias=False,
    fused="",
    names=("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"),
)

FAMILIES: dict[str, Family] = {
    "llama": LLAMA,
    "mistral": _MISTRAL,
    "ministral": _MISTRAL,
    "ministral3": _MISTRAL,
    "mistral3": _MISTRAL,
    "mixtral": _MISTRAL,
    "qwen2": _QWEN2,
    "qwen2_moe": Family(qkv_bias=True, o_bias=False, feed_bias=False, shared_gate=True),
    "qwen2_vl": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3,
    "qwen3_vl": _QWEN3,
    "qwen3_vl_moe": _QWEN3,
    "qwen3_next": Family(
        norm="gemma", query_norm="head", feed_bias=False, shared_gate=True, query_gate=True
    ),
    "qwen3_5": Family(norm="gemma", query_norm="head", feed_bias=False, query_gate=True),
    "qwen3_5_moe": Family(
        norm="gemma", query_norm="head", feed_bias=False, shared_gate=True, query_gate=True
    ),
    "gemma": _GEMMA,
    "gemma2": _GEMMA._replace(norms=4),
    "gemma3": _GEMMA._replace(norms=4, query_norm="head"),
    "vaultgemma": _GEMMA,
    "olmo": Family(norm="bare", norm_bias=False, norm_weight=False, feed_bias=False),
    "olmo2": Family(query_norm="full", feed_bias=False),
    "olmo3": Family(query_norm="full", feed_bias=False),
    "olmoe": Family(query_norm="full", feed_bias=False),
    "flex_olmo": Family(query_norm="full", feed_bias=False),
    "granite": LLAMA,
    "granitemoe": LLAMA,
    "granitemoeshared": LLAMA._replace(names=_SHARED),
    "granitemoehybrid": LLAMA._replace(names=_SHARED),
    "phi": Family(
        qkv_bias=True,
        o_bias=True,
        feed_bias=True,
        head_bias=True,
        norm="layer",
        norms=1,
        gated=False,
        names=("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"),
    ),
    "phi3": Family(qkv_bias=False, o_bias=False, feed_bias=False, fused="all", names=_PHI3),
    "phimoe": Family(norm="layer", feed_bias=False, head_bias="lm_head_bias"),
    "smollm3": Family(tied=True),
    "cohere": Family(norm="centred", norm_bias=False, norms=1, feed_bias=False, tied=True),
    "cohere2": Family(norm="centred", norm_bias=False, norms=1, feed_bias=False, tied=True),
    "starcoder2": Family(
        qkv_bias="use_bias",
        o_bias="use_bias",
        feed_bias="use_bias",
        norm="layer",
        gated=False,
        names=("q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj"),
        tied=True,
    ),
    "stablelm": Family(qkv_bias="use_qkv_bias", o_bias=False, feed_bias=False, norm="layer"),
    "glm": Family(o_bias=False, feed_bias=False, names=_GLM4.names),
    "glm4": _GLM4,
    "glm4_moe": Family(o_bias=False, feed_bias=False),
    "exaone4": Family(qkv_bias=False, o_bias=False, feed_bias=False, query_norm="head"),
    "ernie4_5": Family(qkv_bias="use_bias", o_bias="use_bias", feed_bias="use_bias", tied=True),
    "ernie4_5_moe": Family(
        qkv_bias="use_bias", o_bias="use_bias", feed_bias="use_bias", router_bias=True, tied=True
    ),
    "seed_oss": Family(o_bias="attention_out_bias"),
    "hunyuan_v1_dense": Family(query_norm="head", feed_bias=False),
    "hunyuan_v1_moe": Family(query_norm="head", feed_bias=False),
    "apertus": Family(
        query_norm="head", feed_bias=False, gated=False, learned_activation=2, names=_PLAIN
    ),
    "arcee": Family(gated=False, names=_PLAIN),
    "nemotron": Family(norm="layer", gated=False, names=_PLAIN),
    "minimax_m2": Family(qkv_bias=False, o_bias=False, feed_bias=False, query_norm="full"),
    "dots1": Family(query_norm="head", feed_bias=False),
    "gpt_oss": Family(
        # its activation clamps gate and up: those, sigmoid(gate), up + 1, and their product are kept
        sinks=True,
        expert_bias=True,
        expert_parts=6,
        router_bias=True,
        qkv_bias=True,
        o_bias=True,
        sdpa=False,
    ),
    "dbrx": Family(
        qkv_bias=False,
        o_bias=False,
        norm="layer",
        norm_bias=False,
        fused="qkv",
        names=("Wqkv", "out_proj", "w1", "v1", "w2"),
    ),
    "gpt_neox": Family(
        qkv_bias=True,
        o_bias=True,
        feed_bias=True,
        norm="layer",
        gated=False,
        fused="qkv",
        names=_NEOX,
    ),
    "falcon": Family(
        qkv_bias="bias",
        o_bias="bias",
        feed_bias="bias",
        norm="layer",
        norms=1,
        gated=False,
        fused="qkv",
        names=_NEOX,
        tied=True,
        one_head_key=True,
        as_it_is=True,
    ),
    "bloom": Family(
        qkv_bias=True,
        o_bias=True,
        feed_bias=True,
        norm="layer",
        gated=False,
        fused="qkv",
        names=_NEOX,
        tied=True,
        sdpa=False,
    ),
    "gpt2": Family(
        qkv_bias=True,
        o_bias=True,
        feed_bias=True,
        norm="layer",
        gated=False,
        fused="qkv",
        names=("c_attn", "c_proj", "c_fc", "c_proj"),
        tied=True,
    ),
    "gpt_bigcode": Family(
        qkv_bias=True,
        o_bias=True,
        feed_bias=True,
        norm="layer",
        gated=False,
        fused="qkv",
        names=("c_attn", "c_proj", "c_fc", "c_proj"),
        tied=True,
        one_head_key=True,
    ),
    "gptj": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=True,
        head_bias=True,
        norm="layer",
        norms=1,
        gated=False,
        names=("q_proj", "k_proj", "v_proj", "out_proj", "fc_in", "fc_out"),
    ),
    "mpt": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=False,
        norm="layer",
        norm_bias=False,
        gated=False,
        fused="qkv",
        names=("Wqkv", "out_proj", "up_proj", "down_proj"),
        tied=True,
        sdpa=False,
    ),
    "opt": Family(
        qkv_bias=True, o_bias=True, feed_bias=True, norm="layer", gated=False, names=_OPT, tied=True
    ),
    "qwen": Family(
        qkv_bias=True,
        o_bias=False,
        feed_bias=False,
        fused="qkv",
        names=("c_attn", "c_proj", "w1", "w2", "c_proj"),
    ),
    "baichuan": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=False,
        fused="qkv",
        names=("W_pack", "o_proj", "gate_proj", "up_proj", "down_proj"),
    ),
    "internlm2": Family(
        qkv_bias="bias",
        o_bias="bias",
        feed_bias=False,
        fused="qkv",
        names=("wqkv", "wo", "w1", "w3", "w2"),
    ),
    "chatglm": Family(
        qkv_bias="add_qkv_bias",
        o_bias=False,
        feed_bias=False,
        fused="all",
        names=("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
    ),
    "lfm2": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=False,
        query_norm="head",
        tied=True,
        names=("q_proj", "k_proj", "v_proj", "out_proj", "w1", "w3", "w2"),
    ),
    "lfm2_moe": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=False,
        query_norm="head",
        tied=True,
        names=("q_proj", "k_proj", "v_proj", "out_proj", "w1", "w3", "w2"),
    ),
    "deepseek_v2": Family(feed_bias=False),
    "deepseek_v3": Family(feed_bias=False),
    "minicpm3": Family(feed_bias=False, tied=True),
    "kimi_k2": Family(feed_bias=False),
    "glm4_moe_lite": Family(feed_bias=False),
    "mamba": Family(tied=True, wide_logits=True),
    "falcon_mamba": Family(tied=True, wide_logits=True),
    "mamba2": Family(wide_logits=True),
    "falcon_h1": Family(),
    "jamba": Family(qkv_bias=False, o_bias=False, feed_bias=False),
    "bamba": Family(),
    "nemotron_h": Family(
        qkv_bias=False, o_bias=False, norms=1, gated=False, names=_PLAIN, wide_logits=True
    ),
    "granite_swa": Family(tied=True, sinks=True),
    "helium": Family(o_bias=False),
}

REFUSED = ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h")
"""Model types whose out_proj peft (0.21) gives no adapter, and raises where all-linear names it."""
NAMED_TARGETS = (*REFUSED, "phimoe")
"""Model types that all-linear fails on. phimoe's router is a linear module that gives back a tuple."""

EXPERT_NAMES = {
    **dict.fromkeys(("mixtral", "minimax", "minimax_m2"), ("w1", "w3", "w2", "gate")),
    **dict.fromkeys(
        (
            *("qwen3_moe", "qwen3_next", "deepseek_v2", "deepseek_v3", "dots1", "ernie4_5_moe"),
            *("glm4_moe", "glm4_moe_lite", "hunyuan_v1_moe", "flex_olmo", "olmoe"),
        ),
        ("gate_proj", "up_proj", "down_proj", "gate"),
    ),
}
"""Names that peft 0.21 carries over from modules to the parameters of routed experts and of their router."""

ALIASES = {
    "gemma3_text": "gemma3",
    "qwen3_5_text": "qwen3_5",
    "qwen3_5_moe_text": "qwen3_5_moe",
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
    "qwen2_5_omni_text": "qwen2",
    "mllama_text_model": "llama",
    "smolvlm": "llama",
    "RefinedWeb": "falcon",
    "RefinedWebModel": "falcon",
}


def family_of(model_type: str) -> tuple[Family, bool]:
    """Return the family of a model type, and whether it is known; who isn't is read as Llama's kin."""
    name = ALIASES.get(model_type, model_type)
    found = FAMILIES.get(name) or FAMILIES.get(name.removesuffix("_text"))
    return (found, True) if found else (LLAMA, False)
