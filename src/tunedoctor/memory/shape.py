"""The shape of a model: the matrices of each layer, and what the layer keeps for its backward pass.

Sizes are element counts; widths are elements per token.
"""

from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

NormKind = Literal["rms", "gemma", "layer", "bare", "centred"]
"""rms: computed in fp32, weight applied in the model's type; gemma: weight applied in fp32; layer: LayerNorm,
one kernel that keeps its own input; bare: that kernel on an fp32 copy (OLMo); centred: LayerNorm written out in fp32,
which keeps what is centred twice (Cohere)."""
Sinks = Literal["", "among", "after", "wide"]
"""A learned score next to those of the tokens. among: softmax over both in the model's type (gpt-oss); after: it
multiplies the output of attention (Granite); wide: scores and softmax in fp32 (Flint)."""
MixerKind = Literal["attention", "delta", "mamba", "convolution"]


class MemoryModelError(Exception):
    """A model, a run or a card that can't be read; the message is a sentence without its full stop."""


class Matrix(msgspec.Struct, frozen=True):
    """One linear module of a layer: y = x W^T."""

    name: str
    """As in peft's target_modules: "q_proj"."""
    inputs: int
    outputs: int
    reads: str
    """The activation that it reads; modules that read the same one share what autograd keeps of it."""
    bias: bool = False
    refused: bool = False
    """peft refuses an adapter here: Mamba's kernels read the weight directly."""
    carried: bool = False
    """peft applies the name to routed experts instead, and this module gets no adapter."""

    @property
    def size(self) -> int:
        """Elements of the matrix, without its bias."""
        return self.inputs * self.outputs


class Norm(msgspec.Struct, frozen=True):
    """One normalisation."""

    width: int
    """Elements per token that pass it."""
    size: int
    heads: int = 0
    """Rows per token, for a norm without weight; 0: follows from its weight."""

    @property
    def rows(self) -> int:
        """Number of rows per token: one, or one for each head."""
        return self.heads or max(1, self.width // (self.size or self.width))


class Scan(msgspec.Struct, frozen=True):
    """The scan of a Mamba layer in transformers' own code: chunk by chunk (Mamba 2), or token by token."""

    inner: int
    """Width of the scanned tensor, all heads together."""
    state: int
    heads: int = 0
    chunk: int = 0
    """Tokens per chunk; 0: one token at a time."""
    normed: bool = False


class Mixer(msgspec.Struct, frozen=True):
    """The part of a layer that mixes tokens: attention, or a linear alternative."""

    kind: MixerKind
    heads: int = 0
    query: int = 0
    """Width of all queries (and of all keys, if each query head has its own)."""
    key: int = 0
    value: int = 0
    expanded_value: int = 0
    """Width of the values after repeating them for each query head; also that of the output."""
    window: int = 0
    """Number of earlier tokens that a token can attend to; 0: all."""
    softcap: bool = False
    sinks: Sinks = ""
    kernelless: bool = False
    """One key head for many query heads (Falcon): no fast kernel supports it, so the scores are kept in full."""
    fused: bool = False
    """One projection produces q, k and v: the kept part of v keeps all of it."""
    assembled: bool = False
    """q and k are assembled from parts (MLA), so k is as wide as q."""
    kept: int = 0
    """Other elements kept per token, in the model's type."""
    kept_fp32: int = 0
    """Other elements kept per token, in fp32."""
    trained: int = 0
    """Elements kept per token in the model's type if the mixer's own weights train."""
    scan: Scan | None = None
    by_kernels: int = 0
    """Elements that kernels (mamba-ssm, flash-linear-attention) keep instead of all these; 0: there are no kernels."""


class Experts(msgspec.Struct, frozen=True):
    """Routed experts of a layer."""

    count: int
    active: int
    inputs: int
    width: int
    bias: bool = False
    gated: bool = True
    parts: int = 3
    """Tensors with the expert's width that its activation keeps."""
    names: tuple[str, ...] = ()
    """Targets that peft applies to them: of gate, up, down and router; (): none."""

    @property
    def matrices(self) -> int:
        """Elements of all experts' matrices."""
        return self.count * (3 if self.gated else 2) * self.inputs * self.width

    @property
    def size(self) -> int:
        """Elements of all experts, including biases."""
        biases = (2 if self.gated else 1) * self.width + self.inputs
        return self.matrices + (self.count * biases if self.bias else 0)


class Layer(msgspec.Struct, frozen=True):
    """Layers that are identical."""

    repeat: int
    matrices: tuple[Matrix, ...]
    norms: tuple[Norm, ...]
    mixer: Mixer | None
    feed: int = 0
    """Width of the dense feed-forward part (of the shared expert, in a layer with experts); 0: none."""
    gated: bool = True
    parts: float = 0.0
    """Additional tensors with the feed-forward part's width that its activation keeps."""
    experts: Experts | None = None
    residuals: int = 2
    """How many of `norms`, the first ones, are on the residual."""
    after: bool = False
    """They follow attention and the feed-forward part."""
    parallel: bool = False
    """Attention and the feed-forward part read the same normed residual."""
    other: int = 0
    """Elements of parameters that are neither matrices nor norms: routers, convolutions, sinks."""

    @property
    def size(self) -> int:
        """Elements of one of these layers."""
        found = sum(
            matrix.size + (matrix.outputs if matrix.bias else 0) for matrix in self.matrices
        )
        found += sum(norm.size for norm in self.norms)
        return found + (self.experts.size if self.experts else 0) + self.other


class Shape(msgspec.Struct, frozen=True):
    """A model."""

    name: str
    model_type: str
    hidden: int
    vocab: int
    tied: bool
    """The output head and the input embedding are the same matrix."""
    layers: tuple[Layer, ...]
    norm: NormKind = "rms"
    final_norm: int = 0
    """Elements of the last norm; 0 if there is none."""
    final_softcap: bool = False
    head_bias: bool = False
    positions: int = 0
    """Elements of learned positions and of norms and projections around the embedding."""
    outside: int = 0
    """Elements outside the language model: vision and audio towers, projectors; frozen, in the model's type."""
    beside: tuple[Matrix, ...] = ()
    """Linear modules outside the layers, which an adapter covers."""
    stored: str = ""
    """Quantisation of its stored weights: "fp8", "gptq"."""
    unread: tuple[str, ...] = ()
    """Keys of the config that look like sizes but are unknown here."""
    parts_unread: tuple[str, ...] = ()
    """Keys of parts outside the language model that are not counted here."""
    exact: bool = True
    """Every module is known; False if the architecture was read by similarity."""
    like: str = ""
    """The model whose shape this is, if only a size was given."""
    named_targets: bool = False
    """peft fails on all-linear: targets have to be named."""
    wide_residual: bool = False
    """The residual is fp32, whatever the model's type."""
    streams: int = 1
    """Parallel residuals (Gemma 3n's alternating updates, DeepSeek 4's hyper-connections)."""
    wide_logits: bool = False
    """Its class converts logits to fp32 before returning them."""
    sdpa: bool = True
    """The architecture supports scaled dot product attention; False if its class only has eager attention."""

    @property
    def depth(self) -> int:
        """Number of layers."""
        return sum(layer.repeat for layer in self.layers)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its linear modules, without the head, each once."""
        names = [m.name for layer in self.layers for m in layer.matrices]
        names += [m.name for m in self.beside]
        names += [name for one in self.layers if one.experts for name in one.experts.names]
        return tuple(dict.fromkeys(names))


class Depths(NamedTuple):
    """Two numbers of layers that differ by one period of a model's layers; equal if only the whole model will do."""

    few: int
    more: int


def depths(shape: Shape, seq: int) -> Depths:
    """Return the fewest layers to trace, whole periods apart, since the first and the last layer differ."""
    kinds = [_plain(layer, seq) for layer in shape.layers for _ in range(layer.repeat)]
    whole = len(kinds)
    found = Depths(whole, whole)
    for length in range(1, whole // 2 + 1):
        few = max(2 * length, _start(kinds, length) + length)
        few += (whole - few) % length
        if few + length <= whole and few + few + length < sum(found):
            found = Depths(few, few + length)
    return found


def _start(kinds: list[Layer], length: int) -> int:
    start = len(kinds) - length
    while start and kinds[start - 1] == kinds[start - 1 + length]:
        start -= 1
    return start


def _plain(layer: Layer, seq: int) -> Layer:
    """Return a layer without irrelevant fields: the number of identical layers, and a window longer than the rows."""
    mixer = layer.mixer
    if mixer and mixer.window > seq:
        mixer = replace(mixer, window=0)
    return replace(layer, repeat=1, mixer=mixer)
