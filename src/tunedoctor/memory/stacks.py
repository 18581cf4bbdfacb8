"""Training stacks: how each one's code spends memory where the model leaves it a choice."""

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
"""whole: logits of the batch and a cross-entropy in fp32 (transformers 4.49 and later); whole-middle: with a shifted
copy beside them (4.46); whole-old: with that copy, of logits that are fp32 for good (before 4.46); whole-narrow: with
that copy, of logits that no code makes fp32; in-place: the gradient is written over the logits (unsloth of 2024);
chunked: chunk by chunk, gradient taken in the forward pass (doctor train); chunked-kept: chunk by chunk, what each
keeps stays for the backward pass (torchtune); chunked-wide: so, of logits in fp32 that the loop holds (LitGPT);
recomputed: chunks made again in the backward pass (TRL), recomputed-wide: by an fp32 copy of the head (TRL 1.4 to
1.14); fused: a kernel that never holds the logits (Liger, cut cross-entropy, unsloth)."""


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
    wide_full: bool = False
    """What trains is fp32 in full fine-tunes, whatever the model was loaded as."""
    wide_stream: bool = False
    """Norms and embeddings are fp32 in full fine-tunes, and with them the residual stream."""
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
    input_kept: bool = False
    """Each matmul of a 4-bit matrix keeps its input (bitsandbytes before 0.43.2)."""
    experts_quantised: bool = False
    """4 bits reach routed experts. transformers 5 holds them as 3-D parameters, which bitsandbytes passes over."""
    step_copies: int = 1
    """Copies of what trains that foreach AdamW makes in its step: two before torch 2.1."""
    trains_embedding: bool = False
    """QLoRA puts a new embedding there, whose gradient is made and never used (LitGPT)."""
    untied: bool = False
    """It builds a head of its own for every model."""
    reserve: float = 0.0
    """GiB of buffers of its own."""
    known: bool = True
    error: float = 0.03
    """How far off its measurements are, as a part."""
    also: tuple[tuple[tuple[str, Any], ...], ...] = ()
    """What else its users set: changes of these fields."""


class _Release(msgspec.Struct, frozen=True):
    library: str
    set: dict[str, Any]
    since: str = ""
    below: str = ""
    stacks: tuple[str, ...] = ()
    model_types: tuple[str, ...] = ()
    of: str = ""
    """Beginning of the losses that it changes; "": it counts for any."""

    def counts(self, stack: Stack, version: str, model_type: str) -> bool:
        return bool(
            (not self.stacks or stack.name in self.stacks)
            and (not self.model_types or model_type.removesuffix("_text") in self.model_types)
            and stack.loss.startswith(self.of)
            and (not self.since or at_least(version, self.since))
            and not (self.below and at_least(version, self.below))
        )


class _Table(msgspec.Struct, frozen=True):
    stacks: tuple[Stack, ...]
    least: Stack
    most: Stack
    releases: tuple[_Release, ...]


_TABLE = msgspec.convert(table("stacks"), _Table)
STACKS = {one.name: one for one in _TABLE.stacks}
LEAST, MOST = _TABLE.least, _TABLE.most
"""What an unknown stack spends at the least, and at the most."""
LIBRARIES = tuple(dict.fromkeys(one.library for one in _TABLE.releases))
"""Whose releases make a difference."""


def stack_named(name: str) -> Stack:
    """Return a stack by name. Raises MemoryModelError for another name."""
    found = STACKS.get(name.strip().lower())
    if found is None:
        raise MemoryModelError(f"no stack is called {name[:40]!r}: {', '.join(STACKS)}")
    return found


def of_releases(stack: Stack, versions: Mapping[str, str], model_type: str = "") -> Stack:
    """Return a stack as it is with these releases of libraries; one that isn't named counts as the newest."""
    for one in _TABLE.releases:
        version = versions.get(one.library)
        if version is not None and one.counts(stack, version, model_type):
            stack = changed(stack, one.set)
    return stack


def changed(stack: Stack, values: Mapping[str, Any]) -> Stack:
    """Return a stack with other values of some fields."""
    return msgspec.convert({**msgspec.to_builtins(stack), **values}, Stack)


def versions_of(text: str) -> dict[str, str]:
    """Return releases out of "transformers=4.48.1,peft=0.13". Raises MemoryModelError where it can't be read."""
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, version = part.replace("==", "=").partition("=")
        name, version = name.strip().lower(), version.strip() or "0"
        if name not in LIBRARIES or not version[:1].isdigit():
            what = f"--with has {part[:60]!r}; it wants LIBRARY=RELEASE of {', '.join(LIBRARIES)}"
            raise MemoryModelError(what)
        found[name] = version
    return found
