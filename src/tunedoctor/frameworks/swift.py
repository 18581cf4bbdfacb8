"""Parse arguments of ms-swift. Keys and defaults: ms-swift 4, swift/arguments, read in August 2026."""

from typing import Any

from tunedoctor.frameworks.document import Document
from tunedoctor.frameworks.entries import Entries
from tunedoctor.frameworks.huggingface import ReadBeside, needs_of, trainer_values, with_sharding
from tunedoctor.frameworks.plan import Method, Precision, TrainingPlan, with_values

_METHODS: dict[str, Method] = {"lora": "lora", "full": "full"}
_PRECISIONS: dict[str, Precision] = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
_GROUP_BATCH = 16
"""ms-swift's own accumulation makes a global batch of about 16."""


def parse_swift(
    document: Document, beside: ReadBeside, command: str = "sft", gpus: int | None = None
) -> TrainingPlan:
    """Parse arguments of `swift sft`, `swift pt` or `swift rlhf`; `gpus`: those that its shell line starts."""
    entries = Entries(document.get)
    kind = entries.word("method", "tuner_type", "train_type", "sft_type", default="lora")
    bits = entries.whole("bits", "quant_bits", "quantization_bit") or 16
    adapters: Method = "qlora" if bits < 16 else "lora"
    method = adapters if kind == "lora" else _METHODS.get(kind, "other")
    # the Trainer's defaults differ: a batch of 1 and checkpointing
    values: dict[str, Any] = trainer_values(entries, batch=1, checkpointing=True)
    dtype = entries.word("precision", "torch_dtype")
    if not values["precision"]:
        values["precision"] = _PRECISIONS.get(dtype, "auto")
    if not entries.is_set("gradient_accumulation_steps"):
        values["accumulation"] = max(1, _GROUP_BATCH // (values["micro_batch"] * (gpus or 1)))
    targets = entries.words("targets", "target_modules")
    modules = entries.words("trains_embeddings", "modules_to_save")
    objective = {"pt": "pretraining", "rlhf": entries.word("objective", "rlhf_type", default="dpo")}
    values |= {
        "model": entries.word("model", "model", "model_id_or_path"),
        "objective": entries.word("objective", "rlhf_type") or objective.get(command, "sft"),
        "method": method,
        "bits": bits if bits in (4, 8) else 16,
        "rank": entries.whole("rank", "lora_rank") or 8,
        "targets": () if targets in (None, ("all-linear",)) else targets,
        "dora": entries.flag("dora", "use_dora"),
        "dropout": entries.number("dropout", "lora_dropout") or 0.0,
        "trains_embeddings": bool(modules),
        "sequence": entries.whole("sequence", "max_length"),
        "packing": entries.flag("packing", "packing"),
        "generations": entries.whole("generations", "num_generations"),
        "attention": entries.word("attention", "attn_impl"),
        "context_parallel": entries.whole("context_parallel", "sequence_parallel_size") or 1,
        "gpus": gpus,
    }
    plan = TrainingPlan(
        framework="ms-swift", **values, needs=needs_of(values, "ms-swift"),
        assumed=() if entries.is_set("lora_rank") or "lora" not in method else ("lora_rank is 8, ms-swift's default",),
    )  # fmt: skip
    plan = with_sharding(plan, entries, beside)
    return with_values(plan, {"keys": entries.keys})
