"""Turn the plan of a training into the options of doctor fit, and say what was assumed."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from tunedoctor.frameworks.huggingface import is_flash
from tunedoctor.frameworks.plan import TITLES, Framework, TrainingPlan
from tunedoctor.memory.parameters import optimizer_name
from tunedoctor.memory.shape import MemoryModelError, Shape

_STACKS: Mapping[Framework, str] = {
    "axolotl": "axolotl",
    "llama-factory": "llama-factory",
    "torchtune": "torchtune",
    "ms-swift": "trainer",
    "trl": "trl",
    "unsloth": "unsloth",
    "trainer": "trainer",
}
_ALIKE = {
    "adamw_torch_8bit": "adamw_8bit",
    "adamw_torch_4bit": "adamw_8bit",
    "adamw_8bit_torchao": "adamw_8bit",
    "adamw_anyprecision": "adamw",
    "adamw_torch_npu_fused": "adamw_fused",
    "adamw_apex_fused": "adamw_fused",
    "rmsprop": "sgd_momentum",
    "adagrad": "sgd_momentum",
    "muon": "sgd_momentum",
}
"""Optimizers whose states take about as much as those of another one."""
_PEFT_DEFAULT = ("q_proj", "v_proj")
_SEQUENCE = 2048
_RL = ("grpo", "ppo", "rloo", "gkd", "gspo", "dapo", "ebft", "gdpo")


class FitValues(NamedTuple):
    """Options of doctor fit, and notes about them."""

    values: dict[str, Any]
    notes: tuple[str, ...]


class NotEstimatedError(ValueError):
    """doctor fit has no estimate for this training; the message says why."""


def fit_values(plan: TrainingPlan, typed: Collection[str] = ()) -> FitValues:
    """Return the options of doctor fit for a plan; nothing is said about those that were typed.

    Raises NotEstimatedError.
    """
    _require_training(plan)
    notes = [*plan.assumed, *plan.open]
    title = TITLES[plan.framework]
    gpus = (plan.gpus or 1) * (plan.nodes if plan.gpus is None else 1)
    optimizer, optimizer_note = _optimizer(plan.optimizer)
    values: dict[str, Any] = {
        "method": "full" if plan.method == "partial" else plan.method,
        "rank": plan.rank or 8,
        "dora": plan.dora,
        "dropout": min(max(plan.dropout, 0.0), 1.0),
        "seq": plan.sequence or _SEQUENCE,
        "batch": plan.micro_batch or 1,
        "accum": plan.accumulation or 1,
        "optimizer": optimizer,
        "checkpointing": plan.checkpointing,
        "attention": _attention(plan.attention),
        "stack": _STACKS[plan.framework],
        "precision": _precision(plan),
        "quant": "int8" if plan.bits == 8 else "nf4-dq",
        "embeddings": plan.trains_embeddings,
        "compiled": plan.compiled,
        "step_in_backward": plan.step_in_backward,
        "offload": plan.offload if plan.offload != "none" else "none",
        "context_parallel": plan.context_parallel,
        "gpus": gpus,
        "sharding": plan.sharding or "ddp",
    }
    if plan.offloads_activations and plan.offload == "none":
        values["offload"] = "activations"
    notes += optimizer_note
    notes += _targets(plan, values)
    notes += _loss(plan, values)
    if plan.framework == "llama-factory" and plan.keys.get("precision") == "pure_bf16":
        values |= {"autocast": False, "adapter_bits": 16}
        if plan.method == "full":
            values["stack"] = "trainer"
            notes.append(
                "with pure_bf16 nothing is kept in fp32, so the estimate is that of a plain 16-bit Trainer"
            )
    if plan.framework == "ms-swift":
        notes.append("ms-swift is estimated as Hugging Face's Trainer, which it uses")
    if plan.method == "partial":
        notes.append(
            "only part of the weights train; the estimate is for all of them, so it is an upper limit"
        )
    if plan.sequence is None and "seq" not in typed:
        notes.append(
            f"the file sets no sequence length; the estimate is for {_SEQUENCE} tokens (--seq N)"
        )
    if plan.micro_batch is None and "batch" not in typed:
        notes.append("the file sets no batch per GPU; the estimate is for 1 (--batch N)")
    open_gpus = plan.gpus is None and "gpus" not in typed
    if open_gpus and (plan.sharding not in ("", "ddp") or plan.nodes > 1):
        notes.append("the file does not say how many GPUs train; choose with --gpus N")
    if (
        plan.objective in ("dpo", "orpo", "kto", "simpo", "cpo", "ipo", "reward", "rm")
        or plan.objective in _RL
    ):
        notes.append(
            f"the estimate is for supervised training; {plan.objective.upper()} needs more: pairs of samples, a reference model or generation"
        )
    return FitValues(values, tuple(f"{title}: {note}" for note in dict.fromkeys(notes)))


def with_existing_targets(
    values: dict[str, Any], shape: Shape
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the options with targets that the model has, and a note if none of those in the file exists."""
    names = {matrix.name for layer in shape.layers for matrix in layer.matrices}
    targets = [one for one in str(values["targets"]).split(",") if one != "all-linear"]
    existing = [one for one in targets if one.rpartition(".")[2] in names]
    if not targets or existing == targets:
        return values, ()
    chosen = ",".join(one.rpartition(".")[2] for one in existing) or "all-linear"
    missing = ", ".join(one for one in targets if one not in existing)
    note = f"{shape.name} has no modules called {missing[:100]}; the estimate is for {chosen}"
    return {**values, "targets": chosen}, (note,)


def equivalent_options(plan: TrainingPlan) -> str:
    """Return the options of doctor fit that say what a file without a model says: "--gpus 8 --sharding zero3"."""
    words = []
    if plan.gpus and plan.gpus > 1:
        words.append(f"--gpus {plan.gpus}")
    if plan.sharding not in ("", "ddp"):
        words.append(f"--sharding {plan.sharding}")
    if plan.offload != "none":
        words.append(f"--offload {plan.offload}")
    if plan.micro_batch:
        words.append(f"--batch {plan.micro_batch}")
    return " ".join(words)


def _require_training(plan: TrainingPlan) -> None:
    title = TITLES[plan.framework]
    if plan.framework not in _STACKS or not plan.model:
        words = equivalent_options(plan)
        raise NotEstimatedError(
            f"this {title} configuration names no model; run doctor fit MODEL{f' {words}' if words else ''}"
        )
    if plan.objective == "inference":
        raise NotEstimatedError(f"this {title} configuration trains nothing")
    if plan.method == "other":
        raise NotEstimatedError(
            "its method is none of full, LoRA and QLoRA, which doctor fit estimates"
        )


def _precision(plan: TrainingPlan) -> str:
    if plan.precision == "fp32" or (plan.wide_weights and not plan.precision):
        return "fp32"
    if plan.wide_weights:
        return "mixed"
    return "fp16" if plan.precision == "fp16" else "bf16"


def _attention(name: str) -> str:
    return "flash" if is_flash(name) else "eager" if name.lower() == "eager" else "sdpa"


def _optimizer(name: str) -> tuple[str, list[str]]:
    plain = name.strip().lower().replace("-", "_")
    if not plain:
        return "adamw_fused", []
    try:
        return optimizer_name(plain), []
    except MemoryModelError:
        alike = _ALIKE.get(plain, "adamw")
        return alike, [f"the optimizer {name[:40]} is estimated as {alike}"]


def _targets(plan: TrainingPlan, values: dict[str, Any]) -> list[str]:
    if plan.method not in ("lora", "qlora"):
        values["targets"] = "all-linear"
        return []
    if plan.targets is None:
        values["targets"] = ",".join(_PEFT_DEFAULT)
        return [
            f"the file names no target modules; the estimate is for {' and '.join(_PEFT_DEFAULT)}, peft's default for most models"
        ]
    plain = [one for one in plan.targets if one.replace("_", "").replace(".", "").isalnum()]
    heads = [one for one in plain if one in ("lm_head", "embed_tokens")]
    if heads and len(heads) < len(plain):
        plain = [one for one in plain if one not in heads]
    if len(plain) + len(heads) < len(plan.targets):
        values["targets"] = "all-linear"
        return ["the target modules are a pattern; the estimate is for all linear modules"]
    values["targets"] = ",".join(plain) or "all-linear"
    return [f"adapters of {' and '.join(heads)} are not part of the estimate"] if heads else []


def _loss(plan: TrainingPlan, values: dict[str, Any]) -> list[str]:
    """Set how the loss is computed, if the file decides it."""
    if plan.framework in ("unsloth", "torchtune"):
        return []
    if plan.fused_loss:
        values["loss"] = "fused"
        return ["the loss is fused, so the logits are never held"]
    if plan.framework == "axolotl":
        values["loss"] = "whole"
    return []
