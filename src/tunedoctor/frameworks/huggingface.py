"""Keys that every framework on Hugging Face's Trainer shares, and DeepSpeed's and accelerate's own files."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tunedoctor.frameworks.document import Document
from tunedoctor.frameworks.entries import Entries, precision_of
from tunedoctor.frameworks.plan import Precision, Sharding, TrainingPlan, with_values

ReadBeside = Callable[[str], Document | None]
"""Returns a file that a configuration names, as a document; None if it cannot be read."""
_STAGES: Mapping[int, Sharding] = {0: "ddp", 1: "zero1", 2: "zero2", 3: "zero3"}


def trainer_values(
    entries: Entries,
    *,
    batch: int = 8,
    checkpointing: bool = False,
    precision: Precision = "",
) -> dict[str, Any]:
    """Return the fields that keys of TrainingArguments set. The defaults are those of the framework."""
    evaluation = entries.word("evaluation", "eval_strategy", "evaluation_strategy", default="no")
    saving = entries.word("saving", "save_strategy", default="steps")
    kwargs = entries.part("gradient_checkpointing_kwargs")
    liger = entries.flag("fused_loss", "use_liger_kernel", "use_liger", "use_liger_loss")
    return {
        "micro_batch": entries.whole("micro_batch", "per_device_train_batch_size") or batch,
        "accumulation": entries.whole("accumulation", "gradient_accumulation_steps") or 1,
        "optimizer": entries.word("optimizer", "optim", default="adamw_torch_fused"),
        "checkpointing": entries.flag(
            "checkpointing", "gradient_checkpointing", default=checkpointing or bool(kwargs)
        ),
        "precision": precision_of(entries, default=precision),
        "epochs": entries.number("epochs", "num_train_epochs"),
        "max_steps": entries.whole("max_steps", "max_steps"),
        "learning_rate": entries.number("learning_rate", "learning_rate"),
        "load_best": entries.flag("load_best", "load_best_model_at_end"),
        "evaluation": evaluation,
        "evaluation_steps": entries.number("evaluation_steps", "eval_steps"),
        "saving": saving,
        "saving_steps": entries.number("saving_steps", "save_steps"),
        "fused_loss": liger,
        "compiled": entries.flag("compiled", "torch_compile"),
    }


def needs_of(values: Mapping[str, Any], *own: str) -> tuple[str, ...]:
    """Return the distributions that the settings of a plan import, besides the framework's own."""
    optimizer, attention = str(values.get("optimizer", "")), str(values.get("attention", ""))
    bits8 = optimizer.endswith(("8bit", "_32bit")) and not optimizer.startswith("adamw_torch")
    needs = {
        "bitsandbytes": values.get("bits", 16) in (4, 8) or (bits8 and "galore" not in optimizer),
        "deepspeed": str(values.get("sharding", "")).startswith("zero"),
        "peft": values.get("method") in ("lora", "qlora"),
        "flash-attn": is_flash(attention) and "3" not in attention and "/" not in attention,
    }
    return (*own, *(name for name, needed in needs.items() if needed))


def is_flash(attention: str) -> bool:
    """Return whether a name of an attention implementation means the flash-attention kernels."""
    plain = attention.lower().replace("-", "_")
    return (
        plain in ("fa2", "fa3", "flash", "flash_attn")
        or "flash_attention" in plain
        or "flash_attn" in plain
    )


def with_sharding(plan: TrainingPlan, entries: Entries, beside: ReadBeside) -> TrainingPlan:
    """Return the plan with what the keys deepspeed, fsdp and fsdp_config say, and the file that deepspeed names."""
    named = entries.word("sharding", "deepspeed")
    inline = entries.part("deepspeed")
    if inline:
        entries.keys["sharding"] = "deepspeed"
        return with_deepspeed(plan, inline)
    if named:
        document = beside(named)
        if document is not None:
            plan = with_deepspeed(plan, document.values)
            return with_values(plan, {"files": (*plan.files, document.file)})
        stage = _stage_in(named)
        if stage is None:
            return with_values(plan, {"open": (*plan.open, f"{named} was not found")})
        words = f"ZeRO stage {stage}, by the name {named}, which was not found"
        own = {"zero0", "zero1", "zero2", "zero3", "zero2_offload", "zero3_offload"}
        assumed = plan.assumed if named in own else (*plan.assumed, words)
        offload = "all" if stage == 3 and "offload" in named else "none"
        offload = "optimizer" if stage < 3 and "offload" in named else offload
        return with_values(
            plan, {"sharding": _STAGES[stage], "offload": offload, "assumed": assumed}
        )
    fsdp, config = entries.words("sharding", "fsdp"), entries.part("fsdp_config")
    on = bool(fsdp and any(one for one in fsdp)) or bool(config) or entries.flag("sharding", "fsdp")
    if on:
        off = any(config.get(key) is True for key in ("offload_params", "fsdp_offload_params"))
        off = off or any("offload" in one for one in fsdp or ())
        return with_values(plan, {"sharding": "fsdp", "offload": "all" if off else "none"})
    return plan


def _stage_in(name: str) -> int | None:
    """Return the ZeRO stage in a name such as "zero3_bf16.json" or "ds_z3_config.json"; None if it has none."""
    plain = name.rpartition("/")[2].lower().replace("_", "").replace("-", "")
    for stage in range(4):
        if any(word in plain for word in (f"zero{stage}", f"dsz{stage}", f"stage{stage}")):
            return stage
    return None


def with_deepspeed(plan: TrainingPlan, values: Mapping[str, Any]) -> TrainingPlan:
    """Return the plan with what a DeepSpeed configuration sets."""
    zero = values.get("zero_optimization")
    zero = zero if isinstance(zero, dict) else {}
    stage = zero.get("stage", 0)
    changes: dict[str, Any] = {
        "sharding": _STAGES.get(stage if isinstance(stage, int) else 0, "ddp")
    }

    def offloads(key: str) -> bool:
        part = zero.get(key)
        return isinstance(part, dict) and part.get("device", "none") not in ("none", None)

    for field, key in (
        ("micro", "train_micro_batch_size_per_gpu"),
        ("accumulation", "gradient_accumulation_steps"),
    ):
        value = values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            changes[f"deepspeed_{field}"] = value

    if offloads("offload_param"):
        changes["offload"] = "all"
    elif offloads("offload_optimizer") or zero.get("cpu_offload") is True:
        changes["offload"] = "optimizer"
    return with_values(plan, changes)


def parse_deepspeed(document: Document) -> TrainingPlan:
    """Parse a DeepSpeed configuration."""
    entries = Entries(document.get)

    def enabled(*parts: str) -> bool:
        return any(document.get(f"{part}.enabled") is True for part in parts)

    precision: Precision = (
        "bf16" if enabled("bf16", "bfloat16") else "fp16" if enabled("fp16") else ""
    )
    plan = TrainingPlan(
        framework="deepspeed",
        objective="any",
        precision=precision,
        micro_batch=entries.whole("micro_batch", "train_micro_batch_size_per_gpu"),
        accumulation=entries.whole("accumulation", "gradient_accumulation_steps"),
        total_batch=entries.whole("total_batch", "train_batch_size"),
        needs=("deepspeed",),
    )
    if precision:
        spelled = "fp16" if precision == "fp16" else "bf16"
        entries.keys["precision"] = f"{spelled}.enabled"
    plan = with_deepspeed(plan, document.values)
    entries.keys["sharding"] = "zero_optimization"
    return with_values(plan, {"keys": entries.keys})


def parse_accelerate(document: Document, beside: ReadBeside) -> TrainingPlan:
    """Parse a configuration of accelerate launch."""
    entries = Entries(document.get)
    kind = entries.word("sharding", "distributed_type").upper()
    mixed = entries.word("precision", "mixed_precision")
    # accelerate writes YAML's no as 'no'
    precision: Precision = "bf16" if mixed == "bf16" else "fp16" if mixed == "fp16" else ""
    nodes = entries.whole("nodes", "num_machines") or 1
    processes = entries.whole("gpus", "num_processes")
    plan = TrainingPlan(
        framework="accelerate",
        objective="any",
        precision=precision,
        accumulation=entries.whole("accumulation", "gradient_accumulation_steps"),
        gpus=processes,
        nodes=nodes,
    )
    if kind == "FSDP":
        offload = document.get("fsdp_config.fsdp_offload_params") is True
        plan = with_values(plan, {"sharding": "fsdp", "offload": "all" if offload else "none"})
    elif kind == "DEEPSPEED":
        part = entries.part("deepspeed_config")
        plan = with_values(plan, {"needs": ("deepspeed",)})
        file = part.get("deepspeed_config_file")
        if isinstance(file, str) and file:
            inner = beside(file)
            if inner is not None:
                plan = with_deepspeed(plan, inner.values)
                plan = with_values(plan, {"files": (inner.file,)})
        elif isinstance(part.get("zero_stage"), int):
            devices = {
                f"offload_{name}_device": part.get(f"offload_{name}_device")
                for name in ("param", "optimizer")
            }
            zero: dict[str, Any] = {"stage": part["zero_stage"]}
            for key, device in devices.items():
                zero[key.removesuffix("_device")] = {"device": device or "none"}
            plan = with_deepspeed(plan, {"zero_optimization": zero})
            accumulation = part.get("gradient_accumulation_steps")
            if isinstance(accumulation, int):
                plan = with_values(plan, {"accumulation": accumulation})
                entries.keys["accumulation"] = "deepspeed_config.gradient_accumulation_steps"
    elif kind in ("MULTI_GPU", "NO"):
        plan = with_values(plan, {"sharding": "ddp"})
    return with_values(plan, {"keys": entries.keys})


def parse_trainer(document: Document, beside: ReadBeside) -> TrainingPlan:
    """Parse arguments of Hugging Face's Trainer, as a script reads them with HfArgumentParser."""
    entries = Entries(document.get)
    values = trainer_values(entries)
    values["model"] = entries.word("model", "model_name_or_path", "model_id", "model")
    values["attention"] = entries.word("attention", "attn_implementation")
    values["sequence"] = entries.whole(
        "sequence", "max_seq_length", "max_length", "model_max_length", "block_size"
    )
    lora = entries.flag("method", "use_peft", "use_peft_lora", "use_lora", "lora_enable")
    four, eight = (
        entries.flag("bits", "load_in_4bit", "use_4bit_quantization"),
        entries.flag("bits", "load_in_8bit"),
    )
    values["bits"] = 4 if four else 8 if eight else 16
    values["method"] = ("qlora" if four or eight else "lora") if lora else "full"
    values["rank"] = entries.whole("rank", "lora_r", "lora_rank")
    values["targets"] = entries.words("targets", "lora_target_modules")
    plan = TrainingPlan(
        framework="trainer",
        objective="any",
        **values,
        needs=needs_of(values, "transformers", "accelerate"),
    )
    plan = with_sharding(plan, entries, beside)
    return with_values(plan, {"keys": entries.keys})


def text_of(value: object) -> str:
    """Return a value as a user would write it in a file."""
    return value if isinstance(value, str) else json.dumps(value)
