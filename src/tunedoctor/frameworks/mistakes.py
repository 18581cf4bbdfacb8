"""Mistakes in a configuration that are known before a run, as checks of `doctor check --for FILE`.

Each function yields the mistakes of one kind. Rules come from what the frameworks themselves refuse (axolotl 0.18
utils/schemas/validation.py, LLaMA-Factory 0.9.5 hparams/parser.py, transformers 5.24 training_args.py, torchtune
recipes, ms-swift 4 sft_args.py, DeepSpeed 0.18 runtime/config.py), read in August 2026; those about tokenizers and
QLoRA with sharding from code and documentation read in December 2026.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tunedoctor.facts import NvidiaGpus, Packages
from tunedoctor.frameworks.detect import Configuration
from tunedoctor.frameworks.huggingface import is_flash
from tunedoctor.frameworks.plan import TITLES, TrainingPlan
from tunedoctor.model.findings import Check, Finding, Result, Severity, advise
from tunedoctor.model.versions import at_least
from tunedoctor.tables.small import is_conversational, tokenizer_lacks

_AMPERE = (8, 0)
_HOPPER = (9, 0)
_TRAINER_BASED = ("trl", "llama-factory", "trainer", "unsloth")


class Mistake(NamedTuple):
    """One mistake in a configuration."""

    key: str
    """The key whose line is shown; "" for the whole file."""
    found: str
    means: str
    fix: str
    severity: Severity = "error"


Find = Callable[[Configuration], Iterator[Mistake]]


def configuration_checks(found: Configuration) -> tuple[Check, ...]:
    """Return a check for each kind of mistake that the configuration of a framework can have."""
    machine: tuple[tuple[str, str, Severity, Callable[[Configuration], Callable[..., Result]]], ...] = (
        ("config-bf16", "The configuration wants bf16 on an older GPU", "warning", _bf16_check),
        ("config-flash-attention", "The GPU is too old for flash attention", "error", _flash_check),
        ("config-gpus", "The configuration starts more GPUs than exist", "error", _gpus_check),
        ("config-sharded-qlora", "QLoRA with sharding needs newer packages", "error", _sharded_qlora_check),
        ("config-padding-axolotl", "This axolotl adds no padding token", "error", _padding_token_check),
        ("config-packages", "Packages of the configuration are missing", "error", _packages_check),
    )  # fmt: skip
    checks = [
        _check(id_, title, severity, _file_check(find, found), found)
        for id_, title, severity, find in FILE_CHECKS
    ]
    checks += [
        _check(id_, title, severity, make(found), found) for id_, title, severity, make in machine
    ]
    return tuple(checks)


def _check(
    id_: str, title: str, severity: Severity, run: Callable[..., Result], of: Configuration
) -> Check:
    return Check(
        id=id_,
        title=title,
        severity=severity,
        run=run,
        origin=of.document.file,
        group="training",
        settle=f"doctor check --for {of.document.file}",
        page=f"{title}. doctor reads this from {of.document.file}; doctor explain frameworks says more.",
    )


def _file_check(find: Find, found: Configuration) -> Callable[[], Result]:
    def run() -> Result:
        mistakes = [*find(found)]
        return finding_of(found, mistakes) if mistakes else None

    return run


def finding_of(configuration: Configuration, mistakes: list[Mistake]) -> Finding:
    """Return the finding for mistakes of one kind; the worst of them decides its severity."""
    document = configuration.document
    order: tuple[Severity, ...] = ("error", "warning", "note")
    places = [document.place(document.lines.get(one.key, 0)) for one in mistakes]
    return Finding(
        found="; ".join(
            f"{place}: {one.found}" for place, one in zip(places, mistakes, strict=True)
        ),
        means="; ".join(dict.fromkeys(one.means for one in mistakes)),
        cure=advise("; ".join(dict.fromkeys(one.fix for one in mistakes))),
        severity=next(level for level in order if level in {one.severity for one in mistakes}),
        evidence=tuple(dict.fromkeys(places)),
    )


def _truth(found: Configuration, key: str) -> bool:
    return str(found.document.get(key)).lower() in ("true", "1", "yes")


def _is_set(found: Configuration, key: str) -> bool:
    return found.document.get(key) not in (None, "", False, [], {})


def _repeated_keys(found: Configuration) -> Iterator[Mistake]:
    for key, _ in found.document.repeated:
        yield Mistake(
            key,
            f"{key} is set twice, to different values",
            "the last one counts, without a message",
            f"remove one of the two lines with {key}",
            "warning",
        )


def _batch_sizes(found: Configuration) -> Iterator[Mistake]:
    if found.plan.framework == "deepspeed":
        yield from _deepspeed_batches(found)
    if found.plan.framework == "axolotl":
        yield from _axolotl_batches(found)
    yield from _batches_of_two_files(found.plan)


def _deepspeed_batches(found: Configuration) -> Iterator[Mistake]:
    plan, document = found.plan, found.document
    micro, accumulation, total = plan.micro_batch, plan.accumulation, plan.total_batch
    if micro and accumulation and total and total % (micro * accumulation):
        yield Mistake(
            plan.keys.get("total_batch", ""),
            f"train_batch_size is {total}, which no number of GPUs makes of {micro} x {accumulation}",
            "DeepSpeed stops with: train_batch_size is not equal to micro_batch_per_gpu * "
            "gradient_acc_step * world_size",
            'write "auto" for all three, or make train_batch_size = micro batch x accumulation x GPUs',
        )
    for key in (
        "train_batch_size",
        "train_micro_batch_size_per_gpu",
        "gradient_accumulation_steps",
    ):
        value = document.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            yield Mistake(
                key,
                f"{key} is {value}",
                "DeepSpeed refuses it: has to be greater than 0",
                f"set {key} to 1 or more",
            )


def _axolotl_batches(found: Configuration) -> Iterator[Mistake]:
    if _is_set(found, "batch_size") and _is_set(found, "gradient_accumulation_steps"):
        yield Mistake(
            "batch_size",
            "batch_size and gradient_accumulation_steps are both set",
            "axolotl refuses the configuration",
            "keep micro_batch_size and gradient_accumulation_steps, and remove batch_size",
        )
    elif (
        sum(
            _is_set(found, key)
            for key in ("micro_batch_size", "gradient_accumulation_steps", "batch_size")
        )
        < 2
    ):
        yield Mistake(
            "micro_batch_size",
            "fewer than two of micro_batch_size, gradient_accumulation_steps and batch_size are set",
            "axolotl refuses the configuration",
            "set micro_batch_size and gradient_accumulation_steps",
        )


def _batches_of_two_files(plan: TrainingPlan) -> Iterator[Mistake]:
    micro, accumulation = plan.micro_batch, plan.accumulation
    for name, own in (("micro batch", micro), ("accumulation", accumulation)):
        theirs = plan.deepspeed_micro if name == "micro batch" else plan.deepspeed_accumulation
        if plan.framework in _TRAINER_BASED and theirs and own and theirs != own:
            field = "micro_batch" if name == "micro batch" else "accumulation"
            yield Mistake(
                plan.keys.get(field, "deepspeed"),
                f"the {name} is {own} here and {theirs} in DeepSpeed's file",
                "the Trainer stops before the first step: DeepSpeed config values mismatch TrainingArguments values",
                'write "auto" in DeepSpeed\'s file',
            )
    if plan.generations and plan.gpus and micro and plan.framework in ("trl", "ms-swift"):
        batch = micro * (accumulation or 1) * plan.gpus
        if batch % plan.generations:
            yield Mistake(
                plan.keys.get("generations", ""),
                f"num_generations is {plan.generations}, which does not divide the batch of {batch} "
                f"({micro} x {accumulation or 1} x {plan.gpus} GPUs)",
                "GRPO stops: the batch must be divisible by num_generations",
                "change num_generations or the batch so that one divides the other",
            )


def _two_precisions(found: Configuration) -> Iterator[Mistake]:
    pairs = (("bf16", "fp16"), ("bf16.enabled", "fp16.enabled"), ("bfloat16", "float16"))
    for one, two in pairs:
        if found.document.get(one) is True and found.document.get(two) is True:
            yield Mistake(
                two,
                f"{one} and {two} are both true",
                "the training stops: at most one of fp16 and bf16 can be true",
                f"set {two} to false",
            )


def _two_quantisations(found: Configuration) -> Iterator[Mistake]:
    if _truth(found, "load_in_4bit") and _truth(found, "load_in_8bit"):
        yield Mistake(
            "load_in_8bit",
            "load_in_4bit and load_in_8bit are both true",
            "the model is not loaded: transformers accepts one of them",
            "set load_in_8bit to false",
        )
    elif found.plan.framework == "axolotl" and found.document.get("adapter") == "qlora":
        if found.document.get("merge_lora") or _truth(found, "load_in_4bit"):
            return
        what = (
            "load_in_8bit is true" if _truth(found, "load_in_8bit") else "load_in_4bit is not true"
        )
        yield Mistake(
            "adapter",
            f"adapter is qlora, and {what}",
            "axolotl refuses the configuration: it requires load_in_4bit for qlora",
            "set load_in_4bit to true and load_in_8bit to false, or adapter to lora",
        )


def _quantised_full(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    if plan.bits == 16 or plan.method not in ("full", "partial") or plan.framework == "unsloth":
        return
    if plan.objective == "inference" or plan.framework in (
        "deepspeed",
        "accelerate",
        "torchtune",
        "trainer",
    ):
        return
    yield Mistake(
        plan.keys.get("bits", ""),
        f"the weights are loaded in {plan.bits} bits, and no adapter is configured",
        "quantised weights cannot be trained: the run stops before its first step",
        _ADAPTER[plan.framework],
    )


_ADAPTER = {
    "axolotl": (
        "add adapter: qlora with lora_r, lora_alpha and lora_target_linear, or remove load_in_4bit "
        "and load_in_8bit"
    ),
    "trl": "add use_peft: true, or remove load_in_4bit and load_in_8bit",
    "llama-factory": "set finetuning_type to lora, or remove quantization_bit",
    "ms-swift": "set tuner_type to lora, or remove quant_bits",
}


def _unused_adapter(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    keys = {
        "trl": ("lora_r", "lora_alpha", "lora_target_modules"),
        "axolotl": ("lora_r", "lora_alpha", "lora_target_modules", "lora_target_linear"),
        "llama-factory": ("lora_rank", "lora_target"),
        "ms-swift": ("lora_rank", "target_modules"),
    }.get(plan.framework, ())
    used = [key for key in keys if _is_set(found, key)]
    if plan.method != "full" or not used or found.document.calls:
        return
    yield Mistake(
        used[0],
        f"{' and '.join(used)} {'are' if len(used) > 1 else 'is'} set, but no adapter is configured",
        "all weights of the model are trained, which needs several times the memory of LoRA",
        {
            "trl": "add use_peft: true, or remove the lora_ keys",
            "axolotl": "add adapter: lora, or remove the lora_ keys",
            "llama-factory": "set finetuning_type to lora, or remove the lora_ keys",
        }.get(plan.framework, "set tuner_type to lora, or remove the LoRA keys"),
        # old examples leave such keys in place
        "note" if plan.framework == "axolotl" else "warning",
    )


def _sharding(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    name = "FSDP" if plan.sharding == "fsdp" else "DeepSpeed ZeRO-3"
    if plan.framework == "llama-factory" and plan.sharding in ("zero3", "fsdp"):
        yield from _llama_factory_sharding(found, name)
    if plan.framework == "axolotl":
        yield from _axolotl_sharding(found)
    storage = found.document.get("bnb_4bit_quant_storage")
    if (
        plan.framework in ("trl", "trainer")
        and plan.sharding == "fsdp"
        and plan.bits == 4
        and not storage
    ):
        yield Mistake(
            plan.keys.get("bits", ""),
            f"{name} with 4-bit weights, without bnb_4bit_quant_storage",
            "4-bit weights are stored as uint8, and FSDP cannot flatten them together with 16-bit ones",
            "add bnb_4bit_quant_storage: bfloat16, and load the model in bfloat16",
            "warning",
        )


def _llama_factory_sharding(found: Configuration, name: str) -> Iterator[Mistake]:
    plan = found.plan
    key = plan.keys.get("sharding", "")
    if plan.bits == 8:
        yield Mistake(
            key,
            f"{name} with weights in 8 bits",
            "LLaMA-Factory stops: only 4-bit models can be sharded",
            "set quantization_bit to 4",
        )
    for option in ("use_unsloth", "pure_bf16"):
        if plan.sharding == "zero3" and _truth(found, option):
            yield Mistake(
                option,
                f"{option} with DeepSpeed ZeRO-3",
                f"LLaMA-Factory stops: {option} is incompatible with ZeRO-3",
                f"remove {option}, or use ZeRO-2",
            )
    if plan.trains and (packing := _stored_quantised(plan.model)):
        yield Mistake(
            key,
            f"{name} with {plan.model}, whose weights are stored in {packing}",
            "LLaMA-Factory stops: DeepSpeed ZeRO-3 or FSDP is incompatible with PTQ-quantized models",
            "name the model with 16-bit weights, and set quantization_bit to 4",
        )


def _axolotl_sharding(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    if _is_set(found, "deepspeed") and (_is_set(found, "fsdp")):
        yield Mistake(
            "deepspeed",
            "deepspeed and fsdp are both set",
            "axolotl refuses the configuration",
            "remove one of them",
        )
    version = found.document.get("fsdp_version") or found.document.get("fsdp_config.fsdp_version")
    eight = plan.optimizer in ("adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit")
    if plan.sharding == "fsdp" and str(version) == "2" and eight:
        yield Mistake(
            plan.keys.get("optimizer", ""),
            f"FSDP2 with the optimizer {plan.optimizer}",
            "axolotl refuses the configuration",
            "set optimizer to adamw_torch_8bit",
        )
    kwargs = found.document.get("gradient_checkpointing_kwargs")
    if (
        plan.sharding == "zero3"
        and plan.method == "qlora"
        and isinstance(kwargs, dict)
        and kwargs.get("use_reentrant") is False
    ):
        yield Mistake(
            "gradient_checkpointing_kwargs",
            "QLoRA and DeepSpeed ZeRO-3 with use_reentrant: false",
            "axolotl warns of it: the backward pass can stop with a CheckpointError about recomputed values",
            "set use_reentrant to true",
            "warning",
        )


def _stored_quantised(model: str) -> str:
    """Return how the weights of a model are stored if its name says so: GPTQ, AWQ; "" for 16 bits and unknown."""
    parts = model.rpartition("/")[2].upper().replace("_", "-").split("-")
    return next((one for one in ("GPTQ", "AWQ", "AQLM") if one in parts), "")


def _chat_template(found: Configuration) -> Iterator[Mistake]:
    """Find messages for a model whose tokenizer has no chat template, where nothing else gives one."""
    plan = found.plan
    if not tokenizer_lacks(plan.model, "no_chat_template") or found.document.calls:
        return
    lacks = f"the tokenizer of {plan.model} has no chat template"
    if plan.framework == "axolotl" and plan.objective == "sft":
        yield from _axolotl_template(found, lacks)
    dataset = found.document.get("dataset_name")
    if (
        plan.framework == "trl"
        and plan.objective in ("sft", "dpo")
        and isinstance(dataset, str)
        and is_conversational(dataset)
        and not _is_set(found, "chat_template_path")
    ):
        yield Mistake(
            "dataset_name",
            f"{dataset} consists of messages, and {lacks}",
            "the run stops while it prepares the data: tokenizer.chat_template is not set",
            "add chat_template_path: with the instruct version of the model, or train that one"
            if plan.objective == "sft"
            else "train the instruct version of the model",
        )
    if plan.framework == "llama-factory" and plan.objective in ("sft", "dpo", "kto", "orpo"):
        if _is_set(found, "template") or not _is_set(found, "dataset"):
            return
        yield Mistake(
            "model_name_or_path",
            f"template is not set, and {lacks}",
            "LLaMA-Factory uses its template empty, which puts question and answer together without a mark between",
            "add template: with the name of the model's family, for example llama3 or gemma",
            "warning",
        )


def _axolotl_template(found: Configuration, lacks: str) -> Iterator[Mistake]:
    default = found.document.get("chat_template")
    own_tokenizer = found.document.get("tokenizer_config")
    if own_tokenizer not in (None, "", found.plan.model):
        return
    datasets = found.document.get("datasets")
    if not isinstance(datasets, list):
        return
    for place, one in enumerate(datasets):
        if not isinstance(one, dict) or one.get("type") != "chat_template":
            continue
        if (one.get("chat_template") or default or "tokenizer_default") == "tokenizer_default":
            yield Mistake(
                f"datasets.{place}.type",
                f"type is chat_template, chat_template is not set, and {lacks}",
                "axolotl stops: chat_template choice is tokenizer_default but tokenizer's chat_template is null",
                "add chat_template: with one that axolotl has, for example llama3, gemma or chatml",
            )
            return


def _padding_token(found: Configuration) -> Iterator[Mistake]:
    """Find a script whose collator of transformers pads with a token that the tokenizer does not have."""
    document, model = found.document, found.plan.model
    if not tokenizer_lacks(model, "no_padding_token"):
        return
    sets = {"pad_token", "pad_token_id"} & document.assigned or any(
        one.name in ("add_special_tokens", "setup_chat_format") or "pad_token" in one.arguments
        for one in document.calls
    )
    collator = next(
        (
            one
            for one in document.calls
            if (one.name == "DataCollatorForLanguageModeling" and one.arguments.get("mlm") is False)
            or one.name in ("DataCollatorForSeq2Seq", "DataCollatorWithPadding")
        ),
        None,
    )
    trains = any(one.name == "Trainer" for one in document.calls)
    if collator is None or sets or not trains or found.plan.framework != "trl":
        return  # unsloth's loader and TRL's trainers set a padding token
    yield Mistake(
        "",
        f"{collator.name} pads, the tokenizer of {model} has no padding token, and the script sets none",
        "the run stops at its first batch: Asking to pad but the tokenizer does not have a padding token",
        "set tokenizer.pad_token, for example to tokenizer.eos_token",
    )


def _packing(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    key = plan.keys.get("packing", "")
    if not plan.packing or not plan.trains:
        return
    megatron = any(_is_set(found, one) for one in ("global_batch_size", "micro_batch_size"))
    if (
        plan.framework == "ms-swift"
        and not megatron
        and plan.objective in ("sft", "pretraining")
        and not is_flash(plan.attention)
    ):
        yield Mistake(
            key,
            f"packing is on, and attn_impl is {plan.attention or 'not set'}",
            "ms-swift stops: packing requires a flash attention implementation",
            "add attn_impl flash_attn, or remove packing",
        )
    if plan.framework == "axolotl":
        if plan.objective in ("dpo", "orpo", "kto", "simpo", "ipo", "grpo"):
            yield Mistake(
                key,
                f"sample_packing with rl: {plan.objective}",
                "axolotl refuses the configuration",
                "set sample_packing to false",
            )
        elif plan.attention in ("xformers", "sage", "s2"):
            yield Mistake(
                key,
                f"sample_packing with {plan.attention} attention",
                "samples in one row see each other, so the model learns from unrelated text",
                "set attn_implementation to flash_attention_2 or sdpa",
                "warning",
            )
    if plan.framework == "torchtune" and not plan.sequence:
        yield Mistake(
            key,
            "dataset.packed is true, and tokenizer.max_seq_len is not set",
            "torchtune stops: a packed dataset needs the length of its rows",
            "set tokenizer.max_seq_len, for example to 2048",
        )


def _steps_and_epochs(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    if plan.max_steps and plan.epochs and plan.framework != "torchtune":
        key = plan.keys.get("max_steps", "")
        yield Mistake(
            key,
            f"max_steps is {plan.max_steps}, and {plan.keys.get('epochs', 'epochs')} is {plan.epochs:g}",
            "max_steps decides when the training ends; the number of epochs has no effect",
            "remove max_steps to train whole epochs",
            "note",
        )


def _best_model(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    if not plan.load_best or plan.framework not in _TRAINER_BASED or plan.saving == "best":
        return
    key = plan.keys.get("load_best", "")
    if plan.evaluation != plan.saving:
        yield Mistake(
            key,
            f"load_best_model_at_end is true, eval_strategy is {plan.evaluation} and save_strategy is {plan.saving}",
            "the Trainer stops: load_best_model_at_end requires the save and eval strategy to match",
            f"set eval_strategy to {plan.saving}",
        )
        return
    every, saves = plan.evaluation_steps, plan.saving_steps or 500
    if plan.evaluation == "steps" and every and every >= 1 and saves >= 1 and saves % every:
        yield Mistake(
            plan.keys.get("saving_steps", key),
            f"save_steps is {saves:g} and eval_steps is {every:g}",
            "the Trainer stops: the saving steps must be a multiple of the evaluation steps",
            f"set save_steps to {every * max(1, round(saves / every)):g}",
        )


def _evaluation(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    if (
        plan.framework == "llama-factory"
        and plan.trains
        and "model_name_or_path" in found.document.values
    ):
        evaluates = plan.evaluation not in ("no", "") or _truth(found, "do_eval")
        size = found.document.get("val_size")
        if (
            evaluates
            and not _is_set(found, "eval_dataset")
            and not (isinstance(size, (int, float)) and size > 0)
        ):
            yield Mistake(
                plan.keys.get("evaluation", "do_eval"),
                "the training evaluates, and neither eval_dataset nor val_size is set",
                "LLaMA-Factory stops: make sure eval_dataset be provided or val_size > 1e-6",
                "add val_size: 0.1, or eval_dataset",
            )
    if plan.framework == "axolotl":
        size = found.document.get("val_set_size")
        none = size is not None and not size and not _is_set(found, "test_datasets")
        if (
            none
            and (_is_set(found, "eval_steps") or _is_set(found, "eval_strategy"))
            and found.document.get("eval_strategy") != "no"
        ):
            yield Mistake(
                "val_set_size",
                "val_set_size is 0, and eval_steps or eval_strategy is set",
                "axolotl refuses the configuration",
                "set val_set_size to 0.05, or remove the evaluation",
            )


_EXCLUSIVE = {
    "axolotl": (
        ("warmup_steps", "warmup_ratio"),
        ("save_steps", "saves_per_epoch"),
        ("eval_steps", "evals_per_epoch"),
        ("max_memory", "gpu_memory_limit"),
        ("liger_cross_entropy", "liger_fused_linear_cross_entropy"),
        ("cut_cross_entropy", "liger_fused_linear_cross_entropy"),
    ),
}


def _exclusive_keys(found: Configuration) -> Iterator[Mistake]:
    for one, two in _EXCLUSIVE.get(found.plan.framework, ()):
        if _is_set(found, one) and _is_set(found, two):
            yield Mistake(
                two,
                f"{one} and {two} are both set",
                f"{TITLES[found.plan.framework]} refuses the configuration: they exclude each other",
                f"remove {one} or {two}",
            )


def _memory_options(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    if plan.framework == "torchtune" and plan.trains:
        if plan.step_in_backward and (plan.accumulation or 1) > 1:
            yield Mistake(
                "optimizer_in_bwd",
                f"optimizer_in_bwd is true, and gradient_accumulation_steps is {plan.accumulation}",
                "torchtune stops: gradients are gone before they could be accumulated",
                "set gradient_accumulation_steps to 1, or optimizer_in_bwd to false",
            )
        if plan.step_in_backward and found.document.get("clip_grad_norm") is not None:
            yield Mistake(
                "clip_grad_norm",
                "optimizer_in_bwd is true, and clip_grad_norm is set",
                "torchtune stops: gradient clipping is not supported with it",
                "set clip_grad_norm to null",
            )
        if plan.offloads_activations and not plan.checkpointing:
            yield Mistake(
                "enable_activation_offloading",
                "enable_activation_offloading without enable_activation_checkpointing",
                "torchtune stops: offloading needs checkpointing",
                "set enable_activation_checkpointing to true",
            )
    if plan.framework == "axolotl" and plan.offloads_activations and not plan.checkpointing:
        yield Mistake(
            "activation_offloading",
            "activation_offloading without gradient_checkpointing",
            "axolotl refuses the configuration",
            "set gradient_checkpointing to true",
        )


def _data(found: Configuration) -> Iterator[Mistake]:
    plan = found.plan
    if plan.framework == "llama-factory" and "model_name_or_path" in found.document.values:
        if _truth(found, "do_train") and not _is_set(found, "dataset"):
            yield Mistake(
                "do_train",
                "do_train is true, and dataset is not set",
                "LLaMA-Factory stops: please specify dataset for training",
                "add dataset: NAME, as dataset_info.json calls it",
            )
        if _truth(found, "streaming") and not plan.max_steps and plan.trains:
            yield Mistake(
                "streaming",
                "streaming is true, and max_steps is not set",
                "LLaMA-Factory stops: please specify max_steps in streaming mode",
                "add max_steps",
            )
    if plan.framework == "axolotl" and plan.trains:
        if not _is_set(found, "datasets") and not _is_set(found, "pretraining_dataset"):
            yield Mistake(
                "",
                "neither datasets nor pretraining_dataset is set",
                "axolotl refuses the configuration",
                "add datasets with path and type",
            )
        if _is_set(found, "pretraining_dataset") and not plan.max_steps:
            yield Mistake(
                "pretraining_dataset",
                "pretraining_dataset is set, and max_steps is not",
                "axolotl refuses the configuration: a stream has no length",
                "add max_steps",
            )


def _numbers_as_text(found: Configuration) -> Iterator[Mistake]:
    """Find numbers such as 1e-4, which PyYAML reads as text, where nothing converts them."""
    document = found.document
    if found.plan.framework != "trainer" or not document.file.endswith((".yaml", ".yml")):
        return
    for key in ("learning_rate", "weight_decay", "warmup_ratio", "adam_epsilon", "max_grad_norm"):
        value = document.get(key)
        if (
            isinstance(value, str)
            and value.replace("-", "").replace("+", "").replace(".", "").replace("e", "").isdigit()
        ):
            yield Mistake(
                key,
                f"{key}: {value} is text for YAML, because it has no dot",
                "HfArgumentParser.parse_yaml_file passes the text on, and the optimizer stops with a TypeError",
                f"write {_with_dot(value)}",
            )


def _with_dot(value: str) -> str:
    mantissa, _, exponent = value.lower().partition("e")
    sign = "" if exponent[:1] in "+-" else "+"
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}e{sign}{exponent}"


FILE_CHECKS: tuple[tuple[str, str, Severity, Find], ...] = (
    ("config-repeated-key", "A key is set twice", "warning", _repeated_keys),
    ("config-batch-size", "The batch sizes do not fit together", "error", _batch_sizes),
    ("config-two-precisions", "bf16 and fp16 are both on", "error", _two_precisions),
    (
        "config-quantisation",
        "The quantisation settings contradict each other",
        "error",
        _two_quantisations,
    ),
    ("config-quantised-full", "Quantised weights without an adapter", "error", _quantised_full),
    ("config-adapter-unused", "LoRA settings without an adapter", "warning", _unused_adapter),
    ("config-sharding", "The sharding does not work with other settings", "error", _sharding),
    ("config-chat-template", "The model has no chat template", "error", _chat_template),
    ("config-padding-token", "The tokenizer has no padding token", "error", _padding_token),
    ("config-packing", "Packing does not work with other settings", "error", _packing),
    ("config-steps", "max_steps overrides the number of epochs", "note", _steps_and_epochs),
    ("config-best-model", "load_best_model_at_end needs matching strategies", "error", _best_model),
    ("config-evaluation", "The evaluation has no data", "error", _evaluation),
    ("config-exclusive", "Two keys exclude each other", "error", _exclusive_keys),
    ("config-memory-options", "Memory options exclude each other", "error", _memory_options),
    ("config-data", "The training data is not set", "error", _data),
    ("config-number-text", "A number is read as text", "error", _numbers_as_text),
)


def _capability(text: str) -> tuple[int, int] | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def _older(gpus: NvidiaGpus, than: tuple[int, int]) -> list[str]:
    """Return the names of GPUs below a compute capability; [] if there is a GPU that is not."""
    known = [(one.name, _capability(one.compute_capability)) for one in gpus.gpus]
    if not known or any(has is None or has >= than for _, has in known):
        return []
    return [*dict.fromkeys(f"{name} has {has[0]}.{has[1]}" for name, has in known if has)]


def _bf16_check(found: Configuration) -> Callable[[NvidiaGpus], Result]:
    def run(nvidia: NvidiaGpus) -> Result:
        old = (
            _older(nvidia, _AMPERE)
            if found.plan.precision == "bf16" and "precision" in found.plan.keys
            else []
        )
        if not old:
            return None
        fix = {
            "torchtune": "set dtype to fp32, or use another GPU",
            "accelerate": "set mixed_precision to fp16",
        }
        return finding_of(
            found,
            [
                Mistake(
                    found.plan.keys["precision"],
                    f"bf16 is on, which needs compute capability 8.0; {', '.join(old)}",
                    "the run stops, or bf16 is emulated and several times slower",
                    fix.get(found.plan.framework, "set fp16 to true and bf16 to false"),
                    "warning",
                )
            ],
        )

    return run


def _flash_check(found: Configuration) -> Callable[[NvidiaGpus], Result]:
    def run(nvidia: NvidiaGpus) -> Result:
        attention = found.plan.attention
        third = "3" in attention.rpartition("_")[2] or attention == "fa3"
        floor = _HOPPER if third else _AMPERE
        old = _older(nvidia, floor) if is_flash(attention) and "/" not in attention else []
        if not old:
            return None
        return finding_of(
            found,
            [
                Mistake(
                    found.plan.keys.get("attention", ""),
                    f"attention is {attention}, which needs compute capability {floor[0]}.{floor[1]}; {', '.join(old)}",
                    "the run stops at its first forward pass",
                    "set the attention implementation to sdpa",
                )
            ],
        )

    return run


def _gpus_check(found: Configuration) -> Callable[[NvidiaGpus], Result]:
    def run(nvidia: NvidiaGpus) -> Result:
        plan, have = found.plan, len(nvidia.gpus)
        needed = -(-(plan.gpus or 0) // plan.nodes)
        if not have or needed <= have:
            return None
        return finding_of(
            found,
            [
                Mistake(
                    plan.keys.get("gpus", ""),
                    f"{needed} processes start on this machine, which has {have} GPU{'s' if have > 1 else ''}",
                    "the launch stops with: invalid device ordinal",
                    f"set the number of processes to {have}",
                )
            ],
        )

    return run


_SHARDED_QLORA = {"bitsandbytes": "0.43.0", "peft": "0.10.0", "accelerate": "0.28.0"}
"""First releases that shard 4-bit weights (notes of peft 0.10.0, 2024-03-21)."""


def _sharded_qlora_check(found: Configuration) -> Callable[[Packages], Result]:
    def run(packages: Packages) -> Result:
        plan = found.plan
        if plan.sharding not in ("zero3", "fsdp") or plan.bits != 4 or not plan.trains:
            return None
        have = {name: packages.version(name) for name in _SHARDED_QLORA}
        old = [
            f"{name} {have[name]} (needs {first})"
            for name, first in _SHARDED_QLORA.items()
            if have[name] and not at_least(have[name], first)
        ]
        if not old:
            return None
        way = "FSDP" if plan.sharding == "fsdp" else "DeepSpeed ZeRO-3"
        newer = " ".join(f"'{name}>={first}'" for name, first in _SHARDED_QLORA.items())
        return finding_of(
            found,
            [
                Mistake(
                    plan.keys.get("sharding", ""),
                    f"QLoRA with {way}, and the environment has {', '.join(old)}",
                    "the run stops when it shards the model: older releases cannot split 4-bit weights",
                    f"install {newer}",
                )
            ],
        )

    return run


_AXOLOTL_PADS = "0.16.0"
"""axolotl since this release pads with the end token if there is no other (commit 0ee98a030, 2026-03-21)."""


def _padding_token_check(found: Configuration) -> Callable[[Packages], Result]:
    def run(packages: Packages) -> Result:
        plan, axolotl = found.plan, packages.version("axolotl")
        if plan.framework != "axolotl" or plan.objective != "sft" or not axolotl:
            return None
        if at_least(axolotl, _AXOLOTL_PADS) or _is_set(found, "special_tokens.pad_token"):
            return None
        # Llama 2's tokenizer class gets one from older releases too
        if not tokenizer_lacks(plan.model, "no_padding_token") or "Llama-2-" in plan.model:
            return None
        return finding_of(
            found,
            [
                Mistake(
                    "base_model",
                    f"the tokenizer of {plan.model} has no padding token, and axolotl {axolotl} adds none",
                    "the run stops at its first batch: Asking to pad but the tokenizer does not have a padding token",
                    "add special_tokens: {pad_token: <|end_of_text|>}, or install axolotl 0.16 or newer",
                )
            ],
        )

    return run


def _packages_check(found: Configuration) -> Callable[[Packages], Result]:
    def run(packages: Packages) -> Result:
        have = {one.name for one in packages.distributions}
        missing = [one for one in found.plan.needs if one not in have]
        if "flash-attn" in missing and have & {"kernels", "flash-attn-3"}:
            missing.remove("flash-attn")  # transformers loads the kernels from the hub
        if not missing or not packages.complete:
            return None
        title = TITLES[found.plan.framework]
        return finding_of(
            found,
            [
                Mistake(
                    "",
                    f"the environment has no {' and no '.join(missing)}",
                    f"{title} stops at an import",
                    f"install {' '.join(missing)}; doctor set {' '.join(missing)} finds versions that fit together",
                )
            ],
        )

    return run
