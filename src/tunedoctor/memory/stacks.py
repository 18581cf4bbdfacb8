"""Training stacks: how each one's code spends memory where the model leaves it a choice."""

from typing import Literal

import msgspec

from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.tables.load import table

Loss = Literal[
    "whole",
    "whole-middle",
    "whole-old",
    "whole-narrow",
    "in-place",
    "chunked",
    "chunked-kept",
    "recomputed",
    "fused",
]
"""whole: logits of the batch and a cross-entropy in fp32 (transformers 5); whole-old: with the shifted copy of
transformers before 4.45; whole-narrow: with that copy, of logits that no code makes fp32 (models with code of their
own); chunked: chunk by chunk, gradient taken in the forward pass (doctor train); chunked-kept: chunk by chunk, each
chunk's logits kept for the backward pass (torchtune, litgpt); recomputed: chunks made again in the backward pass
(TRL); fused: a kernel that never holds the logits (liger, cut cross-entropy, unsloth)."""


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """One training stack."""

    name: str
    loss: Loss
    autocast: bool = False
    """The forward pass runs under torch.autocast: fp32 adapters get 16-bit copies of their inputs."""
    adapters: Literal[2, 4] = 4
    """Bytes of an adapter's element; peft makes them fp32 where the base is 16 bit."""
    qlora_adapters: Literal[2, 4] = 4
    prepared: bool = False
    """QLoRA goes through peft's prepare_model_for_kbit_training."""
    wide_sharded: bool = False
    """accelerate makes what trains under FSDP fp32, where it runs under autocast."""
    own_norm: bool = False
    """Its RMSNorm kernel keeps its input, not a copy in fp32."""
    own_feed: bool = False
    """Its feed-forward kernel keeps the input, gate and up for all three modules and their adapters."""
    offloads: bool = False
    """With checkpointing, layer inputs lie in host memory."""
    keeps_logits: bool = False
    """The loop still holds the model's output, logits among it, during the backward pass."""
    returns_wide: bool = False
    """accelerate gives outputs back in fp32."""
    input_kept: bool = False
    """Each matmul of a 4-bit matrix keeps its input (bitsandbytes before 0.42)."""
    experts_quantised: bool = False
    """4 bits reach routed experts. transformers 5 holds them as 3-D parameters, which bitsandbytes passes over."""
    step_copies: int = 1
    """Copies of what trains that foreach AdamW makes in its step: two before torch 2.1."""
    reserve: float = 0.0
    """GiB of buffers of its own."""
    known: bool = True


class _Table(msgspec.Struct, frozen=True):
    stacks: tuple[Stack, ...]
    least: Stack
    most: Stack


_TABLE = msgspec.convert(table("stacks"), _Table)
STACKS = {one.name: one for one in _TABLE.stacks}
LEAST, MOST = _TABLE.least, _TABLE.most
"""What an unknown stack spends at the least, and at the most."""


def stack_named(name: str) -> Stack:
    """Return a stack by name. Raises MemoryModelError for another name."""
    found = STACKS.get(name.strip().lower())
    if found is None:
        what = f"no stack is called {name[:40]!r}: {', '.join(STACKS)}"
        raise MemoryModelError(what)
    return found
