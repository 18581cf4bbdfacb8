"""Find out whose configuration a file is, and parse it."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.frameworks.axolotl import parse_axolotl
from tunedoctor.frameworks.document import (
    LARGEST,
    LARGEST_NOTEBOOK,
    SUFFIXES,
    Command,
    ConfigurationError,
    Document,
    read_document,
)
from tunedoctor.frameworks.huggingface import (
    ReadBeside,
    parse_accelerate,
    parse_deepspeed,
    parse_trainer,
)
from tunedoctor.frameworks.llama_factory import parse_llama_factory, parse_llama_factory_v1
from tunedoctor.frameworks.plan import Framework, TrainingPlan, with_values
from tunedoctor.frameworks.swift import parse_swift
from tunedoctor.frameworks.torchtune import parse_torchtune
from tunedoctor.frameworks.trl import parse_trl
from tunedoctor.frameworks.unsloth import parse_python
from tunedoctor.system.reading import read_regular

_DEEPSPEED = {
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "zero_optimization",
    "zero_allow_untested_optimizer",
}
_SWIFT = {"tuner_type", "train_type", "split_dataset_ratio", "quant_bits", "rlhf_type", "attn_impl"}
_LLAMA_FACTORY = {
    "finetuning_type",
    "stage",
    "cutoff_len",
    "template",
    "quantization_bit",
    "lora_target",
}
_TRL = {
    "use_peft",
    "lora_r",
    "dataset_name",
    "datasets",
    "dataset_config",
    "max_prompt_length",
    "use_vllm",
    "max_completion_length",
}
_TRAINER = {
    "per_device_train_batch_size",
    "num_train_epochs",
    "gradient_accumulation_steps",
    "output_dir",
    "bf16",
    "fp16",
}
_UNSUPPORTED = "none of axolotl, LLaMA-Factory, torchtune, ms-swift, TRL, Trainer, DeepSpeed or accelerate has these keys"
_GPU_LIST = re.compile(r"\d{1,3}(?:,\d{1,3}){0,1023}")


class Configuration(NamedTuple):
    """A configuration of a framework."""

    plan: TrainingPlan
    document: Document


def is_configuration_file(name: str) -> bool:
    """Return whether a name can be a framework's configuration by its ending: not a model's config.json."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and path.name not in (
        "config.json",
        "adapter_config.json",
    )


def read_configuration(file: str) -> Configuration:
    """Read the configuration of a framework. Raises OSError, and ConfigurationError if it is of none."""
    limit = LARGEST_NOTEBOOK if file.lower().endswith(".ipynb") else LARGEST
    return parse_configuration(file, read_regular(file, limit), _reads_beside(file))


def parse_configuration(
    file: str, data: bytes, beside: ReadBeside = lambda _: None
) -> Configuration:
    """Parse the configuration of a framework; `beside` returns a file that it names. Raises ConfigurationError."""
    document = read_document(file, data)
    if document.calls or document.file.endswith((".py", ".ipynb")):
        found = parse_python(document)
        if found is None:
            raise ConfigurationError(
                "it contains no model.from_pretrained with a trainer that doctor knows"
            )
        return Configuration(*found)
    if document.file.endswith((".sh", ".bash")):
        return _shell(document, beside)
    framework = framework_of(document.values)
    if framework is None:
        raise ConfigurationError(_UNSUPPORTED)
    return Configuration(_parse(framework, document, beside), document)


def framework_of(values: Mapping[str, Any]) -> Framework | None:
    """Return the framework whose keys a file has, None if it has those of none."""
    keys = values.keys()
    components = any(isinstance(one, dict) and "_component_" in one for one in values.values())
    v1 = keys >= {"model", "output_dir"} and bool(
        keys & {"dist_config", "peft_config", "kernel_config", "model_class"}
    )
    tests: tuple[tuple[Framework, bool], ...] = (
        ("torchtune", components),
        ("deepspeed", bool(keys & _DEEPSPEED) and "model_name_or_path" not in keys),
        (
            "accelerate",
            "distributed_type" in keys or keys >= {"compute_environment", "num_processes"},
        ),
        ("axolotl", "base_model" in keys),
        ("ms-swift", bool(keys & _SWIFT) and "model" in keys),
        ("llama-factory", (bool(keys & _LLAMA_FACTORY) and "model_name_or_path" in keys) or v1),
        ("trl", "model_name_or_path" in keys and bool(keys & _TRL)),
        ("trainer", len(keys & _TRAINER) > 1),
        ("trl", "model_name_or_path" in keys),
        ("ms-swift", keys >= {"model", "dataset"}),
    )
    return next((name for name, matches in tests if matches), None)


def _parse(
    framework: Framework, document: Document, beside: ReadBeside, command: str = ""
) -> TrainingPlan:
    match framework:
        case "axolotl":
            return parse_axolotl(document, beside)
        case "llama-factory" if "model_name_or_path" not in document.values:
            return parse_llama_factory_v1(document, beside)
        case "llama-factory":
            return parse_llama_factory(document, beside)
        case "torchtune":
            return parse_torchtune(document)
        case "ms-swift":
            return parse_swift(document, beside, command or "sft")
        case "trl":
            return parse_trl(document, beside, command)
        case "deepspeed":
            return parse_deepspeed(document)
        case "accelerate":
            return parse_accelerate(document, beside)
        case _:
            return parse_trainer(document, beside)


def _reads_beside(file: str) -> ReadBeside:
    """Return a reader of JSON and YAML files by their name in a configuration: from its folder or the working folder."""

    def read(name: str) -> Document | None:
        if not name.lower().endswith((".json", ".yaml", ".yml")) or len(name) > 1000:
            return None
        for folder in (Path(), *Path(file).parents):
            place = folder / name
            try:
                return read_document(str(place), read_regular(place, LARGEST))
            except (OSError, ValueError):
                continue
        return None

    return read


_LAUNCHERS: Mapping[str, Framework] = {
    "swift": "ms-swift",
    "trl": "trl",
    "llamafactory-cli": "llama-factory",
    "axolotl": "axolotl",
}
_TRAINS = ("sft", "pt", "rlhf", "train", "dpo", "grpo", "kto", "reward", "rloo")


def _shell(document: Document, beside: ReadBeside) -> Configuration:
    """Return the configuration of the first command of a script that trains."""
    for command in document.commands:
        for index, word in enumerate(command.words[:-1]):
            launcher = word.rpartition("/")[2]
            if launcher in _LAUNCHERS and command.words[index + 1] in _TRAINS:
                return _of_command(_LAUNCHERS[launcher], index + 1, command, document, beside)
    raise ConfigurationError(
        "it has no line with swift sft, trl sft, llamafactory-cli train or axolotl train"
    )


def _of_command(
    framework: Framework, at: int, command: Command, document: Document, beside: ReadBeside
) -> Configuration:
    values, lines, files = _options(command, at + 1)
    named = values.pop("config", None) or next(iter(files), None)
    verb = command.words[at]
    inner = beside(named) if isinstance(named, str) else None
    if inner is not None:
        values = {**inner.values, **values}
    elif isinstance(named, str) and not values:
        raise ConfigurationError(f"it names {named[:200]}, which was not found")
    whole = document._replace(values=values, lines=lines)
    gpus = _processes(command)
    if framework == "ms-swift":
        plan = parse_swift(whole, beside, verb, gpus)
    else:
        plan = _parse(framework, whole, beside, "" if verb == "train" else verb)
    if plan.gpus is None and gpus:
        plan = with_values(plan, {"gpus": gpus})
    if inner is not None:
        plan = with_values(plan, {"files": (*plan.files, inner.file)})
    return Configuration(plan, whole)


def _options(command: Command, begin: int) -> tuple[dict[str, Any], dict[str, int], list[str]]:
    """Return the options of a command with their lines, and the words that are no options."""
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    files: list[str] = []
    key = ""
    for word, line in list(zip(command.words, command.lines, strict=True))[begin:]:
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            key = key.replace("-", "_")[:200]
            values[key], lines[key] = (_typed(value) if equals else True), line
        elif key:
            before = values[key]
            values[key] = (
                _typed(word)
                if before is True
                else [*(before if isinstance(before, list) else [before]), word]
            )
        elif "=" in word:  # as Hydra and OmegaConf override
            name, _, value = word.partition("=")
            values[name], lines[name] = _typed(value), line
        else:
            files.append(word)
    return values, lines, files


_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{0,18})?(?:[eE][+-]?\d{1,3})?")


def _typed(word: str) -> Any:  # noqa: ANN401  a text, a number or a truth
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    if _NUMBER.fullmatch(word):
        number = float(word)
        return int(word) if word.lstrip("+-").isdigit() else number
    return word


def _processes(command: Command) -> int | None:
    """Return the number of GPUs that a shell line starts processes for; None if it does not say."""
    words = command.words
    readers: tuple[Callable[[], str], ...] = (
        lambda: command.variables.get("NPROC_PER_NODE", ""),
        lambda: _after(words, "--nproc_per_node"),
        lambda: _after(words, "--num_processes"),
        lambda: _after(words, "--num_gpus"),
    )
    for read in readers:
        if (text := read()).isascii() and text.isdigit() and 0 < int(text[:5]) <= 1024:
            return int(text[:5])
    visible = command.variables.get("CUDA_VISIBLE_DEVICES", "")
    return 1 if _GPU_LIST.fullmatch(visible) and "," not in visible else None


def _after(words: tuple[str, ...], option: str) -> str:
    for index, word in enumerate(words):
        if word.partition("=")[0].replace("-", "_") == option.replace("-", "_"):
            return word.partition("=")[2] or (words[index + 1] if index + 1 < len(words) else "")
    return ""
