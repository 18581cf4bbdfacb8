"""Layers from numbers: attention with a feed-forward part, as nearly all models have them."""

import msgspec

from tunedoctor.memory.families import Family
from tunedoctor.memory.shape import Experts, Layer, Matrix, Mixer, Norm

_WRITTEN_OUT = {"gelu_new": 3.0, "gelu_fast": 3.0, "xielu": 2.5}
"""Activations that transformers writes out (activations.py): GELU keeps tanh, 1 + tanh and x / 2 as well, xIELU two
tensors and a mask."""


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What a config says of its attention layers, in elements."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    feed: int
    qkv_bias: bool = False
    o_bias: bool = False
    feed_bias: bool = False
    query_norm: bool = True
    softcap: bool = False
    experts: int = 0
    active: int = 0
    expert_width: int = 0
    shared_width: int = 0
    activation: str = ""
    expert_names: tuple[str, ...] = ()


def attention(
    n: Numbers, family: Family, window: int = 0
) -> tuple[list[Matrix], Mixer, list[Norm], int]:
    """Return the matrices, the mixer, the norms of q and k, and the other parameters of multi-head attention."""
    query, key = n.heads * n.head_dim, n.kv_heads * n.head_dim
    names = family.names
    asked = query * (2 if family.query_gate else 1)
    if family.fused:
        matrices = [Matrix(names[0], n.hidden, query + 2 * key, "mixer", n.qkv_bias)]
        out = names[1]
    else:
        widths = (asked, key, key)
        matrices = [
            Matrix(name, n.hidden, width, "mixer", n.qkv_bias)
            for name, width in zip(names[:3], widths, strict=True)
        ]
        out = names[3]
    matrices.append(Matrix(out, query, n.hidden, "mixed", n.o_bias))
    norms: list[Norm] = []
    if family.query_norm and n.query_norm:
        weights = {
            "head": (n.head_dim, n.head_dim),
            "full": (query, key),
            "heads": (query, key),
        }[family.query_norm]
        norms = [Norm(query, weights[0]), Norm(key, weights[1])]
    mixer = Mixer(
        kind="attention",
        heads=n.heads,
        query=query,
        key=key,
        value=key,
        expanded_value=query,
        window=window,
        softcap=n.softcap,
        sinks=family.sinks,
        kernelless=family.as_it_is and n.kv_heads == 1 < n.heads,
        assembled=family.as_it_is and 1 < n.kv_heads < n.heads,
        fused=bool(family.fused),
        kept=2 * query if family.query_gate else 0,  # sigmoid(gate) and the ungated output
    )
    return matrices, mixer, norms, n.heads if family.sinks else 0


def dense(n: Numbers, family: Family, width: int | None = None) -> list[Matrix]:
    """Return the matrices of a dense feed-forward part."""
    feed = n.feed if width is None else width
    carried = bool(n.experts and n.expert_names)
    names = family.names[2:] if family.fused else family.names[4:]
    if not feed:
        return []
    if not family.gated:
        return [
            Matrix(names[0], n.hidden, feed, "feed", n.feed_bias, carried=carried),
            Matrix(names[-1], feed, n.hidden, "gated", n.feed_bias, carried=carried),
        ]
    if len(names) == 2:
        first = [Matrix(names[0], n.hidden, 2 * feed, "feed", n.feed_bias, carried=carried)]
    else:
        first = [
            Matrix(name, n.hidden, feed, "feed", n.feed_bias, carried=carried) for name in names[:2]
        ]
    return [*first, Matrix(names[-1], feed, n.hidden, "gated", n.feed_bias, carried=carried)]


def residual_norms(n: Numbers, family: Family) -> list[Norm]:
    """Return the norms of the residual's width of one layer."""
    return [norm_of(n.hidden, family)] * family.norms


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
        inputs=n.hidden,
        width=n.expert_width or n.feed,
        bias=family.expert_bias,
        gated=family.gated,
        parts=family.expert_parts,
        names=n.expert_names,
    )
    other = n.experts * n.hidden + (n.experts if family.router_bias else 0)
    shared = dense(n, family, n.shared_width) if n.shared_width else []
    if shared and family.shared_gate:
        shared = [*shared, Matrix("shared_expert_gate", n.hidden, 1, "feed")]
    return experts, shared, other


def usual(n: Numbers, family: Family, repeat: int, *, moe: bool, window: int = 0) -> Layer:
    """Return a layer of multi-head attention and a dense or routed feed-forward part."""
    matrices, mixer, norms, other = attention(n, family, window)
    return finished(n, family, repeat, (matrices, mixer, norms, other), moe=moe)


def finished(  # noqa: PLR0913  what makes a layer
    n: Numbers,
    family: Family,
    repeat: int,
    mixing: tuple[list[Matrix], Mixer | None, list[Norm], int],
    *,
    moe: bool,
    feeds: bool = True,
) -> Layer:
    """Put a feed-forward part to whatever mixes the tokens."""
    matrices, mixer, norms, other = mixing
    experts, feed = None, n.feed if feeds else 0
    own = dense(n, family) if feeds else []
    if moe and feeds:
        experts, own, router = routed(n, family)
        feed, other = n.shared_width, other + router
    other += family.learned_activation if feeds else 0
    return Layer(
        repeat=repeat,
        matrices=(*matrices, *own),
        norms=(*(residual_norms(n, family) if feeds else residual_norms(n, family)[:1]), *norms),
        mixer=mixer,
        feed=feed,
        gated=family.gated,
        parts=_WRITTEN_OUT.get(n.activation, 0) if feed else 0,
        experts=experts,
        other=other,
    )
