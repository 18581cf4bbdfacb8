"""Build layers from numbers, and the parts around them: positions, separate inputs for each layer, towers."""

import msgspec
from msgspec.structs import replace

from tunedoctor.memory.family import DEEPEST, Family, Fields, LayerKind
from tunedoctor.memory.shape import Experts, Layer, Matrix, Mixer, Norm

_WRITTEN_OUT = {"gelu_new": 3.0, "gelu_fast": 3.0, "xielu": 2.5}
"""Activations written out in activations.py: GELU also keeps tanh, 1 + tanh and x / 2; xIELU two tensors and a mask."""


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of the attention layers in a config, in elements."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    feed: int
    qkv_bias: bool = False
    o_bias: bool = False
    feed_bias: bool = False
    query_norm: bool | None = None
    """Whether queries and keys are normed, if the config says it."""
    gate: bool = True
    """The output of attention has a gate, if the family has one."""
    value_dim: int = 0
    """Width of a head's values if it differs from that of its keys."""
    norms: int = 2
    parallel: bool = False
    """Attention and the feed-forward part read the same residual."""
    dropped: bool = False
    """The outputs of attention and the feed-forward part pass a dropout, which keeps masks."""
    softcap: bool = False
    experts: int = 0
    active: int = 0
    expert_width: int = 0
    shared_width: int = 0
    latent: int = 0
    """Width that the routed experts read and write, if it differs from that of the residual (Nemotron 3)."""
    activation: str = ""
    expert_names: tuple[str, ...] = ()


def attention(
    n: Numbers, family: Family, kind: LayerKind
) -> tuple[list[Matrix], Mixer, list[Norm], int]:
    """Return the matrices, the mixer, the norms of q and k, and the other parameters of multi-head attention."""
    head, kv_heads = kind.head_dim or n.head_dim, kind.kv_heads or n.kv_heads
    query, key = n.heads * head, kv_heads * head
    value, given = kv_heads * (n.value_dim or head), n.heads * (n.value_dim or head)
    names = family.names
    query_width = query * (2 if family.query_gate else 1)
    if family.fused:
        widths, out = [query + key + value], names[1]
    else:
        own = 1 if kind.borrows else 2 if kind.one_for_both else 3
        widths, out = [query_width, key, value][:own], names[3]
    matrices = [
        Matrix(name, n.hidden, width, "mixer", n.qkv_bias)
        for name, width in zip(names, widths, strict=False)
    ]
    both = [(family.out_gate, given), (family.head_gate, n.heads)] if n.gate else []
    gates = [(name, width) for name, width in both if name]
    for name, width in gates:
        carried = bool(n.experts) and name in n.expert_names
        matrices.append(Matrix(name, n.hidden, width, "mixer", carried=carried))
    reads = "normed" if family.sub_norms else "mixed"
    matrices.append(Matrix(out, given, n.hidden, reads, n.o_bias))
    gated = family.query_gate or bool(gates)
    sinks = family.sinks if kind.window or not family.window_sinks else ""
    mixer = Mixer(
        kind="attention",
        heads=n.heads,
        query=query,
        key=0 if kind.borrows else key,
        value=0 if kind.borrows else value,
        expanded_value=given,
        window=kind.window,
        softcap=n.softcap,
        sinks=sinks,
        kernelless=family.as_it_is and kv_heads == 1 < n.heads,
        assembled=family.as_it_is and 1 < kv_heads < n.heads,
        fused=bool(family.fused) and not family.own_value,
        # per token: what the gate multiplies, and its sigmoid
        kept=given + (n.heads if family.head_gate else given) if gated else 0,
    )
    norms = _inner_norms(n, family, kind, mixer)
    if norms and family.norm == "layer":  # these keep q and k, views of one projection
        mixer = replace(mixer, fused=False)
    return matrices, mixer, norms, n.heads if sinks else 0


def _inner_norms(n: Numbers, family: Family, kind: LayerKind, mixer: Mixer) -> list[Norm]:
    result: list[Norm] = []
    # for an unknown architecture the config's own switch decides
    if n.query_norm if not family.query_norm else n.query_norm is not False:
        head, weights = kind.head_dim or n.head_dim, family.query_norm or family.asked_norm
        double = 2 if family.norm == "layer" and weights == "head" else 1
        for width in (mixer.query, mixer.key):
            if width:
                size = {"head": double * head, "bare": 0}.get(weights, width)
                result.append(Norm(width, size, 0 if weights == "full" else width // head))
    if family.value_norm and mixer.value:
        result.append(Norm(mixer.value, 0, mixer.value // (kind.head_dim or n.head_dim)))
    if family.sub_norms:
        result.append(norm_of(mixer.expanded_value, family))
    return result


def dense(n: Numbers, family: Family, width: int | None = None) -> list[Matrix]:
    """Return the matrices of a dense feed-forward part."""
    feed, bias = n.feed if width is None else width, n.feed_bias
    carried = bool(n.experts and n.expert_names)
    names = family.names[2:] if family.fused else family.names[4:]
    if not feed:
        return []
    joined = family.gated and len(names) == 2  # gate and up in one matrix
    wide, first = (2 * feed, names[:1]) if joined else (feed, names[: 1 + family.gated])
    found = [Matrix(name, n.hidden, wide, "feed", bias, carried=carried) for name in first]
    return [*found, Matrix(names[-1], feed, n.hidden, "gated", bias, carried=carried)]


def residual_norms(n: Numbers, family: Family) -> list[Norm]:
    """Return the norms of one layer with the width of the residual."""
    one = norm_of(n.hidden, family)
    if n.parallel and family.norm == "layer":  # they read the same tensor, which is kept once
        return [one] + [Norm(0, one.size, 1)] * (n.norms - 1)
    return [one] * n.norms


def norm_of(width: int, family: Family) -> Norm:
    """Return one norm over `width` elements."""
    if not family.norm_weight:
        return Norm(width, 0)
    return Norm(width, width * (2 if family.norm == "layer" and family.norm_bias else 1))


def routed(n: Numbers, family: Family) -> tuple[Experts, list[Matrix], int]:
    """Return the experts of a layer, the matrices of its shared expert, and the other parameters (router)."""
    experts = Experts(
        count=n.experts,
        active=max(1, min(n.active, n.experts)),
        inputs=n.latent or n.hidden,
        width=n.expert_width or n.feed,
        bias=family.expert_bias,
        gated=family.gated,
        parts=family.expert_parts,
        names=n.expert_names,
    )
    other = n.experts * n.hidden + (n.experts if family.router_bias else 0)
    other += n.hidden if family.router_scale else 0
    shared = dense(n, family, n.shared_width) if n.shared_width else []
    if shared and family.shared_gate:
        shared = [*shared, Matrix("shared_expert_gate", n.hidden, 1, "feed")]
    if n.latent:
        into = Matrix("fc1_latent_proj", n.hidden, n.latent, "feed", n.feed_bias)
        back = Matrix("fc2_latent_proj", n.latent, n.hidden, "latent", n.feed_bias)
        shared = [*shared, into, back]
    return experts, shared, other


def finished(
    n: Numbers,
    family: Family,
    repeat: int,
    mixing: tuple[list[Matrix], Mixer | None, list[Norm], int],
    *,
    kind: LayerKind,
) -> Layer:
    """Add a feed-forward part to a token mixer."""
    matrices, mixer, norms, other = mixing
    feeds = kind.feeds
    experts, feed = None, n.feed * kind.wide if feeds else 0
    own = dense(n, family, feed) if feeds else []
    more: list[Norm] = []
    if kind.moe and feeds:
        experts, own, router = routed(n, family)
        feed, other = n.shared_width, other + router
        more = [norm_of(n.hidden, family)] * family.moe_norms
    if feed and family.sub_norms:
        more = [*more, norm_of(feed, family)]
    other += family.learned_activation if feeds else 0
    if mixer and n.dropped:  # two masks with a byte per element
        mixer = replace(mixer, kept=mixer.kept + n.hidden)
    around = residual_norms(n, family) if feeds else residual_norms(n, family)[:1]
    return Layer(
        repeat=repeat,
        matrices=(*matrices, *own),
        norms=(*around, *norms, *more),
        residuals=len(around),
        after=family.norms_after,
        parallel=feeds and bool(mixer) and (n.parallel or len(around) == 1),
        mixer=mixer,
        feed=feed,
        gated=family.gated,
        parts=_WRITTEN_OUT.get(n.activation, 0) if feed else 0,
        experts=experts,
        other=other,
    )


_POSITIONS = ("n_positions", "max_position_embeddings")


def positions(config: Fields, hidden: int, model_type: str) -> int:
    """Return the elements of learned positions, and of Bloom's norm of the embedding."""
    if model_type == "bloom":
        return 2 * hidden
    usual = {"gpt2": 1024, "gpt_bigcode": 1024, "gpt_neo": 2048, "opt": 2048, "biogpt": 2048}
    if model_type not in usual:
        return 0
    more = 2 if model_type in ("opt", "biogpt") else 0
    return hidden * (config.or_else(usual[model_type], *_POSITIONS) + more)


def _wide(config: Fields) -> int:
    """Return the width of each layer's own input (Gemma 3n and 4); 0 if there is none."""
    return config.or_else(0, "hidden_size_per_layer_input")


def inputs_of_layers(config: Fields, depth: int) -> int:
    """Return the elements of the embedding for the layers' own inputs, and of its norm."""
    wide = _wide(config)
    vocab = config.or_else(0, "vocab_size_per_layer_input", "vocab_size")
    return wide and vocab * depth * wide + wide


def beside_layers(config: Fields, hidden: int, depth: int) -> tuple[Matrix, ...]:
    """Return the linear modules outside the layers, which all-linear also adapts."""
    found: list[Matrix] = []
    if wide := _wide(config):
        found.append(Matrix("per_layer_model_projection", hidden, depth * wide, "embedded"))
    for name in ("altup_projections", "altup_unembed_projections"):
        more = config.or_else(1, "altup_num_inputs") - 1
        found += [Matrix(f"{name}.{i}", hidden, hidden, "embedded") for i in range(min(more, 64))]
    return tuple(found)


def with_input_of_its_own(layer: Layer, config: Fields, n: Numbers, family: Family) -> Layer:
    """Return the layer with the modules for its own input, and with its alternating updates (Gemma 3n)."""
    matrices, norms, other = list(layer.matrices), list(layer.norms), layer.other
    mixer = layer.mixer
    norm = norm_of(n.hidden, family)
    if wide := _wide(config):
        matrices += [
            Matrix("per_layer_input_gate", n.hidden, wide, "stream"),
            Matrix("per_layer_projection", wide, n.hidden, "own input"),
        ]
        norms.append(norm)
    if rank := config.whole("laurel_rank"):
        matrices += [
            Matrix("linear_left", n.hidden, rank, "mixer"),
            Matrix("linear_right", rank, n.hidden, "laurel"),
        ]
        norms.append(norm)
    if streams := config.whole("altup_num_inputs"):
        matrices += [
            Matrix("correction_coefs", streams, streams, "modalities"),
            Matrix("prediction_coefs", streams, streams * streams, "modalities"),
            Matrix("modality_router", n.hidden, streams, "routed"),
        ]
        norms += [norm, Norm(n.hidden, 0, 1)]  # one norm, used twice
        other += n.hidden
    if len(matrices) == len(layer.matrices):
        return layer
    if mixer:  # the gate, its activation and the layer's own input; streams as received, predicted, and corrected
        kept = 3 * wide + (3 * streams * n.hidden if streams else 0)
        mixer = replace(mixer, kept=mixer.kept + kept)
    return replace(layer, matrices=tuple(matrices), norms=tuple(norms), other=other, mixer=mixer)


_TOWERS = ("vision_config", "audio_config", "vision_tower")
_MORE = ("encoder_config", "speech_config", "qformer_config", "talker_config", "token2wav_config")


def parts_beside(whole: Fields, hidden: int) -> dict[str, int]:
    """Return the elements of each part outside the language model, by key; 0 for a part that can't be read."""
    parts = {key: part for key in (*_TOWERS, *_MORE) if (part := whole.part(key))}
    return {key: _tower(part, hidden) if key in _TOWERS else 0 for key, part in parts.items()}


def _tower(tower: Fields, hidden: int) -> int:
    """Return the elements of a vision or audio tower, counted as a plain transformer, and its projector."""
    width = tower.whole("embed_dim", "hidden_size", "d_model")
    depth = tower.whole("num_hidden_layers", "depth", "encoder_layers", "num_layers")
    if width is None or depth is None or depth > DEEPEST:
        return 0
    feed = tower.whole("intermediate_size", "encoder_ffn_dim") or 4 * width
    matrices = 3 if tower.data.get("hidden_act") in ("silu", "swiglu") else 2
    patch = tower.or_else(14, "patch_size", "spatial_patch_size")
    found = depth * (4 * width * width + matrices * width * feed) + 3 * patch * patch * width
    return found + width * hidden + hidden * hidden
