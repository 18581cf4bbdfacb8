"""How architectures differ: biases, norms, names of modules, what is tied where a config.json is silent.

Read from the modelling code of transformers 5.24 (4.46 for GPT-2's kin). A bias is True, False, or the key of the
config that switches it on.
"""

from tunedoctor.memory.family import Family

_NEOX = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
_OPT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
_OPT_KIN = Family(
    qkv_bias=True, o_bias=True, feed_bias=True, norm="layer", gated=False, names=_OPT, tied=True
)
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
    "cohere": Family(
        norm="centred", norm_bias=False, norms=1, feed_bias=False, tied=True, asked_norm="heads"
    ),
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
    "stablelm": Family(
        qkv_bias="use_qkv_bias",
        o_bias=False,
        feed_bias=False,
        norm="layer",
        parallel_norms=1,
        asked_norm="heads",
    ),
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
        sinks="among",
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
        own_value=True,
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
        own_value=True,
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
    "opt": _OPT_KIN,
    "biogpt": _OPT_KIN,
    "xglm": _OPT_KIN._replace(sdpa=False),
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
    "granite_swa": Family(tied=True, sinks="after"),
    "granitemoe_swa": Family(sinks="after"),
    "helium": Family(o_bias=False),
    "afmoe": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=False,
        query_norm="head",
        norms=4,
        out_gate="gate_proj",
        router_bias=True,
    ),
    "aria_text": Family(),
    "axk1": Family(feed_bias=False, moe_norms=1),
    "bitnet": Family(feed_bias=False, sub_norms=True),
    "codegen": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=True,
        head_bias=True,
        norm="layer",
        norms=1,
        gated=False,
        fused="qkv",
        own_value=True,
        names=("qkv_proj", "out_proj", "fc_in", "fc_out"),
    ),
    "cohere2_moe": Family(norm="centred", norm_bias=False, norms=1, feed_bias=False, tied=True),
    "deepseek_v32": Family(feed_bias=False),
    "glm_moe_dsa": Family(feed_bias=False),
    "exaone_moe": _QWEN3,
    "flint": _QWEN3._replace(sinks="wide"),
    "hy_v3": _QWEN3,
    "kolibri1": _QWEN3._replace(norms=4),
    "laguna": _QWEN3._replace(head_gate="g_proj", router_bias=True),
    "mellum": _QWEN3,
    "minimax_m3_vl_text": Family(
        norm="gemma", query_norm="head", feed_bias=False, names=_GLM4.names
    ),
    "lara_mini": _QWEN3,
    "lfm3": Family(
        qkv_bias=False,
        o_bias=False,
        feed_bias=False,
        query_norm="head",
        head_gate="g_proj",
        tied=True,
        names=("q_proj", "k_proj", "v_proj", "o_proj", "w1", "w3", "w2"),
    ),
    "gemma3n": _GEMMA._replace(norm="rms", norms=4, query_norm="head", value_norm=True),
    "gemma4": _GEMMA._replace(norm="rms", norms=4, query_norm="head", value_norm=True),
    "gemma4_unified": _GEMMA._replace(norm="rms", norms=4, query_norm="head", value_norm=True),
    "gpt_neo": Family(
        qkv_bias=False,
        o_bias=True,
        feed_bias=True,
        norm="layer",
        gated=False,
        tied=True,
        names=("q_proj", "k_proj", "v_proj", "out_proj", "c_fc", "c_proj"),
        sdpa=False,
    ),
    "jais2": Family(norm="layer", gated=False, names=_PLAIN),
    "hyperclovax": Family(),
    "llama4": Family(query_norm="bare", feed_bias=False),
    "olmo_hybrid": Family(query_norm="full", feed_bias=False),
    "kimi_linear": Family(feed_bias=False),
    "mimo_v2_flash": Family(
        qkv_bias="attention_bias", o_bias=False, feed_bias=False, sinks="among", window_sinks=True
    ),
    "nanochat": Family(
        qkv_bias="attention_bias",
        o_bias="attention_bias",
        feed_bias=False,
        query_norm="bare",
        norm_weight=False,
        gated=False,
        names=("q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2"),
    ),
    "persimmon": Family(
        qkv_bias=True,
        o_bias=True,
        feed_bias=True,
        norm="layer",
        gated=False,
        fused="qkv",
        names=_NEOX,
    ),
    "sarvam_moe": Family(o_bias=False, feed_bias=False),
    "solar_open": Family(o_bias=False, feed_bias=False),
    "sarvam_mla": Family(feed_bias=False),
    "youtu": Family(feed_bias=False, tied=True),
}

NO_HEADS = ("mamba", "falcon_mamba", "mamba2")
"""Model types without attention and without a feed-forward part."""

ALIASES = {
    "gemma3_text": "gemma3",
    "apertus1p5_text": "apertus",
    "llama4_text": "llama4",
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
