"""Parse a configuration of torchtune. Keys: torchtune 0.6 and later, recipes/configs, read in April 2026."""

import re
from typing import Any

from tunedoctor.frameworks.document import Document
from tunedoctor.frameworks.entries import Entries
from tunedoctor.frameworks.plan import Method, Precision, TrainingPlan

_BUILDER = re.compile(r"(?P<kind>q?lora_|dora_|qdora_)?(?P<name>.{1,80})")
_SIZE = re.compile(r"(\d{1,4}(?:_\d)?)b(?=_|$)")
_OPTIMIZERS = {
    "AdamW": "adamw",
    "Adam": "adamw",
    "AdamW8bit": "adamw_8bit",
    "PagedAdamW8bit": "paged_adamw_8bit",
    "PagedAdamW": "paged_adamw",
    "SGD": "sgd",
}
_ATTENTION_NAMES = {"output_proj": "o_proj"}
_MLP = ("gate_proj", "up_proj", "down_proj")
_FAMILIES = {
    "llama2": "Llama-2-{}b", "code_llama2": "CodeLlama-{}b-hf", "llama3": "Meta-Llama-3-{}B", "llama3_1": "Llama-3.1-{}B",
    "llama3_2": "Llama-3.2-{}B", "llama3_3": "Llama-3.3-{}B-Instruct", "mistral": "Mistral-{}B-v0.1", "qwen2": "Qwen2-{}B",
    "qwen2_5": "Qwen2.5-{}B", "qwen3": "Qwen3-{}B", "gemma": "gemma-{}b", "gemma2": "gemma-2-{}b",
}  # fmt: skip
"""torchtune's model packages, as the hub names their models."""
_ONE_SIZE = {"phi3": "Phi-3-mini-4k-instruct", "phi4": "phi-4"}
_INFERENCE = ("quantizer", "tasks", "prompt", "max_new_tokens")


def parse_torchtune(document: Document) -> TrainingPlan:
    """Parse a configuration of a torchtune recipe."""
    values = document.values

    def get(path: str) -> Any:  # noqa: ANN401  any value
        return _resolved(document, document.get(path))

    entries = Entries(get)
    component = str(get("model._component_") or "")
    package, _, builder = component.rpartition(".")
    match = _BUILDER.fullmatch(builder)
    kind = (match["kind"] or "") if match else ""
    quantised = kind.startswith("q") or get("model.quantize_base") is True
    adapters: Method = "qlora" if quantised else "lora"
    method: Method = adapters if kind else "full"
    named = [
        _ATTENTION_NAMES.get(str(one), str(one)) for one in get("model.lora_attn_modules") or ()
    ]
    targets = (*named, *(_MLP if get("model.apply_lora_to_mlp") is True else ()))
    optimizer = str(get("optimizer._component_") or "").rpartition(".")[2]
    fused = get("optimizer.fused") is True
    dtype = str(get("dtype") or "")
    precision: Precision = dtype if dtype in ("bf16", "fp16", "fp32") else ""  # type: ignore[assignment]
    loss = str(get("loss._component_") or "")
    trains = "optimizer" in values and not (set(_INFERENCE) - {"quantizer"}) & values.keys()
    plan_values: dict[str, Any] = {
        "model": _model(
            str(get("checkpointer.checkpoint_dir") or ""),
            package.rpartition(".")[2],
            builder.removeprefix(kind),
        ),
        "objective": _objective(loss) if trains else "inference",
        "method": method,
        "bits": 4 if quantised and kind else 16,
        "rank": entries.whole("rank", "model.lora_rank"),
        "targets": targets if kind else None,
        "dora": "dora" in kind or get("model.use_dora") is True,
        "dropout": entries.number("dropout", "model.lora_dropout") or 0.0,
        "precision": precision,
        "micro_batch": entries.whole("micro_batch", "batch_size"),
        "accumulation": entries.whole("accumulation", "gradient_accumulation_steps") or 1,
        "sequence": entries.whole("sequence", "tokenizer.max_seq_len"),
        "packing": entries.flag("packing", "dataset.packed"),
        "optimizer": "adamw_fused"
        if optimizer == "AdamW" and fused
        else _OPTIMIZERS.get(optimizer, optimizer.lower()),
        "attention": "sdpa",
        "checkpointing": entries.flag("checkpointing", "enable_activation_checkpointing"),
        "offloads_activations": entries.flag(
            "offloads_activations", "enable_activation_offloading"
        ),
        "step_in_backward": entries.flag("step_in_backward", "optimizer_in_bwd"),
        "compiled": entries.flag("compiled", "compile"),
        "epochs": entries.number("epochs", "epochs"),
        "offload": "all" if get("fsdp_cpu_offload") is True else "none",
        "learning_rate": entries.number("learning_rate", "optimizer.lr"),
    }
    if component:
        entries.keys["model"] = "model._component_"
    open_ = (
        []
        if loss.endswith(("LinearCrossEntropyLoss", "CEWithChunkedOutputLoss")) or not trains
        else [f"the loss {loss.rpartition('.')[2]} is estimated as LinearCrossEntropyLoss"]
    )
    needs = (
        "torchtune",
        "torchao",
        *(["bitsandbytes"] if "bitsandbytes" in str(get("optimizer._component_")) else []),
    )
    return TrainingPlan(
        framework="torchtune",
        **plan_values,
        open=tuple(open_),
        keys={**entries.keys, "precision": "dtype", "optimizer": "optimizer._component_"},
        needs=needs,
    )


def _objective(loss: str) -> str:
    return next((name for name in ("dpo", "ppo", "grpo") if name in loss.lower()), "sft")


def _model(folder: str, package: str, builder: str) -> str:
    """Return the folder of the checkpoint, else the hub's name of a builder: "llama3_1_8b" -> "Llama-3.1-8B"."""
    if folder and "${" not in folder and folder.strip("/.").count("/"):
        return folder.rstrip("/")
    if package in _ONE_SIZE:
        return _ONE_SIZE[package]
    size, pattern = _SIZE.match(builder.removeprefix(f"{package}_")), _FAMILIES.get(package)
    if not (size and pattern):
        return builder
    return pattern.format(size[1].replace("_", "."))


_REFERENCE = re.compile(r"\$\{([\w.]{1,100})\}")


def _resolved(document: Document, value: object) -> object:
    """Return a value with a single reference such as ${batch_size} replaced."""
    if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
        found = document.get(match[1])
        return found if not isinstance(found, str) or "${" not in found else value
    return value
