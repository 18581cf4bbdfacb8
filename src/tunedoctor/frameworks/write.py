"""Write a training as the configuration of another framework."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Shape = Literal["messages", "conversations", "alpaca", "pair", "text"]
"""How a row says what to learn: a list of messages, ShareGPT's list, instruction with output, two texts, one text."""
Written = Literal["axolotl", "llamafactory", "torchtune", "trl", "unsloth"]
WRITTEN: tuple[Written, ...] = ("axolotl", "llamafactory", "torchtune", "trl", "unsloth")
_PAIRS = (
    ("prompt", "completion"),
    ("question", "answer"),
    ("input", "output"),
    ("prompt", "response"),
)


class RowShape(NamedTuple):
    """The columns of training data."""

    shape: Shape
    columns: tuple[str, ...]
    """The column of the list or text; of a pair: what is asked, and what is answered."""


class Settings(NamedTuple):
    """A training in words that every framework has."""

    model: str
    data: str
    """A file of JSON Lines, JSON or CSV."""
    rows: RowShape
    out: str
    method: Literal["lora", "qlora"]
    rank: int
    alpha: int
    sequence: int
    micro_batch: int
    accumulation: int
    epochs: float
    learning_rate: float
    checkpointing: bool
    precision: Literal["bf16", "fp16", "fp32"]
    on_cpu: bool
    packing: bool = False


class WrittenFile(NamedTuple):
    """A configuration, and what belongs to it."""

    text: str
    command: str
    """How the framework trains with FILE."""
    beside: Mapping[str, str] = {}
    """Other files, by their path relative to the configuration."""


class NotWritableError(ValueError):
    """The framework cannot train this; the message says why and what to do."""


def row_shape(row: Mapping[str, Any]) -> RowShape | None:
    """Return the columns that a row is trained by, None if they are unusual."""
    for name, shape in (("messages", "messages"), ("conversations", "conversations")):
        if isinstance(row.get(name), list):
            return RowShape(shape, (name,))  # type: ignore[arg-type]
    if "instruction" in row and "output" in row:
        return RowShape("alpaca", ("instruction", "output"))
    for asked, answered in _PAIRS:
        if isinstance(row.get(asked), str) and isinstance(row.get(answered), str):
            return RowShape("pair", (asked, answered))
    return RowShape("text", ("text",)) if isinstance(row.get("text"), str) else None


def write_configuration(framework: Written, settings: Settings, why: str, name: str) -> WrittenFile:
    """Return a configuration for a framework. `why`: a line about it; `name`: the file that it will be written to.

    Raises NotWritableError.
    """
    writers: Mapping[Written, Callable[[Settings, str, str], WrittenFile]] = {
        "axolotl": _axolotl,
        "llamafactory": _llama_factory,
        "torchtune": _torchtune,
        "trl": _trl,
        "unsloth": _unsloth,
    }
    return writers[framework](settings, why, name)


def _yaml(values: Mapping[str, Any], title: str, why: str) -> str:
    """Return YAML with a comment at the top. JSON texts are YAML texts, so nothing needs quoting rules."""
    lines = [f"# {title}", f"# {' '.join(why.split())}", ""]

    def block(one: object, indent: str) -> str:
        if isinstance(one, Mapping):
            rows = [
                f"{indent}{key}:{block(value, indent + '  ')}"
                for key, value in one.items()
                if value is not None
            ]
            return "\n" + "\n".join(rows)
        if isinstance(one, list) and any(isinstance(item, Mapping) for item in one):
            items = []
            for item in one:
                inner = block(item, indent + "  ").lstrip("\n")
                items.append(f"{indent}- {inner[len(indent) + 2 :]}")
            return "\n" + "\n".join(items)
        if isinstance(one, float):
            return f" {_number(one)}"
        return f" {json.dumps(one, ensure_ascii=False)}"

    return "\n".join([*lines, block(values, "").lstrip("\n"), ""])


def _number(value: float) -> str:
    """Return a number that all YAML parsers read as one: with a dot, also before an exponent."""
    text = f"{value:g}"
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}"
    return text if "." in text else f"{text}.0"


def _is_local(model: str) -> bool:
    return model.startswith((".", "/", "~"))


def _trl(settings: Settings, why: str, name: str) -> WrittenFile:
    """TRL's own rows: messages, prompt with completion, or text."""
    rows = settings.rows
    plain = {("messages",), ("prompt", "completion"), ("text",)}
    if rows.columns not in plain:
        raise NotWritableError(
            f"TRL reads messages, prompt with completion, or text; the data has {' and '.join(rows.columns)}"
        )
    builder = "csv" if settings.data.endswith(".csv") else "json"
    four = settings.method == "qlora"
    values: dict[str, Any] = {
        "model_name_or_path": settings.model,
        "dtype": {"bf16": "bfloat16", "fp16": "float32", "fp32": "float32"}[settings.precision],
        "datasets": [
            {
                "path": builder,
                "data_files": settings.data,
                "split": "train",
                "columns": list(rows.columns),
            }
        ],
        "use_peft": True,
        "lora_r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": 0.0,
        "lora_target_modules": ["all-linear"],
        "load_in_4bit": True if four else None,
        "use_bnb_nested_quant": True if four else None,
        "max_length": settings.sequence,
        "packing": True if settings.packing else None,
        "per_device_train_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation,
        "gradient_checkpointing": settings.checkpointing,
        "num_train_epochs": float(settings.epochs),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 10,
        "bf16": settings.precision == "bf16",
        "fp16": settings.precision == "fp16",
        "use_cpu": True if settings.on_cpu else None,
        "logging_steps": 10,
        "save_strategy": "epoch",
        "output_dir": settings.out,
        "report_to": "none",
    }
    return WrittenFile(_yaml(values, "Configuration of TRL", why), f"trl sft --config {name}")


def _llama_factory(settings: Settings, why: str, name: str) -> WrittenFile:
    """LLaMA-Factory names data in a dataset_info.json, which is written to a separate folder."""
    folder = f"{name.rpartition('.')[0].rpartition('/')[2] or 'data'}_data"
    rows = settings.rows
    entry: dict[str, Any] = {"file_name": settings.data}
    if rows.shape == "messages":
        tags = {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        }
        entry |= {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    elif rows.shape == "conversations":
        entry |= {"formatting": "sharegpt", "columns": {"messages": "conversations"}}
    elif rows.shape == "alpaca":
        entry["columns"] = {"prompt": "instruction", "query": "input", "response": "output"}
    elif rows.shape == "pair":
        entry["columns"] = {"prompt": rows.columns[0], "response": rows.columns[1]}
    else:
        entry["columns"] = {"prompt": "text"}
    values: dict[str, Any] = {
        "model_name_or_path": settings.model,
        "stage": "pt" if rows.shape == "text" else "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_target": "all",
        "quantization_bit": 4 if settings.method == "qlora" else None,
        "quantization_method": "bnb" if settings.method == "qlora" else None,
        "dataset_dir": folder,
        "dataset": "training",
        "template": template_of(settings.model),
        "cutoff_len": settings.sequence,
        "packing": True if settings.packing else None,
        "per_device_train_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation,
        "disable_gradient_checkpointing": not settings.checkpointing,
        "num_train_epochs": float(settings.epochs),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 10,
        "bf16": settings.precision == "bf16",
        "fp16": settings.precision == "fp16",
        "use_cpu": True if settings.on_cpu else None,
        "logging_steps": 10,
        "save_strategy": "epoch",
        "output_dir": settings.out,
        "report_to": "none",
    }
    info = json.dumps({"training": entry}, indent=1, ensure_ascii=False) + "\n"
    text = _yaml(values, "Configuration of LLaMA-Factory", why)
    return WrittenFile(
        text, f"llamafactory-cli train {name}", {f"{folder}/dataset_info.json": info}
    )


_TEMPLATES = (
    ("qwen3", "qwen3"), ("qwen2.5", "qwen"), ("qwen2", "qwen"), ("llama-3", "llama3"), ("llama3", "llama3"),
    ("llama-2", "llama2"),
    ("gemma-3", "gemma3"), ("gemma", "gemma"), ("mistral", "mistral"), ("phi-4", "phi4"), ("phi-3", "phi"),
)  # fmt: skip
"""Words in a model's name, and LLaMA-Factory's template for it (data/template.py of 0.9.5)."""


def template_of(model: str) -> str | None:
    """Return LLaMA-Factory's template of a model; None makes it use the tokenizer's own, as for a folder's model."""
    if _is_local(model):
        return None
    plain = model.rpartition("/")[2].lower()
    return next((template for word, template in _TEMPLATES if word in plain), None)


def _axolotl(settings: Settings, why: str, name: str) -> WrittenFile:
    rows = settings.rows
    data: dict[str, Any] = {
        "path": settings.data,
        "ds_type": "csv" if settings.data.endswith(".csv") else "json",
        "split": "train",
    }
    if rows.shape == "messages":
        data["type"] = "chat_template"
    elif rows.shape == "conversations":
        mapping = {"role": "from", "content": "value"}
        data |= {
            "type": "chat_template",
            "field_messages": "conversations",
            "message_property_mappings": mapping,
        }
    elif rows.shape == "alpaca":
        data["type"] = "alpaca"
    elif rows.shape == "pair":
        asked, answered = rows.columns
        data["type"] = {
            "field_instruction": asked,
            "field_output": answered,
            "format": "{instruction}\n",
            "no_input_format": "{instruction}\n",
        }
    else:
        data["type"] = "completion"
    four = settings.method == "qlora"
    values: dict[str, Any] = {
        "base_model": settings.model,
        "load_in_4bit": four,
        "load_in_8bit": False,
        "adapter": settings.method,
        "lora_r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": 0.0,
        "lora_target_linear": True,
        "datasets": [data],
        "val_set_size": 0.0,
        "sequence_len": settings.sequence,
        "sample_packing": settings.packing,
        "micro_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation,
        "gradient_checkpointing": settings.checkpointing,
        "num_epochs": float(settings.epochs),
        "optimizer": "adamw_torch_fused",
        "learning_rate": settings.learning_rate,
        "lr_scheduler": "cosine",
        "warmup_steps": 10,
        "bf16": settings.precision == "bf16",
        "fp16": settings.precision == "fp16",
        "attn_implementation": "sdpa",
        "logging_steps": 10,
        "saves_per_epoch": 1,
        "output_dir": settings.out,
    }
    return WrittenFile(_yaml(values, "Configuration of axolotl", why), f"axolotl train {name}")


def _torchtune(settings: Settings, why: str, name: str) -> WrittenFile:
    """Torchtune builds models by its own functions, from a folder with the checkpoint."""
    found = next(
        (
            row
            for row in _BUILDERS
            if row[0] in settings.model.lower().rstrip("/").rpartition("/")[2]
        ),
        None,
    )
    if found is None or not _is_local(settings.model):
        known = ", ".join(row[0] for row in _BUILDERS)
        raise NotWritableError(
            f"torchtune needs a downloaded model of a size that it can build ({known}), and --model names the folder"
        )
    _, package, builder, tokenizer, kind, files, path, merges = found
    rows, folder = settings.rows, settings.model.rstrip("/")
    if rows.shape == "messages":
        data: dict[str, Any] = {
            "_component_": "torchtune.datasets.chat_dataset",
            "conversation_column": "messages",
            "conversation_style": "openai",
        }
    elif rows.shape == "conversations":
        data = {
            "_component_": "torchtune.datasets.chat_dataset",
            "conversation_column": "conversations",
            "conversation_style": "sharegpt",
        }
    elif rows.shape == "text":
        data = {"_component_": "torchtune.datasets.text_completion_dataset", "column": "text"}
    else:
        asked, answered = rows.columns
        data = {
            "_component_": "torchtune.datasets.instruct_dataset",
            "column_map": {"input": asked, "output": answered},
        }
    source = "csv" if settings.data.endswith(".csv") else "json"
    data |= {
        "source": source,
        "data_files": settings.data,
        "split": "train",
        "packed": settings.packing,
    }
    prefix = "qlora_" if settings.method == "qlora" else "lora_"
    quoted = {
        "path": f"{folder}/{path}",
        "merges_file": f"{folder}/{merges}" if merges else None,
        "max_seq_len": settings.sequence,
    }
    values: dict[str, Any] = {
        "output_dir": settings.out,
        "model": {
            "_component_": f"torchtune.models.{package}.{prefix}{builder}",
            "lora_attn_modules": ["q_proj", "k_proj", "v_proj", "output_proj"],
            "apply_lora_to_mlp": True,
            "lora_rank": settings.rank,
            "lora_alpha": settings.alpha,
            "lora_dropout": 0.0,
        },
        "tokenizer": {"_component_": tokenizer, **quoted},
        "checkpointer": {
            "_component_": "torchtune.training.FullModelHFCheckpointer",
            "checkpoint_dir": folder,
            "checkpoint_files": files,
            "recipe_checkpoint": None,
            "output_dir": settings.out,
            "model_type": kind,
        },
        "resume_from_checkpoint": False,
        "save_adapter_weights_only": True,
        "dataset": data,
        "seed": 1,
        "shuffle": True,
        "batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation,
        "optimizer": {
            "_component_": "torch.optim.AdamW",
            "fused": True,
            "lr": settings.learning_rate,
        },
        "lr_scheduler": {
            "_component_": "torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup",
            "num_warmup_steps": 10,
        },
        "loss": {"_component_": "torchtune.modules.loss.CEWithChunkedOutputLoss"},
        "epochs": max(1, round(settings.epochs)),
        "compile": False,
        "device": "cpu" if settings.on_cpu else "cuda",
        "dtype": "fp32" if settings.precision != "bf16" else "bf16",
        "enable_activation_checkpointing": settings.checkpointing,
        "enable_activation_offloading": False,
        "metric_logger": {
            "_component_": "torchtune.training.metric_logging.DiskLogger",
            "log_dir": f"{settings.out}/logs",
        },
        "log_every_n_steps": 1,
        "log_peak_memory_stats": not settings.on_cpu,
    }
    # torchtune wants these keys, also where they are null
    extra = "max_steps_per_epoch: null\nclip_grad_norm: null\n"
    text = _yaml(values, "Configuration of torchtune", why) + extra
    return WrittenFile(text, f"tune run lora_finetune_single_device --config {name}")


def _sharded(count: int) -> Any:  # noqa: ANN401  a list, or a pattern of torchtune
    if count == 1:
        return ["model.safetensors"]
    return {"filename_format": "model-{}-of-{}.safetensors", "max_filename": f"{count:05d}"}


_LLAMA, _QWEN = (
    "torchtune.models.llama3.llama3_tokenizer",
    "torchtune.models.qwen2_5.qwen2_5_tokenizer",
)
_BUILDERS: tuple[tuple[str, str, str, str, str, Any, str, str], ...] = (
    (
        "llama-3.2-1b",
        "llama3_2",
        "llama3_2_1b",
        _LLAMA,
        "LLAMA3_2",
        _sharded(1),
        "original/tokenizer.model",
        "",
    ),
    (
        "llama-3.2-3b",
        "llama3_2",
        "llama3_2_3b",
        _LLAMA,
        "LLAMA3_2",
        _sharded(2),
        "original/tokenizer.model",
        "",
    ),
    (
        "llama-3.1-8b",
        "llama3_1",
        "llama3_1_8b",
        _LLAMA,
        "LLAMA3",
        _sharded(4),
        "original/tokenizer.model",
        "",
    ),
    (
        "qwen2.5-0.5b",
        "qwen2_5",
        "qwen2_5_0_5b",
        _QWEN,
        "QWEN2",
        _sharded(1),
        "vocab.json",
        "merges.txt",
    ),
    (
        "qwen2.5-1.5b",
        "qwen2_5",
        "qwen2_5_1_5b_instruct",
        _QWEN,
        "QWEN2",
        _sharded(1),
        "vocab.json",
        "merges.txt",
    ),
    (
        "qwen2.5-3b",
        "qwen2_5",
        "qwen2_5_3b",
        _QWEN,
        "QWEN2",
        _sharded(2),
        "vocab.json",
        "merges.txt",
    ),
    (
        "qwen2.5-7b",
        "qwen2_5",
        "qwen2_5_7b_instruct",
        _QWEN,
        "QWEN2",
        _sharded(4),
        "vocab.json",
        "merges.txt",
    ),
)
"""Words in a folder's name; torchtune's package, builder, tokenizer, model type; checkpoint and tokenizer files
(torchtune 0.6, recipes/configs)."""


def _unsloth(settings: Settings, why: str, name: str) -> WrittenFile:
    """Return a script, because unsloth has no configuration files."""
    rows = settings.rows
    if settings.on_cpu:
        raise NotWritableError(
            "unsloth needs a GPU, and this machine has none; use another framework"
        )
    if rows.columns not in {("messages",), ("prompt", "completion"), ("text",)}:
        raise NotWritableError(
            f"TRL's trainer reads messages, prompt with completion, or text; the data has {' and '.join(rows.columns)}"
        )
    builder = "csv" if settings.data.endswith(".csv") else "json"
    text = f"""# Script of unsloth
# {" ".join(why.split())}
from unsloth import FastLanguageModel
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

max_seq_length = {settings.sequence}
model, tokenizer = FastLanguageModel.from_pretrained(
    model_name={settings.model!r},
    max_seq_length=max_seq_length,
    load_in_4bit={settings.method == "qlora"},
)
model = FastLanguageModel.get_peft_model(
    model,
    r={settings.rank},
    lora_alpha={settings.alpha},
    lora_dropout=0,
    target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    use_gradient_checkpointing={'"unsloth"' if settings.checkpointing else False},
)
dataset = load_dataset({builder!r}, data_files={settings.data!r}, split="train")
dataset = dataset.select_columns({list(rows.columns)!r})
{_TEMPLATE if rows.shape == "messages" else ""}trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    train_dataset=dataset,
    args=SFTConfig(
        max_length=max_seq_length,
        packing={settings.packing},
        per_device_train_batch_size={settings.micro_batch},
        gradient_accumulation_steps={settings.accumulation},
        num_train_epochs={float(settings.epochs)},
        learning_rate={settings.learning_rate},
        lr_scheduler_type="cosine",
        warmup_steps=10,
        optim="adamw_8bit",
        logging_steps=10,
        save_strategy="epoch",
        output_dir={settings.out!r},
        report_to="none",
    ),
)
trainer.train()
model.save_pretrained({settings.out!r})
tokenizer.save_pretrained({settings.out!r})
"""
    return WrittenFile(text, f"python {name}")


_TEMPLATE = """def as_text(row):
    return {"text": tokenizer.apply_chat_template(row["messages"], tokenize=False)}


dataset = dataset.map(as_text, remove_columns=["messages"])
"""
