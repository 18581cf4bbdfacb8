"""What can differ between architectures and between layers, and how it does, over families.json."""

from typing import Literal, NamedTuple

import msgspec

from tunedoctor.memory.shape import NormKind, Sinks
from tunedoctor.tables.load import table

Bias = bool | str


class Family(msgspec.Struct, frozen=True):
    """The modules of an architecture's attention layers."""

    qkv_bias: Bias = "attention_bias"
    o_bias: Bias = "attention_bias"
    feed_bias: Bias = "mlp_bias"
    head_bias: Bias = False
    norm: NormKind = "rms"
    norms: int = 2
    """Norms of the residual's width in a layer."""
    parallel_norms: int = 2
    """The same where attention and feed-forward part work side by side."""
    norms_after: bool = False
    """The two norms stand behind attention and behind the feed-forward part."""
    norm_bias: bool = True
    """Of a LayerNorm."""
    norm_weight: bool = True
    query_norm: Literal["", "head", "full", "heads", "bare"] = ""
    """head: one weight for all heads; full: over the whole projection; heads: a weight for each head;
    bare: no weight."""
    asked_norm: Literal["head", "heads"] = "head"
    """The same, where a switch of the config alone asks for it."""
    gated: bool = True
    tied: bool = False
    fused: Literal["", "qkv", "all"] = ""
    """qkv: one projection for q, k and v; all: gate and up in one as well."""
    own_value: bool = False
    """Values of a fused projection are copied out of it, or queries and keys are views of it as well."""
    names: tuple[str, ...] = (
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    )
    """Fused ones stand once: ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")."""
    sinks: Sinks = ""
    window_sinks: bool = False
    """Of layers with a window alone."""
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
    out_gate: str = ""
    """Name of a projection as wide as the queries whose sigmoid weighs what attention gives."""
    head_gate: str = ""
    """Name of a projection of one number for each head that does so."""
    sub_norms: bool = False
    """Norms stand before the last matrix of attention and of the feed-forward part (BitNet)."""
    moe_norms: int = 0
    """Norms of the residual's width that layers of experts have beside the others."""
    value_norm: bool = False
    """Values pass a norm without weight (Gemma 3n and 4)."""


Mixers = Literal["attention", "latent", "delta", "convolution", "mamba1", "mamba2", "both", "none"]


class Kind(NamedTuple):
    """One layer."""

    mixer: Mixers
    window: int = 0
    moe: bool = False
    feeds: bool = True
    head_dim: int = 0
    """Width of a head where layers of this kind have their own; 0: as all."""
    kv_heads: int = 0
    borrows: bool = False
    """Takes keys and values of a layer before it, and has no matrices for them (Gemma 3n and 4)."""
    one_for_both: bool = False
    """Keys are the values as well: there is no matrix for these."""
    wide: int = 1
    """How often as wide as others its feed-forward part is."""
    indexed: bool = False
    """A small attention chooses the tokens that are attended to (DeepSeek 3.2)."""


class Peft(msgspec.Struct, frozen=True):
    """What peft does otherwise for some model types."""

    refused: tuple[str, ...]
    """Those whose out_proj it gives no adapter, and raises where all-linear names it."""
    named_targets: tuple[str, ...]
    """Those that all-linear fails on. The routers of phimoe and Llama 4 are linear modules that give back a tuple."""
    expert_names: dict[str, tuple[str, ...]]
    """Names that it carries over from modules to the parameters of routed experts and of their router."""


class _Table(msgspec.Struct, frozen=True):
    families: dict[str, Family]
    peft: Peft
    sees_all_every: dict[str, int]
    """Every how manieth layer sees all tokens, where the config does not say it."""
    mamba2_hybrids: tuple[str, ...]
    """Those whose "linear_attention" is Mamba 2."""
    aliases: dict[str, str]
    without_attention: tuple[str, ...]
    refused: dict[str, tuple[str, ...]]
    """Why a kind of model is not reckoned, and its model types."""
    inert: tuple[str, ...]
    """Keys of numbers that say nothing of a matrix' size, as regular expressions."""
    keys: dict[str, tuple[str, ...]]
    """Names of a config's numbers, as their makers gave them."""


KNOWN = msgspec.convert(table("families"), _Table)


def name_of(model_type: str) -> str:
    """Return the name that a model type's family goes by."""
    return KNOWN.aliases.get(model_type, model_type)


def family_of(model_type: str) -> tuple[Family, bool]:
    """Return the family of a model type, and whether it is known; one that isn't is treated as Llama-like."""
    name = name_of(model_type)
    found = KNOWN.families.get(name) or KNOWN.families.get(name.removesuffix("_text"))
    return (found, True) if found else (Family(), False)
