"""Parse a configuration of TRL's command line. Keys and defaults: trl 1.16, ModelConfig and the trainers' configs."""

from typing import Any

from tunedoctor.frameworks.document import Document
from tunedoctor.frameworks.entries import Entries
from tunedoctor.frameworks.huggingface import ReadBeside, needs_of, trainer_values, with_sharding
from tunedoctor.frameworks.plan import Method, Precision, TrainingPlan, with_values

_WIDE = ("float32", "fp32")
_SEQUENCE = 1024
"""Default of max_length in SFTConfig and DPOConfig."""
_GENERATIONS = 8


def parse_trl(document: Document, beside: ReadBeside, command: str = "") -> TrainingPlan:
    """Parse a configuration of `trl sft --config FILE`; `command`: sft, dpo, grpo ..., "" if only the file is known."""
    entries = Entries(document.get)
    four, eight = entries.flag("bits", "load_in_4bit"), entries.flag("bits", "load_in_8bit")
    peft = entries.flag("method", "use_peft")
    method: Method = ("qlora" if four or eight else "lora") if peft else "full"
    objective = command or _objective(document)
    default: Precision = "fp32" if document.get("bf16") is False else "bf16"
    values: dict[str, Any] = trainer_values(entries, checkpointing=True, precision=default)
    dtype = entries.word("wide_weights", "dtype", "torch_dtype", default="float32")
    targets = entries.words("targets", "lora_target_modules")
    sequence = entries.whole("sequence", "max_length", "max_seq_length")
    values |= {
        "model": entries.word("model", "model_name_or_path"),
        "objective": objective,
        "method": method,
        "bits": 4 if four else 8 if eight else 16,
        "wide_weights": dtype in _WIDE,
        "rank": entries.whole("rank", "lora_r") or 16,
        "targets": () if targets == ("all-linear",) else targets,
        "dora": entries.flag("dora", "use_dora"),
        "dropout": (
            entries.number("dropout", "lora_dropout") if entries.is_set("lora_dropout") else 0.05
        )
        or 0.0,
        "trains_embeddings": bool(entries.words("trains_embeddings", "lora_modules_to_save")),
        "sequence": sequence or (_SEQUENCE if objective in ("sft", "dpo") else None),
        "packing": entries.flag("packing", "packing")
        and document.get("packing_strategy") != "wrapped",
        "attention": entries.word("attention", "attn_implementation"),
        "generations": (entries.whole("generations", "num_generations") or _GENERATIONS)
        if objective in ("grpo", "rloo")
        else None,
    }
    assumed = []
    if not entries.is_set("max_length") and values["sequence"] and not sequence:
        assumed.append(f"max_length is {_SEQUENCE}, TRL's default")
    if not entries.is_set("dtype") and not entries.is_set("torch_dtype"):
        assumed.append(
            "the weights are loaded in fp32, because TRL's dtype is float32 unless it is set"
        )
    plan = TrainingPlan(
        framework="trl", **values, assumed=tuple(assumed), needs=needs_of(values, "trl")
    )
    plan = with_sharding(plan, entries, beside)
    return with_values(plan, {"keys": entries.keys})


def _objective(document: Document) -> str:
    for key, objective in (
        ("num_generations", "grpo"),
        ("max_completion_length", "grpo"),
        ("loss_type", "dpo"),
        ("beta", "dpo"),
    ):
        if document.get(key) is not None:
            return objective
    return "sft"
