"""The fine-tune that is asked about."""

from typing import Literal

import msgspec

from tunedoctor.memory.stacks import STACKS, Stack

Method = Literal["lora", "qlora", "full"]
Attention = Literal["eager", "sdpa", "flash"]
Quantisation = Literal["nf4-dq", "nf4", "gptq", "int8"]
Precision = Literal["bf16", "mixed", "fp32"]
Offload = Literal["none", "activations", "optimizer", "all"]
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
    prepared: bool | None = None
    """peft's prepare_model_for_kbit_training made embeddings, head and norms fp32, and with them the residual stream;
    None: as the stack does."""
    embeddings: bool = False
    """Embeddings and head train whole beside the adapters (modules_to_save)."""
    padded: bool = False
    """The batch has padding, so that attention gets a mask."""
    gpus: int = 1
    context_parallel: int = 1
    """GPUs that a sequence is divided among."""
    sharding: Sharding = "ddp"
    offload: Offload = "none"
    """What lies in the host's memory: inputs of checkpointed layers; the optimizer's states; these and the weights."""
    compiled: bool = False
    """torch.compile makes norms and activations again in the backward pass."""
    step_in_backward: bool = False
    """Each parameter is stepped as soon as its gradient is there, which is dropped then."""
    half: Literal["bf16", "fp16"] = "bf16"

    @property
    def tokens(self) -> int:
        """Tokens of one micro-batch on one GPU."""
        return -(-self.batch * self.seq // self.context_parallel)

    @property
    def kind(self) -> Precision:
        """The precision, where the stack has a say."""
        wide = self.stack.wide_full and self.method == "full" and self.precision == "bf16"
        return "mixed" if wide else self.precision

    @property
    def autocast(self) -> bool:
        """Whether the forward pass runs under torch.autocast."""
        return self.kind == "mixed" or (self.stack.autocast and self.kind == "bf16")

    @property
    def sharded(self) -> bool:
        """Whether weights or optimizer states are divided among GPUs."""
        return self.gpus > 1 and self.sharding != "ddp"

    @property
    def upcast(self) -> bool:
        """Whether accelerate has made what trains under FSDP fp32."""
        narrow = self.kind == "bf16" and self.stack.autocast
        return self.stack.wide_sharded and self.sharded and self.sharding == "fsdp" and narrow

    @property
    def kbit(self) -> bool:
        """Whether prepare_model_for_kbit_training was called; no library does so with sharded weights."""
        asked = self.stack.prepared if self.prepared is None else self.prepared
        return self.method == "qlora" and asked and not self.sharded

    @property
    def weight_bytes(self) -> int:
        """Bytes of an element of the base model, as it lies there, that isn't quantised."""
        return 4 if self.kind != "bf16" or (self.upcast and self.method == "full") else 2

    @property
    def rest_bytes(self) -> int:
        """Bytes of an element of norms, embeddings, the head and what else isn't quantised, where it computes."""
        return 4 if self.kind != "bf16" or self.kbit else 2

    @property
    def stream_width(self) -> int:
        """Bytes of an element of the residual stream."""
        wide = self.stack.wide_stream and self.method == "full" and not self.sharded
        return 4 if wide else self.rest_bytes

    @property
    def saved_width(self) -> int:
        """Bytes of an element of the stream as it is kept between layers: FSDP casts what a unit is given."""
        return 4 if self.upcast and self.method != "full" else self.stream_width

    @property
    def compute_bytes(self) -> int:
        """Bytes of an element in which quantised matrices are multiplied."""
        return 4 if self.kind == "fp32" else 2

    def kernel_bytes(self, width: int) -> int:
        """Bytes of an element of what a matmul takes, of a tensor whose elements are as wide."""
        return 2 if self.autocast else width

    @property
    def adapter_bytes(self) -> int:
        """Bytes of an element of an adapter."""
        return self.stack.qlora_adapters if self.method == "qlora" else self.stack.adapters

    @property
    def trained_bytes(self) -> int:
        """Bytes of an element of what trains."""
        return self.weight_bytes if self.method == "full" else self.adapter_bytes

    @property
    def own_norm(self) -> bool:
        """Whether a norm keeps its input, and no copy in fp32."""
        return self.stack.own_norm or self.compiled

    @property
    def own_feed(self) -> bool:
        """Whether a feed-forward part keeps gate and up alone."""
        return self.stack.own_feed or self.compiled

    @property
    def offloads(self) -> bool:
        """Whether inputs of checkpointed layers lie in host memory."""
        return self.checkpointing and (self.stack.offloads or self.offload == "activations")

    def gradient(self, elements: int) -> int:
        """Bytes of the gradient of so many elements that train, on one GPU, as long as it stays there."""
        divided = self.sharded and self.sharding in ("zero2", "zero3", "fsdp")
        stays = 0.0 if self.step_in_backward else 1 / self.gpus if divided else 1.0
        return int(elements * self.trained_bytes * stays)
