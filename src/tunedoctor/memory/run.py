"""The fine-tune to estimate, and training stacks: how the code of each uses memory."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.model.versions import at_least
from tunedoctor.tables.load import table

Loss = Literal[
    "whole", "whole-middle", "whole-old", "whole-narrow", "in-place",
    "chunked", "chunked-kept", "chunked-wide", "recomputed", "recomputed-wide", "fused",
]  # fmt: skip
"""whole: logits of the batch and a cross-entropy in fp32 (transformers 4.49 and later); whole-middle: plus a shifted
copy (4.46); whole-old: plus that copy, of logits that stay fp32 (before 4.46); whole-narrow: plus
that copy, of logits that are never converted to fp32; in-place: the gradient replaces the logits (unsloth of 2024);
chunked: chunk by chunk, gradient computed in the forward pass (doctor train); chunked-kept: chunk by chunk, what each
keeps stays for the backward pass (torchtune); chunked-wide: the same, of fp32 logits that the loop holds (LitGPT);
recomputed: chunks recomputed in the backward pass (TRL), recomputed-wide: with an fp32 copy of the head (TRL 1.4 to
1.14); fused: a kernel that never holds the logits (Liger, cut cross-entropy, unsloth)."""


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """One training stack."""

    name: str
    loss: Loss
    autocast: bool = False
    """The forward pass runs under torch.autocast: fp32 adapters get 16-bit copies of their inputs."""
    adapters: Literal[2, 4] = 4
    """Bytes per adapter element; peft uses fp32 if the base is 16 bit."""
    qlora_adapters: Literal[2, 4] = 4
    prepared: bool = False
    """QLoRA calls peft's prepare_model_for_kbit_training."""
    wide_full: bool = False
    """Full fine-tunes train in fp32, whatever type the model was loaded in."""
    wide_stream: bool = False
    """In full fine-tunes, norms and embeddings are fp32, and with them the residual stream."""
    wide_sharded: bool = False
    """Under autocast, accelerate converts what trains under FSDP to fp32."""
    own_norm: bool = False
    """Its RMSNorm kernel keeps its input, not an fp32 copy."""
    own_feed: bool = False
    """Its feed-forward kernel keeps the input, gate and up, for all three modules and their adapters."""
    offloads: bool = False
    """With checkpointing, layer inputs are in host memory."""
    keeps_logits: bool = False
    """The loop still holds the model's output, including logits, during the backward pass."""
    input_kept: bool = False
    """Each matmul of a 4-bit matrix keeps its input (bitsandbytes before 0.43.2)."""
    experts_quantised: bool = False
    """4 bits cover routed experts, too. transformers 5 has 3-D parameters for them, which bitsandbytes skips."""
    step_copies: int = 1
    """Copies of what trains that foreach AdamW makes in its step: two before torch 2.1."""
    trains_embedding: bool = False
    """QLoRA adds a new embedding, whose gradient is computed but never used (LitGPT)."""
    untied: bool = False
    """It builds a separate head for every model."""
    reserve: float = 0.0
    known: bool = True
    error: float = 0.03
    """Relative error of its measurements."""
    also: tuple[tuple[tuple[str, Any], ...], ...] = ()
    """Other settings that its users choose, as changes to these fields."""


class _Release(msgspec.Struct, frozen=True):
    library: str
    set: dict[str, Any]
    since: str = ""
    below: str = ""
    stacks: tuple[str, ...] = ()
    model_types: tuple[str, ...] = ()
    of: str = ""
    """Prefix of the losses that it changes; "": it applies to all."""

    def counts(self, stack: Stack, version: str, model_type: str) -> bool:
        return bool(
            (not self.stacks or stack.name in self.stacks)
            and (not self.model_types or model_type.removesuffix("_text") in self.model_types)
            and stack.loss.startswith(self.of)
            and (not self.since or at_least(version, self.since))
            and not (self.below and at_least(version, self.below))
        )


class _StackTable(msgspec.Struct, frozen=True):
    stacks: tuple[Stack, ...]
    least: Stack
    most: Stack
    releases: tuple[_Release, ...]


_TABLE = msgspec.convert(table("stacks"), _StackTable)
STACKS = {one.name: one for one in _TABLE.stacks}
LEAST, MOST = _TABLE.least, _TABLE.most
"""The most and the least economical behaviour of an unknown stack."""
LIBRARIES = tuple(dict.fromkeys(release.library for release in _TABLE.releases))
"""Libraries whose release makes a difference."""


def stack_named(name: str) -> Stack:
    """Return a stack by name. Raises MemoryModelError if there is none."""
    found = STACKS.get(name.strip().lower())
    if found is None:
        raise MemoryModelError(
            f"there is no stack {name[:40]!r}; choose one of {', '.join(STACKS)}"
        )
    return found


def of_releases(stack: Stack, versions: Mapping[str, str], model_type: str = "") -> Stack:
    """Return a stack with these library releases; a library that isn't named counts as the newest."""
    for release in _TABLE.releases:
        version = versions.get(release.library)
        if version is not None and release.counts(stack, version, model_type):
            stack = changed(stack, release.set)
    return stack


def changed(stack: Stack, values: Mapping[str, Any]) -> Stack:
    """Return a stack with some fields changed."""
    return msgspec.convert({**msgspec.to_builtins(stack), **values}, Stack)


def versions_of(text: str) -> dict[str, str]:
    """Parse releases such as "transformers=4.48.1,peft=0.13". Raises MemoryModelError if that is impossible."""
    result: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, version = part.replace("==", "=").partition("=")
        name, version = name.strip().lower(), version.strip() or "0"
        if name not in LIBRARIES or not version[:1].isdigit():
            what = f"--with has {part[:60]!r}; expected LIBRARY=RELEASE, with one of {', '.join(LIBRARIES)}"
            raise MemoryModelError(what)
        result[name] = version
    return result


Method = Literal["lora", "qlora", "full"]
Objective = Literal["sft", "dpo", "orpo"]
Attention = Literal["eager", "sdpa", "flash"]
Quantisation = Literal["nf4-dq", "nf4", "gptq", "int8"]
Precision = Literal["bf16", "mixed", "fp32"]
Offload = Literal["none", "activations", "optimizer", "all"]
Sharding = Literal["ddp", "zero1", "zero2", "zero3", "fsdp"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a training. Sizes are element counts."""

    method: Method = "lora"
    objective: Objective = "sft"
    """dpo and orpo: a sample is a pair, two sequences of `seq` tokens with the logits of both. The reference of dpo is
    the same model without its adapter, so it takes time but no memory."""
    rank: int = 16
    targets: tuple[str, ...] = ()
    """Names of modules that get adapters; (): all linear modules except the head."""
    dora: bool = False
    dropout: float = 0.0
    seq: int = 2048
    """Tokens of the longest sample, padding included."""
    batch: int = 1
    accum: int = 1
    optimizer: str = "adamw"
    checkpointing: bool = True
    attention: Attention = "sdpa"
    stack: Stack = STACKS["doctor"]
    precision: Precision = "bf16"
    """bf16: weights, gradients and optimizer states of what trains are 16 bit; mixed: fp32 weights under autocast."""
    quantisation: Quantisation = "nf4-dq"
    prepared: bool | None = None
    """peft's prepare_model_for_kbit_training converted embeddings, head and norms to fp32, and with them the residual
    stream; None: as the stack does."""
    embeddings: bool = False
    """Embeddings and head are trained completely, in addition to the adapters (modules_to_save)."""
    padded: bool = False
    """The batch has padding, so attention gets a mask."""
    gpus: int = 1
    context_parallel: int = 1
    sharding: Sharding = "ddp"
    offload: Offload = "none"
    """What is in host memory: inputs of checkpointed layers; the optimizer's states; these and the weights."""
    compiled: bool = False
    """torch.compile recomputes norms and activations in the backward pass."""
    step_in_backward: bool = False
    """Each parameter is updated as soon as its gradient exists, which is then freed."""
    half: Literal["bf16", "fp16"] = "bf16"

    @property
    def tokens(self) -> int:
        """Tokens of one micro-batch on one GPU, of both answers if samples are pairs."""
        sequences = self.batch if self.objective == "sft" else 2 * self.batch
        return -(-sequences * self.seq // self.context_parallel)

    @property
    def kind(self) -> Precision:
        """The precision, unless the stack decides it."""
        wide = self.stack.wide_full and self.method == "full" and self.precision == "bf16"
        return "mixed" if wide else self.precision

    @property
    def autocast(self) -> bool:
        """True if the forward pass runs under torch.autocast."""
        return self.kind == "mixed" or (self.stack.autocast and self.kind == "bf16")

    @property
    def sharded(self) -> bool:
        """True if weights or optimizer states are split among GPUs."""
        return self.gpus > 1 and self.sharding != "ddp"

    @property
    def upcast(self) -> bool:
        """True if accelerate converted the trained weights under FSDP to fp32."""
        narrow = self.kind == "bf16" and self.stack.autocast
        return self.stack.wide_sharded and self.sharded and self.sharding == "fsdp" and narrow

    @property
    def kbit(self) -> bool:
        """True if prepare_model_for_kbit_training was called; no library does that with sharded weights."""
        prepared = self.stack.prepared if self.prepared is None else self.prepared
        return self.method == "qlora" and prepared and not self.sharded

    @property
    def weight_bytes(self) -> int:
        """Bytes per stored element of the base model that isn't quantised."""
        return 4 if self.kind != "bf16" or (self.upcast and self.method == "full") else 2

    @property
    def rest_bytes(self) -> int:
        """Bytes per element, when computing, of norms, embeddings, the head and other parts that aren't quantised."""
        return 4 if self.kind != "bf16" or self.kbit else 2

    @property
    def stream_width(self) -> int:
        """Bytes per element of the residual stream."""
        wide = self.stack.wide_stream and self.method == "full" and not self.sharded
        return 4 if wide else self.rest_bytes

    @property
    def compute_bytes(self) -> int:
        """Bytes per element in which quantised matrices are multiplied."""
        return 4 if self.kind == "fp32" else 2

    def kernel_bytes(self, width: int) -> int:
        """Bytes per element of a matmul's input, for a tensor with elements of this width."""
        return 2 if self.autocast else width

    @property
    def adapter_bytes(self) -> int:
        """Bytes per element of an adapter."""
        return self.stack.qlora_adapters if self.method == "qlora" else self.stack.adapters

    @property
    def trained_bytes(self) -> int:
        """Bytes per element of what trains."""
        return self.weight_bytes if self.method == "full" else self.adapter_bytes

    @property
    def own_norm(self) -> bool:
        """True if a norm keeps its input, without an fp32 copy."""
        return self.stack.own_norm or self.compiled

    @property
    def own_feed(self) -> bool:
        """True if a feed-forward part keeps only gate and up."""
        return self.stack.own_feed or self.compiled

    @property
    def offloads(self) -> bool:
        """True if inputs of checkpointed layers are in host memory."""
        return self.checkpointing and (self.stack.offloads or self.offload == "activations")

    def gradient(self, elements: int) -> int:
        """Bytes of the gradient for this number of trained elements, on one GPU, as long as it exists."""
        divided = self.sharded and self.sharding in ("zero2", "zero3", "fsdp")
        stays = 0.0 if self.step_in_backward else 1 / self.gpus if divided else 1.0
        return int(elements * self.trained_bytes * stays)
