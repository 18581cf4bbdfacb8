"""Read a shape from the config.json of a Hugging Face model, after parsing, cleaning and rejecting duplicate keys."""

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from tunedoctor.facts.clean import clean_text, cleaned
from tunedoctor.memory import build, mixers
from tunedoctor.memory.build import Numbers, attention, finished, norm_of
from tunedoctor.memory.family import (
    DEEPEST,
    KNOWN,
    Family,
    Fields,
    LayerKind,
    family_of,
    name_of,
    senseless,
)
from tunedoctor.memory.shape import Layer, MemoryModelError, Shape
from tunedoctor.memory.sizes import KEYS, bias, kinds, numbers
from tunedoctor.tables.load import table

_TEXT = ("text_config", "llm_config", "language_config", "thinker_config", "language_model")


def shape_of(data: Any, name: str = "") -> Shape:  # noqa: ANN401  JSON of somebody
    """Read a model's shape from its parsed config.json. Raises MemoryModelError if it can't be one."""
    if not isinstance(data, Mapping):
        raise MemoryModelError("a config.json must contain an object")
    whole = Fields(data)
    config = _text_part(whole)
    model_type = (config.word("model_type") or whole.word("model_type"))[:60]
    otherwise = {
        "both": config.flag("is_encoder_decoder"),
        "encoder": config.data.get("type_vocab_size") and not config.flag("is_decoder"),
    }
    for kind, (says, *types) in KNOWN.refused.items():
        if model_type in types or otherwise.get(kind):
            raise MemoryModelError(says.format(model_type or "it"))
    keys = (*KEYS["depths"], *KEYS["hidden"], "vocab_size")
    if all(config.data.get(key) is None for key in keys):
        what = "it is not the config.json of a language model: it has no hidden_size, num_hidden_layers and vocab_size"
        raise MemoryModelError(what)
    family, known = family_of(model_type)
    config.depth = depth = _depth(config)
    usual = numbers(config, family, model_type)
    hidden = usual.hidden
    per_layer = [
        (usual if (own := config.at(i)) is config else numbers(own, family, model_type), kind)
        for i, kind in enumerate(kinds(config, model_type, depth))
    ]
    layers = tuple(
        _layer(config, n, family, model_type, kind, len(list(run)))
        for (n, kind), run in groupby(per_layer)
    )
    told = whole if whole.data.get("tie_word_embeddings") is not None else config
    beside = build.parts_beside(whole, hidden)
    quantised = whole.part("quantization_config") or config.part("quantization_config")
    vocab = config.or_else(0, "vocab_size", "padded_vocab_size") or whole.needed("vocab_size")
    return Shape(
        name=name or (whole.word("_name_or_path") or model_type or "config.json")[:200],
        model_type=model_type,
        hidden=hidden,
        vocab=vocab,
        tied=told.flag("tie_word_embeddings", default=family.tied),
        layers=layers,
        norm=family.norm,
        final_norm=norm_of(hidden, family).size,
        final_softcap=config.number("final_logit_softcapping") > 0,
        head_bias=bias(config, family.head_bias),
        positions=build.positions(config, hidden, model_type)
        + build.inputs_of_layers(config, depth),
        beside=build.beside_layers(config, hidden, depth),
        outside=sum(beside.values()),
        parts_unread=tuple(key for key, size in beside.items() if not size),
        unread=() if known else _unread(config),
        exact=known,
        named_targets=model_type in KNOWN.peft.named_targets,
        wide_residual=config.flag(
            "residual_in_fp32", default=model_type in KNOWN.without_attention
        ),
        streams=config.or_else(1, "altup_num_inputs", "hc_mult"),
        wide_logits=family.wide_logits,
        # additional scores next to the tokens', or capped ones, exist only in eager attention
        stored=quantised.word("quant_method")[:40] if quantised else "",
        sdpa=family.sdpa and not family.sinks and not config.number("attn_logit_softcapping"),
    )


_GATED = ("silu", "swish", "swiglu")
"""Activations with which unknown architectures have a gate."""


def _unread(config: Fields) -> tuple[str, ...]:
    names = ("hidden_act", "hidden_activation", "activation_function")
    key = next((name for name in names if config.data.get(name)), "hidden_act")
    if str(config.data.get(key)).lower() in _GATED:
        return config.unread()
    return (key, *config.unread())


def _text_part(whole: Fields) -> Fields:
    """Return the language model's own config, which is one or two levels deep in multimodal ones."""
    config = whole
    for _ in range(3):
        inner = config.part(*_TEXT)
        if inner is None:
            break
        config = inner
    if config is whole:
        return _flat(whole)
    # values that equal the class's defaults are not written there
    usual = table("config_defaults")["types"].get(config.data.get("model_type"), {})
    return _flat(Fields({**usual, **config.data}))


def _flat(config: Fields) -> Fields:
    """Return the config with the nested attention and feed-forward parts of DBRX and MPT moved to the top level."""
    parts = [one for key in ("attn_config", "ffn_config") if (one := config.part(key))]
    if not parts:
        return config
    inner = {
        key: value for part in parts for key, value in part.data.items() if key != "model_type"
    }
    return Fields({**inner, **config.data})


def _depth(config: Fields) -> int:
    depth = (
        config.whole(*KEYS["depths"], least=1)
        or len(config.words("layers_block_type"))
        or config.needed(*KEYS["depths"])
    )
    if depth > DEEPEST:
        key = config.key(*KEYS["depths"], "layers_block_type")
        raise senseless(key, depth, f"a whole number from 1 to {DEEPEST}")
    return depth


def _layer(  # noqa: PLR0913  what makes a layer
    config: Fields, n: Numbers, family: Family, model_type: str, kind: LayerKind, repeat: int
) -> Layer:
    name = name_of(model_type)
    match kind.mixer:
        case "latent":
            mixing = mixers.latent(config, n, family, indexed=kind.indexed)
        case "delta" if config.whole("linear_num_heads") or config.part("linear_attn_config"):
            mixing = mixers.by_channel(config, n.hidden)
        case "delta":
            mixing = mixers.delta(config, n.hidden, _PROJECTIONS.get(name, "split"))
        case "convolution":
            mixing = mixers.convolution(config, n.hidden)
        case "mamba1":
            mixing = mixers.mamba1(config, n.hidden)
        case "mamba2":
            mixing = mixers.mamba2(config, n.hidden)
        case "both":  # Falcon H1: attention and Mamba in parallel
            one, two = attention(n, family, kind), mixers.mamba2(config, n.hidden)
            first, second = one[1], two[1]
            joined = replace(
                first,
                kept=first.kept + second.kept,
                trained=first.trained + second.trained,
                scan=second.scan,
                by_kernels=first.kept + second.by_kernels,
            )
            mixing = ([*one[0], *two[0]], joined, [*one[2], *two[2]], one[3] + two[3])
        case "none":
            return finished(n, family, repeat, ([], None, [], 0), kind=kind)
        case _:
            mixing = attention(n, family, kind)
    made = finished(n, family, repeat, mixing, kind=kind)
    return build.with_input_of_its_own(made, config, n, family)


_PROJECTIONS: dict[str, mixers.Projections] = {"qwen3_next": "joined", "olmo_hybrid": "plain"}

LARGEST = 2 << 20
"""Most bytes of a config.json; one with names for 20,000 labels has 1 MB. Parsed, it can be 50 times larger."""


def parsed(data: bytes) -> Any:  # noqa: ANN401  JSON of somebody
    """Return parsed JSON, cleaned; Infinity, as in configs of Mamba, is allowed. Raises MemoryModelError."""
    if data[:4] == b"GGUF" or data[8:10] == b'{"':
        what = "these are weights; the estimate needs the model's config.json"
        raise MemoryModelError(what)
    if not data.strip():
        raise MemoryModelError("it is empty")
    try:
        return cleaned(json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object))
    except UnicodeDecodeError:
        what = "it is not JSON: not UTF-8 text"
    except RecursionError:
        what = "its JSON is nested too deeply"
    except ValueError as error:
        what = f"it is not JSON: {str(error)[:100]}"
    raise MemoryModelError(what) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result and result[key] != value:
            what = f"{clean_text(key)[:60]} occurs twice, with different values"
            raise MemoryModelError(what)
        result[key] = value
    return result
