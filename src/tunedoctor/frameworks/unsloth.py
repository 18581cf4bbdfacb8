"""Parse a script or notebook that trains with unsloth, or with TRL and peft. The code is parsed and never executed."""

from collections.abc import Iterator
from typing import Any

from tunedoctor.frameworks.document import Call, Document
from tunedoctor.frameworks.entries import Entries
from tunedoctor.frameworks.huggingface import needs_of, trainer_values
from tunedoctor.frameworks.plan import Framework, Method, TrainingPlan

_MODELS = ("FastLanguageModel", "FastModel", "FastVisionModel")
_OTHER_MODELS = ("AutoModelForCausalLM", "AutoModelForImageTextToText")
_TRAINERS = ("SFT", "DPO", "ORPO", "KTO", "GRPO", "CPO", "Reward")
_ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_HEADS = ("embed_tokens", "lm_head")
_SEQUENCE = 2048


class PythonEntries(Entries):
    """The arguments of several calls as one configuration; the first call that sets a key wins."""

    def __init__(self, calls: tuple[Call, ...]) -> None:
        """Take calls in the order in which they count."""
        self._calls = calls
        super().__init__(
            lambda key: next((one.arguments[key] for one in calls if key in one.arguments), None)
        )

    def lines(self) -> Iterator[tuple[str, int]]:
        """Yield each argument and its line, in the order in which they count."""
        for call in self._calls:
            yield from call.lines.items()


def training_calls(document: Document) -> tuple[Framework, tuple[Call, ...]] | None:
    """Return the calls of a training, the model's first, and whose they are; None if the code trains nothing."""
    calls = document.calls
    trainers = [one for one in calls if any(one.name == f"{kind}Config" for kind in _TRAINERS)]
    trainers += [one for one in calls if one.name.endswith("TrainingArguments")]
    trainers += [one for one in calls if any(one.name == f"{kind}Trainer" for kind in _TRAINERS)]
    loads = [
        one for one in calls if one.name == "from_pretrained" and one.owner.lstrip("_") in _MODELS
    ]
    adapters = [one for one in calls if one.name == "get_peft_model"]
    if loads and (trainers or adapters):
        return "unsloth", (*loads[:1], *adapters[:1], *trainers[:2])
    loads = [one for one in calls if one.name == "from_pretrained" and one.owner in _OTHER_MODELS]
    adapters = [one for one in calls if one.name == "LoraConfig"]
    bits = [one for one in calls if one.name == "BitsAndBytesConfig"]
    if trainers:
        return "trl", (*loads[:1], *bits[:1], *adapters[:1], *trainers[:2])
    return None


def parse_python(document: Document) -> tuple[TrainingPlan, Document] | None:
    """Return the plan of a script, and the document with its arguments as entries; None if it trains nothing."""
    found = training_calls(document)
    if found is None:
        return None
    framework, calls = found
    entries = PythonEntries(calls)
    is_unsloth = framework == "unsloth"
    names = {one.name for one in calls}
    four_default = is_unsloth and not any(
        calls[0].arguments.get(key) for key in ("load_in_8bit", "load_in_16bit", "full_finetuning")
    )
    four = entries.flag("bits", "load_in_4bit", default=four_default)
    eight = entries.flag("bits", "load_in_8bit")
    adapted = bool(names & {"get_peft_model", "LoraConfig"})
    method: Method = ("qlora" if four or eight else "lora") if adapted else "full"
    values: dict[str, Any] = trainer_values(
        entries, checkpointing=not is_unsloth and "SFTConfig" in names
    )
    checkpointing = entries.word("checkpointing", "use_gradient_checkpointing")
    if is_unsloth:
        # unsloth's own checkpointing is on unless get_peft_model turns it off
        off = any(
            one.arguments.get("use_gradient_checkpointing", "") in (False, None) for one in calls
        )
        values["checkpointing"] = not off
        values["offloads_activations"] = checkpointing in ("", "unsloth") and not off
        values["fused_loss"] = True
    load = next((one for one in calls if one.name == "from_pretrained"), None)
    model = load.arguments.get("model_name", load.arguments.get("", "")) if load else ""
    trainer = next((one for one in calls if one.name.endswith("Trainer")), None)
    if not model and trainer and isinstance(trainer.arguments.get("model"), str):
        model = trainer.arguments["model"]
    targets = entries.words("targets", "target_modules")
    if targets and set(targets) >= {*_ALL}:
        targets = tuple(one for one in targets if one not in _ALL and one not in _HEADS)
    if (targets is None and is_unsloth) or targets == ("all-linear",):
        targets = ()
    modules = (
        *(entries.words("targets", "target_modules") or ()),
        *(entries.words("trains_embeddings", "modules_to_save") or ()),
    )
    sequence = entries.whole("sequence", "max_seq_length", "max_length")
    assumed = (
        []
        if sequence
        else [f"max_seq_length is {_SEQUENCE}; the code does not say it in a way that can be read"]
    )
    values |= {
        "model": model if isinstance(model, str) else "",
        "objective": next(
            (
                kind.lower()
                for kind in _TRAINERS
                for name in names
                if name in (f"{kind}Config", f"{kind}Trainer")
            ),
            "sft",
        ),
        "method": method,
        "bits": 4 if four else 8 if eight else 16,
        "rank": entries.whole("rank", "r") or (16 if is_unsloth else 8),
        "targets": targets,
        "dora": entries.flag("dora", "use_dora"),
        "dropout": entries.number("dropout", "lora_dropout") or 0.0,
        "trains_embeddings": any(one in _HEADS for one in modules),
        "precision": values["precision"] or "auto",
        "sequence": sequence or _SEQUENCE,
        "packing": entries.flag("packing", "packing"),
        "attention": entries.word("attention", "attn_implementation"),
        "generations": entries.whole("generations", "num_generations"),
    }
    own = "unsloth" if is_unsloth else "trl"
    lines = dict(reversed([*entries.lines()]))
    plan = TrainingPlan(
        framework=framework,
        **values,
        assumed=tuple(assumed),
        keys=entries.keys,
        needs=needs_of(values, own),
    )
    arguments = {key: value for call in reversed(calls) for key, value in call.arguments.items()}
    return plan, document._replace(values=arguments, lines=lines)
