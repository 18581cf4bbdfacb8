"""Parse a configuration of axolotl. Keys and defaults: axolotl 0.18, src/axolotl/utils/schemas, read in July 2026."""

from typing import Any

from tunedoctor.frameworks.document import Document
from tunedoctor.frameworks.entries import Entries
from tunedoctor.frameworks.huggingface import ReadBeside, needs_of, with_sharding
from tunedoctor.frameworks.plan import Method, Precision, TrainingPlan, with_values

_FUSED = ("liger_fused_linear_cross_entropy", "cut_cross_entropy", "chunked_cross_entropy")
_OLD_ATTENTION = {
    "flash_attention": "flash_attention_2",
    "sdp_attention": "sdpa",
    "xformers_attention": "xformers",
    "flex_attention": "flex_attention",
    "eager_attention": "eager",
    "sage_attention": "sage",
}


def parse_axolotl(document: Document, beside: ReadBeside) -> TrainingPlan:
    """Parse a configuration of axolotl."""
    entries = Entries(document.get)
    adapter = entries.word("method", "adapter").lower()
    four, eight = entries.flag("bits", "load_in_4bit"), entries.flag("bits", "load_in_8bit")
    if adapter == "qlora" and not (four or eight):
        four = True
    method: Method = "full"
    if adapter in ("lora", "qlora"):
        method = "qlora" if four or eight else "lora"
    elif adapter:
        method = "other"
    elif document.get("unfrozen_parameters"):
        method = "partial"
    targets = entries.words("targets", "lora_target_modules")
    if entries.flag("targets", "lora_target_linear"):
        targets = ()  # besides the named ones, if any
    attention = entries.word("attention", "attn_implementation")
    for old, name in _OLD_ATTENTION.items():
        if not attention and entries.flag("attention", old):
            attention = name
    plugins = " ".join(entries.words("plugins", "plugins") or ())
    checkpointing = document.get("gradient_checkpointing")
    rl = entries.word("objective", "rl")
    pretrains = bool(document.get("pretraining_dataset"))
    values: dict[str, Any] = {
        "model": entries.word("model", "base_model"),
        "objective": rl or ("pretraining" if pretrains else "sft"),
        "method": method,
        "bits": 4 if four else 8 if eight else 16,
        "rank": entries.whole("rank", "lora_r"),
        "targets": targets,
        "dora": entries.flag("dora", "peft_use_dora"),
        "dropout": entries.number("dropout", "lora_dropout") or 0.0,
        "trains_embeddings": bool(entries.words("trains_embeddings", "lora_modules_to_save")),
        "precision": _precision(entries, document),
        "micro_batch": entries.whole("micro_batch", "micro_batch_size"),
        "accumulation": entries.whole("accumulation", "gradient_accumulation_steps"),
        "total_batch": entries.whole("total_batch", "batch_size"),
        "generations": entries.whole("generations", "trl.num_generations"),
        "sequence": entries.whole("sequence", "sequence_len") or 512,
        "packing": entries.flag("packing", "sample_packing"),
        "optimizer": entries.word("optimizer", "optimizer", default="adamw_torch_fused"),
        "attention": attention,
        "checkpointing": entries.flag("checkpointing", "gradient_checkpointing")
        or checkpointing in ("offload", "offload_disk", "unsloth"),
        "offloads_activations": checkpointing in ("offload", "offload_disk", "unsloth")
        or document.get("activation_offloading") not in (None, False),
        "compiled": entries.flag("compiled", "torch_compile"),
        "fused_loss": any(entries.flag("fused_loss", key) for key in _FUSED)
        or ("cut_cross_entropy" in plugins and document.get("cut_cross_entropy") is not False),
        "own_kernels": entries.flag("own_kernels", "lora_mlp_kernel"),
        "context_parallel": entries.whole(
            "context_parallel", "context_parallel_size", "sequence_parallel_degree"
        )
        or 1,
        "gpus": _gpus(entries),
        "epochs": entries.number("epochs", "num_epochs"),
        "max_steps": entries.whole("max_steps", "max_steps"),
        "learning_rate": entries.number("learning_rate", "learning_rate"),
    }
    assumed: list[str] = []
    if values["total_batch"] and values["micro_batch"] and not values["accumulation"]:
        values["accumulation"] = max(1, values["total_batch"] // values["micro_batch"])
    if not entries.is_set("sequence_len"):
        assumed.append("sequence_len is 512, axolotl's default")
    open_ = [
        key
        for key in (
            "quantize_moe_experts",
            "qat",
            "expert_parallel_size",
            "tensor_parallel_size",
            "relora_steps",
        )
        if document.get(key) not in (None, False, 1)
    ]
    plan = TrainingPlan(
        framework="axolotl",
        **values,
        assumed=tuple(assumed),
        open=tuple(f"{key} is not part of the estimate" for key in open_),
        needs=needs_of(values, "axolotl"),
    )
    plan = with_sharding(plan, entries, beside)
    if plan.precision == "auto":
        plan = with_values(
            plan, {"assumed": (*plan.assumed, "bf16: auto means bf16 on GPUs that support it")}
        )
    return with_values(plan, {"keys": entries.keys})


def _precision(entries: Entries, document: Document) -> Precision:
    for key in ("bf16", "bfloat16"):
        if document.get(key) == "auto":
            entries.keys["precision"] = key
            return "auto"
        if entries.flag("precision", key):
            return "bf16"
    for key in ("fp16", "float16"):
        if entries.flag("precision", key):
            return "fp16"
    entries.keys.pop("precision", None)
    return "fp32" if document.get("bf16") is False else "auto"


def _gpus(entries: Entries) -> int | None:
    """Return the GPUs that the parallel sizes of a configuration multiply to, None if it names none."""
    keys = ("dp_shard_size", "dp_replicate_size", "tensor_parallel_size", "context_parallel_size")
    sizes = [size for key in keys if (size := entries.whole("gpus", key))]
    result = 1
    for size in sizes:
        result *= size
    return result if result > 1 else None
