"""What a training will do, as the configuration of a framework says it."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Framework = Literal[
    "axolotl", "llama-factory", "torchtune", "ms-swift", "trl", "unsloth", "trainer", "deepspeed",
    "accelerate",
]  # fmt: skip
TITLES: Mapping[Framework, str] = {
    "axolotl": "axolotl",
    "llama-factory": "LLaMA-Factory",
    "torchtune": "torchtune",
    "ms-swift": "ms-swift",
    "trl": "TRL",
    "unsloth": "unsloth",
    "trainer": "Hugging Face TrainingArguments",
    "deepspeed": "DeepSpeed",
    "accelerate": "accelerate",
}
Method = Literal["full", "lora", "qlora", "partial", "other"]
"""partial: only some of the model's own weights train; other: a method that doctor does not know."""
Precision = Literal["bf16", "fp16", "fp32", "auto", ""]
Sharding = Literal["", "ddp", "fsdp", "zero1", "zero2", "zero3"]


class TrainingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a training. None and "" stand for what the file leaves open and the framework has no default for."""

    framework: Framework
    objective: str = "sft"
    """sft, pretraining, dpo, grpo, reward ...; "inference" if it trains nothing."""
    model: str = ""
    method: Method = "full"
    bits: int = 16
    """Bits of a base weight: 4 or 8 if it is quantised when it is loaded."""
    wide_weights: bool = False
    """The base model is loaded in fp32."""
    rank: int | None = None
    targets: tuple[str, ...] | None = None
    """Names of modules that get adapters; (): all linear ones; None: what the framework or peft chooses."""
    dora: bool = False
    dropout: float = 0.0
    trains_embeddings: bool = False
    precision: Precision = ""
    micro_batch: int | None = None
    accumulation: int | None = None
    total_batch: int | None = None
    """Samples of an optimizer step on all GPUs, if the file sets it."""
    deepspeed_micro: int | None = None
    """The micro-batch in the DeepSpeed file that the configuration names."""
    deepspeed_accumulation: int | None = None
    generations: int | None = None
    """GRPO: answers per prompt."""
    sequence: int | None = None
    packing: bool = False
    optimizer: str = ""
    attention: str = ""
    """As written; "" if the framework chooses."""
    checkpointing: bool = False
    offloads_activations: bool = False
    step_in_backward: bool = False
    compiled: bool = False
    fused_loss: bool = False
    """The logits are never held: Liger, cut cross-entropy."""
    own_kernels: bool = False
    """Triton kernels for LoRA layers."""
    sharding: Sharding = ""
    offload: Literal["none", "optimizer", "all"] = "none"
    context_parallel: int = 1
    gpus: int | None = None
    nodes: int = 1
    epochs: float | None = None
    max_steps: int | None = None
    learning_rate: float | None = None
    load_best: bool = False
    evaluation: str = "no"
    evaluation_steps: float | None = None
    saving: str = "steps"
    saving_steps: float | None = None
    assumed: tuple[str, ...] = ()
    """Defaults of the framework that the file does not set, in words."""
    open: tuple[str, ...] = ()
    """What the file sets and this plan does not follow, in words."""
    files: tuple[str, ...] = ()
    """Other files of the configuration that were read."""
    keys: dict[str, str] = {}
    """Field -> the key in the file that sets it."""
    needs: tuple[str, ...] = ()
    """Distributions that the training imports."""

    @property
    def trains(self) -> bool:
        """True if the file describes a training and names its model."""
        return bool(self.model) and self.objective != "inference"


def with_values(plan: TrainingPlan, values: Mapping[str, Any]) -> TrainingPlan:
    """Return a plan with some fields replaced."""
    return msgspec.structs.replace(plan, **values)
