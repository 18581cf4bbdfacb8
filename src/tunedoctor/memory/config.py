"""A shape from the config.json of a Hugging Face model."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import msgspec

from tunedoctor.memory import mixers
from tunedoctor.memory.build import Numbers, attention, finished, norm_of
from tunedoctor.memory.families import ALIASES, EXPERT_NAMES, NAMED_TARGETS, Bias, Family, family_of
from tunedoctor.memory.fields import DEEPEST, Fields
from tunedoctor.memory.kinds import Kind, kinds
from tunedoctor.memory.shape import Layer, MemoryModelError, Mixer, Shape
from tunedoctor.tables.config_defaults import defaults_of

_TEXT = ("text_config", "llm_config", "language_config", "thinker_config", "language_model")
_SEQ2SEQ = (
    "t5",
    "mt5",
    "umt5",
    "bart",
    "mbart",
    "pegasus",
    "m2m_100",
    "marian",
    "whisper",
    "led",
    "longt5",
)
_NO_DECODER = (
    "bert",
    "roberta",
    "deberta-v2",
    "deberta",
    "distilbert",
    "electra",
    "xlm-roberta",
    "clip",
    "vit",
)


_NO_HEADS = ("mamba", "falcon_mamba", "mamba2")


def shape_of(data: Any, name: str = "") -> Shape:  # noqa: ANN401  JSON of somebody
    """Read a model's shape from its parsed config.json. Raises MemoryModelError where it can't be one."""
    if not isinstance(data, Mapping):
        what = "a config.json holds an object"
        raise MemoryModelError(what)
    whole = Fields(data)
    config = _text_part(whole)
    model_type = str(config.data.get("model_type") or data.get("model_type") or "")[:60]
    if model_type in _SEQ2SEQ or config.flag("is_encoder_decoder"):
        what = f"{model_type or 'it'} has an encoder and a decoder; the doctor reckons decoder-only models"
        raise MemoryModelError(what)
    if model_type in _NO_DECODER:
        what = f"{model_type} writes no text; the doctor reckons decoder-only language models"
        raise MemoryModelError(what)
    family, known = family_of(model_type)
    numbers = _numbers(config, family, model_type)
    hidden = numbers.hidden
    per_layer = kinds(config, model_type, _depth(config))
    layers = tuple(
        _layer(config, numbers, family, model_type, kind, len(list(run)))
        for kind, run in groupby(per_layer)
    )
    tied = _tied(whole, config, family)
    vocab = config.or_else(0, "vocab_size", "padded_vocab_size") or whole.needed("vocab_size")
    return Shape(
        name=name or str(data.get("_name_or_path") or model_type or "config.json")[:200],
        model_type=model_type,
        hidden=hidden,
        vocab=vocab,
        tied=tied,
        layers=layers,
        norm=family.norm,
        final_norm=norm_of(hidden, family).size,
        final_softcap=bool(config.data.get("final_logit_softcapping")),
        head_bias=_bias(config, family.head_bias),
        positions=_positions(config, hidden, model_type),
        outside=_towers(whole, hidden),
        exact=known,
        named_targets=model_type in NAMED_TARGETS,
        wide_residual=config.flag("residual_in_fp32", default=model_type in _NO_HEADS),
        wide_logits=family.wide_logits,
        sdpa=family.sdpa and not config.data.get("attn_logit_softcapping"),
    )


def _text_part(whole: Fields) -> Fields:
    """Return the language model's own config, which multimodal ones keep one or two levels down."""
    config = whole
    for _ in range(3):
        inner = config.part(*_TEXT)
        if inner is None:
            break
        config = inner
    if config is whole:
        return whole
    # what is as its class has it isn't written there
    return Fields({**defaults_of(str(config.data.get("model_type"))), **config.data})


def _depth(config: Fields) -> int:
    keys = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
    depth = config.whole(*keys) or len(config.words("layers_block_type")) or config.needed(*keys)
    if depth > DEEPEST:
        what = f"it has {depth} layers, and no model has that"
        raise MemoryModelError(what)
    return depth


def _tied(whole: Fields, config: Fields, family: Family) -> bool:
    for place in (whole, config):
        if place.data.get("tie_word_embeddings") is not None:
            return place.flag("tie_word_embeddings")
    return family.tied


def _numbers(config: Fields, family: Family, model_type: str) -> Numbers:
    hidden = config.needed("hidden_size", "n_embd", "d_model", "dim")
    named = ("num_attention_heads", "n_head", "n_heads", "num_heads")
    heads = config.or_else(1, *named) if model_type in _NO_HEADS else config.needed(*named)
    kv_heads = _kv_heads(config, family, heads)
    head_dim = config.whole("head_dim", "kv_channels", "d_kv", "attention_head_dim") or max(
        1, hidden // heads
    )
    feed = _feed(config, hidden, model_type)
    experts = config.or_else(
        0,
        "num_experts",
        "num_local_experts",
        "n_routed_experts",
        "moe_num_experts",
        "num_routed_experts",
    )
    expert_width = config.or_else(
        0, "moe_intermediate_size", "expert_ffn_hidden_size", "ffn_hidden_size_moe"
    )
    return Numbers(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        feed=feed,
        qkv_bias=_bias(config, family.qkv_bias),
        o_bias=_bias(config, family.o_bias),
        feed_bias=_bias(config, family.feed_bias),
        query_norm=_query_norm(config),
        softcap=bool(config.data.get("attn_logit_softcapping")),
        experts=experts if experts > 1 else 0,
        active=config.or_else(
            1,
            "num_experts_per_tok",
            "top_k_experts",
            "moe_topk",
            "moe_k",
            "num_experts_per_token",
            "moe_top_k",
        ),
        expert_width=expert_width or (_own_feed(config, feed) if experts > 1 else 0),
        activation=_activation(config, model_type),
        expert_names=EXPERT_NAMES.get(ALIASES.get(model_type, model_type), ()),
        shared_width=_shared(config, model_type, expert_width) if experts > 1 else 0,
    )


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
    return config.or_else(heads, "num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads")


def _feed(config: Fields, hidden: int, model_type: str) -> int:
    if model_type == "qwen":  # its intermediate_size counts w1 and w2 together
        return config.or_else(8 * hidden, "intermediate_size") // 2
    if model_type == "lfm2" and config.flag("block_auto_adjust_ff_dim", default=True):
        wide = int(2 * config.or_else(4 * hidden, "intermediate_size", "block_ff_dim") / 3)
        wide = int(config.number("block_ffn_dim_multiplier", 1.0) * wide)
        step = config.or_else(256, "block_multiple_of")
        return step * -(-wide // step)
    if model_type == "llama4_text":
        return config.or_else(4 * hidden, "intermediate_size_mlp", "intermediate_size")
    if model_type == "granitemoehybrid" and (shared := config.whole("shared_intermediate_size")):
        return shared
    if model_type in ("mamba", "falcon_mamba", "mamba2"):
        return 0
    keys = ("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "d_ff", "hidden_dim")
    return config.or_else(4 * hidden, *keys)


def _own_feed(config: Fields, feed: int) -> int:
    """Return the width of an expert where `intermediate_size` is that, whatever the dense part has."""
    return config.or_else(feed, "intermediate_size")


def _shared(config: Fields, model_type: str, expert_width: int) -> int:
    if model_type == "llama4_text":
        return config.or_else(0, "intermediate_size")
    own = config.whole(
        "shared_expert_intermediate_size",
        "shared_intermediate_size",
        "moe_shared_expert_intermediate_size",
    )
    if own:
        return own
    count = config.or_else(
        0, "n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"
    )
    return count * expert_width


def _bias(config: Fields, rule: Bias) -> bool:
    if isinstance(rule, bool):
        return rule
    return config.flag(rule)


def _query_norm(config: Fields) -> bool:
    switches = ("use_qk_norm", "qk_layernorm", "qk_norm")
    said = [bool(config.data[key]) for key in switches if config.data.get(key) is not None]
    return said[0] if said else True


def _positions(config: Fields, hidden: int, model_type: str) -> int:
    """Return learned positions, and Bloom's norm of the embedding."""
    if model_type == "bloom":
        return 2 * hidden
    if model_type in ("gpt2", "gpt_bigcode"):
        return hidden * config.or_else(1024, "n_positions", "max_position_embeddings")
    if model_type == "opt":
        return hidden * (config.or_else(2048, "max_position_embeddings") + 2)
    return 0


def _towers(whole: Fields, hidden: int) -> int:
    """Return the elements of a vision or audio tower, by the plain transformer that it is, and its projector."""
    found = 0
    for key in ("vision_config", "audio_config", "vision_tower"):
        tower = whole.part(key)
        if tower is None:
            continue
        width = tower.whole("hidden_size", "embed_dim", "d_model")
        depth = tower.whole("num_hidden_layers", "depth", "encoder_layers", "num_layers")
        if width is None or depth is None or depth > DEEPEST:
            continue
        feed = tower.whole("intermediate_size", "encoder_ffn_dim") or 4 * width
        matrices = 3 if tower.data.get("hidden_act") in ("silu", "swiglu") else 2
        patch = tower.or_else(14, "patch_size", "spatial_patch_size")
        found += depth * (4 * width * width + matrices * width * feed) + 3 * patch * patch * width
        found += width * hidden + hidden * hidden
    return found


def _layer(  # noqa: PLR0913  what makes a layer
    config: Fields, n: Numbers, family: Family, model_type: str, kind: Kind, repeat: int
) -> Layer:
    name = ALIASES.get(model_type, model_type)
    match kind.mixer:
        case "latent":
            mixing = mixers.latent(config, n.hidden, n.heads, n.qkv_bias)
        case "delta":
            mixing = mixers.delta(config, n.hidden, split=name != "qwen3_next")
        case "convolution":
            mixing = mixers.convolution(config, n.hidden)
        case "mamba1":
            mixing = mixers.mamba1(config, n.hidden)
        case "mamba2":
            mixing = mixers.mamba2(config, n.hidden)
        case "both":  # Falcon H1: attention and Mamba side by side
            one, two = attention(n, family, kind.window), mixers.mamba2(config, n.hidden)
            joined = _side_by_side(one[1], two[1])
            mixing = ([*one[0], *two[0]], joined, [*one[2], *two[2]], one[3] + two[3])
        case "none":
            return finished(n, family, repeat, ([], None, [], 0), moe=kind.moe)
        case _:
            mixing = attention(n, family, kind.window)
    return finished(n, family, repeat, mixing, moe=kind.moe, feeds=kind.feeds)


def _side_by_side(one: Mixer, two: Mixer) -> Mixer:
    return msgspec.structs.replace(
        one,
        kept=one.kept + two.kept,
        trained=one.trained + two.trained,
        scan=two.scan,
        by_kernels=one.kept + two.by_kernels,
    )
