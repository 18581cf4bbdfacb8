"""The fine-tune that is asked about."""

from typing import Literal

import msgspec

from tunedoctor.memory.stacks import STACKS, Stack

Method = Literal["lora", "qlora", "full"]
Attention = Literal["eager", "sdpa", "flash"]
Quantisation = Literal["nf4-dq", "nf4", "int8"]
Precision = Literal["bf16", "mixed", "fp32"]
Sharding = Literal["ddp", "zero1", "zero2", "zero3", "fsdp"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is trained. Sizes are counts."""

    method: Method = "lora"
    rank: int = 16
    targets: tuple[str, ...] = ()
    """Names of modules that get adapters; (): every linear one but the head."""
    dora: bool = False
    dropout: float = 0.0
    seq: int = 2048
    """Tokens of the longest sample, padding included."""
    batch: int = 1
    """Samples at a time on each GPU."""
    accum: int = 1
    optimizer: str = "adamw"
    checkpointing: bool = True
    attention: Attention = "sdpa"
    stack: Stack = STACKS["doctor"]
    precision: Precision = "bf16"
    """bf16: weights, gradients and optimizer states of what trains in 16 bit; mixed: fp32 weights under autocast."""
    quantisation: Quantisation = "nf4-dq"
    prepared: bool = False
    """peft's prepare_model_for_kbit_training made embeddings, head and norms fp32."""
    embeddings: bool = False
    """Embeddings and head train whole beside the adapters (modules_to_save)."""
    padded: bool = False
    """The batch has padding, so that attention gets a mask."""
    gpus: int = 1
    sharding: Sharding = "ddp"

    @property
    def tokens(self) -> int:
        """Tokens of one micro-batch."""
        return self.batch * self.seq

    @property
    def weight_bytes(self) -> int:
        """Bytes of an element of the base model that isn't quantised."""
        return 2 if self.precision == "bf16" else 4

    @property
    def activation_bytes(self) -> int:
        """Bytes of an element of an activation."""
        return 4 if self.precision == "fp32" else 2

    @property
    def adapter_bytes(self) -> int:
        """Bytes of an element of an adapter."""
        return self.stack.qlora_adapters if self.method == "qlora" else self.stack.adapters

    @property
    def trained_bytes(self) -> int:
        """Bytes of an element of what trains."""
        return self.weight_bytes if self.method == "full" else self.adapter_bytes
