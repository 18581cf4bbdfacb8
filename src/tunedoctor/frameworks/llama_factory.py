"""Parse a configuration of LLaMA-Factory. Keys and defaults: llamafactory 0.9.5, hparams/, read in August 2026."""

from typing import Any

from tunedoctor.frameworks.document import Document
from tunedoctor.frameworks.entries import Entries
from tunedoctor.frameworks.huggingface import ReadBeside, needs_of, trainer_values, with_sharding
from tunedoctor.frameworks.plan import Method, TrainingPlan, with_values

_STAGES = {"pt": "pretraining", "rm": "reward"}
_ATTENTION = {
    "fa2": "flash_attention_2",
    "fa3": "flash_attention_3",
    "disabled": "eager",
    "auto": "",
}


def parse_llama_factory(document: Document, beside: ReadBeside) -> TrainingPlan:
    """Parse a configuration of LLaMA-Factory."""
    entries = Entries(document.get)
    kind = entries.word("method", "finetuning_type", default="lora")
    stage = entries.word("objective", "stage", default="sft")
    bits = entries.whole("bits", "quantization_bit") or 16
    values = trainer_values(entries)
    # llamafactory checkpoints by default; gradient_checkpointing is not its switch
    values["checkpointing"] = not entries.flag("checkpointing", "disable_gradient_checkpointing")
    adapters: Method = "qlora" if bits < 16 else "lora"
    methods: dict[str, Method] = {"lora": adapters, "full": "full", "freeze": "partial"}
    attention = entries.word("attention", "flash_attn")
    pretrains = stage == "pt"
    values |= {
        "model": entries.word("model", "model_name_or_path"),
        "objective": _STAGES.get(stage, stage),
        "method": methods.get(kind, "other"),
        "bits": bits if bits in (4, 8) else 16,
        "rank": entries.whole("rank", "lora_rank") or 8,
        "targets": _targets(entries),
        "dora": entries.flag("dora", "use_dora"),
        "dropout": entries.number("dropout", "lora_dropout") or 0.0,
        "trains_embeddings": bool(entries.words("trains_embeddings", "additional_target")),
        "sequence": entries.whole("sequence", "cutoff_len") or 2048,
        "packing": entries.flag("packing", "packing", "neat_packing", default=pretrains),
        "attention": _ATTENTION.get(attention, attention),
        "offloads_activations": entries.flag("offloads_activations", "use_unsloth_gc"),
        "fused_loss": entries.flag("fused_loss", "enable_liger_kernel"),
    }
    if not document.get("do_train"):
        values["objective"] = "inference" if not document.get("dataset") else values["objective"]
    if document.get("pure_bf16"):
        values["precision"] = "bf16"
        entries.keys["precision"] = "pure_bf16"
    special = (
        "use_galore",
        "use_apollo",
        "use_badam",
        "use_adam_mini",
        "use_muon",
        "use_kt",
        "use_llama_pro",
        "mixture_of_depths",
        "pissa_init",
        "use_unsloth",
        "fp8",
        "use_adapter_for_kt",
    )
    open_ = [
        f"{key} is not part of the estimate"
        for key in special
        if document.get(key) not in (None, False)
    ]
    assumed = (
        [] if entries.is_set("cutoff_len") else ["cutoff_len is 2048, LLaMA-Factory's default"]
    )
    if "lora" in values["method"] and not entries.is_set("lora_rank"):
        assumed.append("lora_rank is 8, LLaMA-Factory's default")
    if values["checkpointing"]:
        assumed.append("gradient checkpointing is on, as LLaMA-Factory does unless it is disabled")
    needs = needs_of(values, "llamafactory")
    plan = TrainingPlan(
        framework="llama-factory", **values, assumed=tuple(assumed), open=tuple(open_), needs=needs
    )
    plan = with_sharding(plan, entries, beside)
    return with_values(plan, {"keys": entries.keys})


def _targets(entries: Entries) -> tuple[str, ...] | None:
    named = entries.words("targets", "lora_target")
    return () if named in (None, ("all",)) else named


def parse_llama_factory_v1(document: Document, beside: ReadBeside) -> TrainingPlan:
    """Parse a configuration of LLaMA-Factory's v1 interface (model, peft_config, dist_config)."""
    entries = Entries(document.get)
    peft = entries.part("peft_config")
    name = str(peft.get("name", ""))
    quant = entries.part("quant_config")
    four = quant.get("quantization_bit") == 4
    method: Method = "other"
    if not name:
        method = "full"
    elif name == "lora":
        method = "qlora" if four else "lora"
    elif name == "freeze":
        method = "partial"
    distribution = entries.part("dist_config")
    kernels = str(entries.part("kernel_config").get("name", ""))
    targets = peft.get("target_modules")
    values: dict[str, Any] = {
        "model": entries.word("model", "model"),
        "objective": "sft" if entries.is_set("train_dataset") else "inference",
        "method": method,
        "bits": 4 if four else 16,
        "rank": peft.get("r") if isinstance(peft.get("r"), int) else None,
        "targets": ()
        if targets in (None, "all", ["all"])
        else tuple(map(str, targets))
        if isinstance(targets, list)
        else None,
        "precision": "bf16" if document.get("bf16") else "",
        "micro_batch": entries.whole("micro_batch", "micro_batch_size"),
        "total_batch": entries.whole("total_batch", "global_batch_size"),
        "sequence": entries.whole("sequence", "cutoff_len") or 2048,
        "attention": entries.word("attention", "flash_attn"),
        "checkpointing": entries.flag(
            "checkpointing", "enable_activation_checkpointing", default=True
        ),
        "fused_loss": "liger" in kernels,
        "epochs": entries.number("epochs", "num_train_epochs"),
        "max_steps": entries.whole("max_steps", "max_steps"),
        "sharding": {"deepspeed": "zero3"}.get(
            str(distribution.get("name", "")), "fsdp" if distribution else ""
        ),
    }
    if values["sharding"] == "zero3":
        file = distribution.get("config_file")
        inner = beside(file) if isinstance(file, str) else None
        if inner is not None:
            return with_values(with_sharding_of(values, inner), {"keys": entries.keys})
    return TrainingPlan(
        framework="llama-factory", **values, keys=entries.keys, needs=("llamafactory",)
    )


def with_sharding_of(values: dict[str, Any], document: Document) -> TrainingPlan:
    """Return the plan of these values with the DeepSpeed configuration in a document."""
    from tunedoctor.frameworks.huggingface import with_deepspeed  # noqa: PLC0415

    plan = TrainingPlan(framework="llama-factory", **values, needs=("llamafactory", "deepspeed"))
    return with_values(with_deepspeed(plan, document.values), {"files": (document.file,)})
