"""Fine-tune a language model on rows of your own, on one device or several.

    python train.py config.toml [--key=value ...] [--dry-run | --merge]
    torchrun --nproc-per-node 2 train.py config.toml

In this order: configuration, data, loss, model, checkpoints, run. The rows and the learning rate of
a step are functions of seed and step. So weights, optimizer, random states and the step's number
make a whole checkpoint, and a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import bisect
import contextlib
import csv
import functools
import glob
import hashlib
import importlib
import io
import json
import math
import os
import random
import re
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Callable, Dict, List, NamedTuple, NoReturn, Tuple

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812  as everybody calls it


# ------------------------------------------------------------------------------- configuration
@dataclass
class Config:
    """The keys of config.toml; each is an option --key=value too."""

    model: str = ""  # folder, .gguf file, or name on the hub
    data: str = ""  # .jsonl or .csv with rows of prompt and completion, of messages, or of text
    eval_data: str = ""  # held-out rows; or set eval_share
    eval_share: float = 0.0  # share of data that is held out
    out: str = "out"  # folder of checkpoints, log.jsonl and the result
    method: str = "lora"  # lora, qlora (4-bit base, needs bitsandbytes) or full
    rank: int = 16  # of the adapters
    alpha: int = 32  # adapters are scaled by alpha / rank
    dropout: float = 0.0  # on the input of adapters
    targets: str = "all-linear"  # layers with adapters, as in q_proj,v_proj
    dora: bool = False  # learn magnitudes apart from directions
    rslora: bool = False  # scale by alpha / sqrt(rank)
    template: str = "model"  # chat template: the model's, none, or a Jinja file
    answers: str = "all"  # which answers of a conversation are learned: all or last
    max_length: int = 1024  # tokens; longer texts are cut up, longer conversations cut off
    packing: bool = False  # several samples in one row, without sight of each other
    batch: int = 16  # rows of a step, over all devices
    micro_batch: int = 4  # rows at a time on a device; halved when memory runs out
    epochs: float = 1.0  # passes over the data
    max_steps: int = 0  # instead of epochs, where not 0
    learning_rate: float = 2e-4  # at its peak; full fine-tunes want about 2e-5
    schedule: str = "cosine"  # cosine, linear or constant
    warmup: float = 0.03  # share of the steps
    weight_decay: float = 0.0  # of matrices
    clip: float = 1.0  # largest norm of the gradient; 0: any
    optimizer: str = "adamw"  # adamw, or adamw8bit (needs bitsandbytes)
    precision: str = "auto"  # bf16, fp16, fp32, or pure-bf16: trained weights in 16 bits too
    attention: str = "sdpa"  # sdpa, eager or flash_attention_2
    checkpointing: bool = False  # activations are computed twice and not kept
    chunk: int = 1024  # tokens that meet the vocabulary at a time; 0: all
    device: str = "auto"  # cuda, xpu, mps or cpu
    shard: bool = False  # FSDP2: each device of torchrun holds a part of the layers
    seed: int = 0  # of adapters, order and dropout
    log_every: int = 1  # steps
    eval_every: int = 0  # steps; 0: before and after training
    save_every: int = 100  # steps
    keep: int = 2  # checkpoints
    resume: bool = False  # go on from the last checkpoint in out, if there is one
    tensorboard: bool = False  # log there too
    peak_tflops: float = 0.0  # of the device, for mfu; 0: measured by a matrix product


CHOICES = {
    "method": "lora qlora full",
    "answers": "all last",
    "schedule": "cosine linear constant",
    "optimizer": "adamw adamw8bit",
    "precision": "auto bf16 fp16 fp32 pure-bf16",
    "attention": "sdpa eager flash_attention_2",
    "device": "auto cuda xpu mps cpu",
}
ABOVE_0 = "rank alpha max_length batch micro_batch learning_rate epochs log_every save_every keep"
BELOW_1 = "dropout eval_share warmup"
FREE = "out epochs max_steps micro_batch log_every eval_every save_every keep resume tensorboard"
FREE += " peak_tflops device"  # what can change when a run is resumed
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
FORMS = """a row is {"prompt": "..", "completion": ".."} or {"text": ".."} or {"messages": [{"role":
  "user", "content": ".."}, {"role": "assistant", "content": ".."}]}; a line of UTF-8 for each"""


def stop(what: str, remedy: str, code: int = 2) -> NoReturn:
    """End with what is wrong and the way out; code 2: the input, 1: the run."""
    if code == 1 or os.environ.get("RANK", "0") == "0":
        print(f"train: {what}\n  {remedy}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def say(text: str) -> None:
    """Print a line, once for all processes."""
    if os.environ.get("RANK", "0") == "0":
        print(text, flush=True)


def short(error: Exception) -> str:
    """Return what an error says, in one line."""
    return f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0][:200]}"


def read_config(arguments: List[str]) -> Config:
    """Read the file, and put the options over it."""
    config, given = Config(), []
    for path in (a for a in arguments if not a.startswith("--")):
        try:
            with open(path, encoding="utf-8-sig") as file:
                text = file.read()
            toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
            values = toml.loads(text)
        except (ImportError, OSError, ValueError) as error:
            stop(f"{path}: {short(error)}", "it holds TOML, as in: model = 'folder'")
        for key, value in values.items():
            at = re.search(rf"^\W*{re.escape(key)}\b", text, re.MULTILINE)
            line = text.count("\n", 0, at.end()) + 1 if at else 1
            given.append((f"{path} line {line}", key, value))
    for option in (a for a in arguments if a.startswith("--")):
        key, _, word = option[2:].partition("=")
        key = key.replace("-", "_")
        with contextlib.suppress(ValueError):  # words that are numbers or truths in JSON
            word = word if isinstance(getattr(config, key, ""), str) else json.loads(word)
        given.append((option, key, word))
    for where, key, value in given:
        setattr(config, key, checked(where, key, value))
    if not config.model or not config.data or (config.eval_data and config.eval_share):
        stop("it takes model, data, and one of eval_data and eval_share at most", "set them")
    return config


def checked(where: str, key: str, value: Any) -> Any:
    """Return a value as its key wants it."""
    names = [field.name for field in fields(Config)]
    if key not in names:
        near = get_close_matches(key, names, 1, 0.5) or [", ".join(names)]
        stop(f"{where}: unknown key {key!r}", f"there is: {near[0]}")
    default = getattr(Config, key)
    value = float(value) if type(default) is float and type(value) is int else value
    wants = f"{type(default).__name__}, as in {key} = {json.dumps(default)}"
    is_right = type(value) is type(default)
    if is_right and key in CHOICES:
        is_right, wants = value in CHOICES[key].split(), f"one of {CHOICES[key]}"
    if is_right and type(value) in (int, float):
        low, high = key in ABOVE_0.split(), key in BELOW_1.split()
        is_right = 0 <= value < (1 if high else math.inf) and not (low and value == 0)
        wants = "more than 0" if low else "0 or more, less than 1" if high else "0 or more"
    if not is_right:
        stop(f"{where}: {key} is {value!r}", f"it takes {wants}")
    return value


# ---------------------------------------------------------------------------------------- data
class Sample(NamedTuple):
    """What is learned as one: the line it is from, its tokens, and 1 for each token to learn."""

    line: int
    ids: List[int]
    learn: List[int]


Row = List[Sample]


def read_rows(path: str) -> Tuple[List[Tuple[int, Any]], str]:
    """Return the rows with their lines, and the sha256 of the file."""
    line, rows = 1, []
    try:
        with open(path, "rb") as file:
            raw = file.read()
        text = raw.decode("utf-8-sig")
        if path.endswith(".csv"):
            csv.field_size_limit(2**31 - 1)
            for row in (table := csv.DictReader(io.StringIO(text, newline=""), strict=True)):
                line = table.line_num
                if None in row or None in row.values():
                    stop(f"{path} line {line}: cells and columns differ in number", "quote cells")
                rows.append((line, row))
        for line, words in enumerate([] if path.endswith(".csv") else text.split("\n"), 1):
            rows += [(line, json.loads(words))] if words.strip() else []
    except UnicodeDecodeError as error:
        line, byte = raw.count(b"\n", 0, error.start) + 1, raw[error.start]
        stop(f"{path} line {line}: byte 0x{byte:02x} is not UTF-8", "iconv -t UTF-8 OLD > NEW")
    except csv.Error as error:
        stop(
            f"{path} line {table.reader.line_num}: {error}",
            "close each quote; write one inside a cell twice",
        )
    except ValueError as error:
        stop(f"{path} line {line}: not JSON: {error}: {words[:40]!r}", FORMS)
    except OSError as error:
        stop(f"{path}: {error.strerror}", "set data to a .jsonl or .csv file")
    return rows or stop(f"{path} holds no rows", FORMS), hashlib.sha256(raw).hexdigest()


def messages_of(row: Any, where: str) -> List[Dict[str, str]]:
    """Return a row as messages; a text is one of the role text."""
    row = row if isinstance(row, dict) else {"a row": row}
    talk = row.get("messages")
    if "prompt" in row and "completion" in row:
        talk = [{"role": "user", "content": row["prompt"]}]
        talk.append({"role": "assistant", "content": row["completion"]})
    elif "text" in row:
        talk = [{"role": "text", "content": row["text"]}]
    if not isinstance(talk, list) or not talk:
        stop(f"{where}: there is {', '.join(sorted(row)) or 'nothing'}", FORMS)
    for one in talk:
        role = one.get("role") if isinstance(one, dict) else None
        roles = ("system", "user", "assistant", "tool", "text")
        if role not in roles or not isinstance(one.get("content"), str):
            stop(f"{where}: {json.dumps(one)[:60]}", f"a role of {roles}, and content as text")
        if role in ("assistant", "text") and not one["content"].strip():
            stop(f"{where}: the {role} says nothing", "fill it, or take the row out")
    if talk[0]["role"] == "assistant" or talk[-1]["role"] not in ("assistant", "text"):
        stop(f"{where}: begins with {talk[0]['role']}, ends with {talk[-1]['role']}", FORMS)
    return talk


def pieces(talk: List[Dict[str, str]], tokenizer: Any, answers: str) -> List[Tuple[str, int]]:
    """Cut what the model reads of a conversation into pieces, with 1 for those to learn."""
    render = functools.partial(tokenizer.apply_chat_template, tokenize=False)
    whole, done, found = render(talk), 0, []
    for i in range(len(talk) - 1 if answers == "last" else 0, len(talk)):
        if talk[i]["role"] == "assistant":
            before, after = render(talk[:i], add_generation_prompt=True), render(talk[: i + 1])
            if not (whole.startswith(before) and whole.startswith(after) and before < after):
                raise ValueError(i + 1, "is written otherwise when others follow")
            found += [(whole[done : len(before)], 0), (whole[len(before) : len(after)], 1)]
            done = len(after)
    return found


def encode(talk: List[Dict[str, str]], where: str, tokenizer: Any, config: Config) -> List[Any]:
    """Return pairs of tokens and which of them to learn; a long text gives several."""
    size, end = config.max_length, [x for x in [tokenizer.eos_token_id] if x is not None]
    first = tokenizer(talk[0]["content"])["input_ids"]
    first = first[:-1] if end and first[-1:] == end else first
    if talk[0]["role"] == "text":
        ids = first + end
        return [(part := ids[i : i + size], [1] * len(part)) for i in range(0, len(ids), size)]
    tokens = functools.partial(tokenizer, add_special_tokens=False)
    if config.template != "none" and tokenizer.chat_template:
        try:
            found = pieces(talk, tokenizer, config.answers)
        except Exception as error:
            remedy = "change its roles, set answers = 'last', or template to a Jinja file"
            stop(f"{where}: the chat template refuses it: {short(error)}", remedy)
        parts = [(tokens(text)["input_ids"], learn) for text, learn in found]
    elif [one["role"] for one in talk] == ["user", "assistant"]:
        parts = [(first, 0), (tokens(talk[1]["content"])["input_ids"] + end, 1)]
    else:
        remedy = "set template to a Jinja file, or take the model's instruct version"
        stop(f"{where}: a conversation, and the model has no chat template", remedy)
    ids = [token for part, _ in parts for token in part]
    return [(ids[:size], [learn for part, learn in parts for _ in part][:size])]


def read_samples(path: str, tokenizer: Any, known: int, config: Config) -> Tuple[Row, str]:
    """Read, check and encode a file for a model that knows `known` tokens; returns its sha256 too."""
    rows, sha = read_rows(path)
    talks = [(line, f"{path} line {line}", row) for line, row in rows]
    talks = [(line, where, messages_of(row, where)) for line, where, row in talks]
    all_ = [Sample(n, *x) for n, at, talk in talks for x in encode(talk, at, tokenizer, config)]
    samples = [one for one in all_ if any(one.learn[1:])]
    if cut := sum(len(one.ids) == config.max_length for one in all_):
        lost = len(all_) - len(samples)
        say(f"{path}: {cut} samples fill max_length; {lost} are left out, with nothing to learn")
    if not samples:
        stop(f"{path}: no answer begins within max_length", "set a larger max_length")
    if (largest := max(max(one.ids) for one in samples)) >= known:
        stop(
            f"the tokenizer gives {largest}, the model knows {known} tokens", "take the model's own"
        )
    return samples, sha


def pack(samples: Row, length: int) -> List[Row]:
    """Put whole samples together in rows of `length` tokens: longest first, where it fits best."""
    rows: List[Row] = []
    space: List[Tuple[int, int]] = []
    for one in sorted(samples, key=lambda sample: -len(sample.ids)):
        at = bisect.bisect_left(space, (len(one.ids), -1))
        left, row = space.pop(at) if at < len(space) else (length, len(rows))
        rows += [[]] if row == len(rows) else []
        rows[row].append(one)
        bisect.insort(space, (left - len(one.ids), row))
    return rows


@functools.lru_cache(maxsize=4)
def order(count: int, seed: int, epoch: int) -> List[int]:
    """Return the order of the rows in an epoch."""
    return random.Random(f"{seed}/{epoch}").sample(range(count), count)  # noqa: S311


def rows_of(step: int, rows: List[Row], config: Config) -> List[Row]:
    """Return the rows of a step, longest first; epochs follow each other without a gap."""
    places = (divmod(step * config.batch + i, len(rows)) for i in range(config.batch))
    picked = [rows[order(len(rows), config.seed, epoch)[at]] for epoch, at in places]
    return sorted(picked, key=size, reverse=True)


def size(row: Row) -> int:
    """Count the tokens of a row."""
    return sum(len(one.ids) for one in row)


def learned(rows: List[Row]) -> int:
    """Count the tokens that are learned: nothing foretells the first of a sample."""
    return sum(sum(one.learn[1:]) for row in rows for one in row)


def collate(rows: List[Row], device: Any, packing: bool) -> Tuple[Any, Any, Any]:  # noqa: FBT001
    """Return ids, labels (-100: not learned) and positions, each rows x tokens.

    Padding is at the end, where no token looks back from: that needs no mask. Positions begin anew with
    each sample of a packed row, and transformers makes the mask of those.
    """
    width = -(-max(map(size, rows)) // 8) * 8
    ids, labels, places = torch.tensor([[[0], [-100], [0]]]).repeat(len(rows), 1, width).unbind(1)
    for i, row in enumerate(rows):
        at = 0
        for one in row:
            here, at = slice(at, at + len(one.ids)), at + len(one.ids)
            ids[i, here], places[i, here] = torch.tensor(one.ids), torch.arange(len(one.ids))
            learn = torch.tensor([0, *one.learn[1:]], dtype=torch.bool)
            labels[i, here] = ids[i, here].masked_fill(~learn, -100)
    return ids.to(device), labels.to(device), places.to(device) if packing else None


# ---------------------------------------------------------------------------------------- loss
class ChunkedLoss(torch.autograd.Function):  # type: ignore[misc]
    """Sum over tokens of -log softmax(hidden @ weight.T)[target].

    Logits exist for a chunk of tokens at a time, and the gradient is taken while they do: so they
    need little memory, and nothing is computed twice.
    """

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        """Take loss and gradients; hidden is tokens x width, weight vocabulary x width."""
        hidden, weight, bias, target, cap, chunk = given
        loss, wants = hidden.new_zeros((), dtype=torch.float32), ctx.needs_input_grad
        d_hidden = torch.empty_like(hidden) if wants[0] else None
        d_weight = torch.zeros_like(weight, dtype=torch.float32) if wants[1] else None
        ctx.kind, weight = weight.dtype, weight.to(hidden.dtype)
        for i in range(0, len(hidden), chunk):
            some, right = hidden[i : i + chunk], target[i : i + chunk, None]
            logits = F.linear(some, weight, None if bias is None else bias.to(some.dtype)).float()
            bent = torch.tanh(logits / cap) if cap else None
            logits = logits if bent is None else cap * bent
            total = torch.logsumexp(logits, -1, keepdim=True)
            loss += (total - logits.gather(1, right)).sum()
            if any(wants[:2]):
                slope = logits.sub_(total).exp_()  # softmax, less 1 at the target
                slope.scatter_add_(1, right, -torch.ones_like(total))
                slope = (slope if bent is None else slope * (1 - bent * bent)).to(hidden.dtype)
            if d_hidden is not None:
                d_hidden[i : i + chunk] = slope @ weight
            if d_weight is not None:
                d_weight += (slope.t() @ some).float()
        ctx.save_for_backward(d_hidden, d_weight)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        """Scale what forward took."""
        d_hidden, d_weight = ctx.saved_tensors
        d_hidden = None if d_hidden is None else d_hidden * upstream.to(d_hidden.dtype)
        d_weight = None if d_weight is None else (d_weight * upstream).to(ctx.kind)
        return d_hidden, d_weight, None, None, None, None


def loss_of(model: Any, batch: Tuple[Any, Any, Any], chunk: int) -> Any:
    """Return the summed loss of the tokens to learn; the others never meet the vocabulary."""
    inputs = {"input_ids": batch[0], "position_ids": batch[2], "use_cache": False}
    keep, target = batch[1][:, 1:] != -100, batch[1][:, 1:][batch[1][:, 1:] != -100]
    if not chunk:
        logits = model(**inputs).logits[:, :-1][keep].float()
        return F.cross_entropy(logits, target, reduction="sum")
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = getattr(base, base.base_model_prefix)(**inputs)[0][:, :-1][keep]
    kind, cap = hidden.device.type, getattr(base.config, "final_logit_softcapping", None)
    hidden = (
        hidden.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else hidden
    )
    with torch.autocast(kind, enabled=False):
        head = base.get_output_embeddings()
        return ChunkedLoss.apply(hidden, head.weight, head.bias, target, cap, chunk)


# --------------------------------------------------------------------------------------- model
def source(config: Config) -> Tuple[str, Dict[str, str]]:
    """Return the model's folder or name, and the .gguf file in it where it is one."""
    path = os.path.expanduser(config.model)
    names = os.listdir(path) if os.path.isdir(path) else []
    if path.endswith(".gguf") and os.path.exists(path):
        return os.path.dirname(path) or ".", {"gguf_file": os.path.basename(path)}
    if names and not (
        "config.json" in names and re.search(r"\.(safetensors|bin)\b", " ".join(names))
    ):
        stop(f"{path} lacks config.json or weights", "set model to a folder with both")
    if not names and not re.match(r"^[\w-][\w.-]*(/[\w.-]+)?(?<!gguf)$", path):
        stop(f"there is no model in {path}", "set model to a folder, or owner/name of the hub")
    return path, {}


def load_tokenizer(config: Config) -> Tuple[Any, int]:
    """Return the tokenizer with the template that is wanted, and how many tokens the model knows."""
    from transformers import AutoConfig, AutoTokenizer

    place, how = source(config)
    try:
        known = AutoConfig.from_pretrained(place, **how).get_text_config().vocab_size
        tokenizer = AutoTokenizer.from_pretrained(place, **how)
    except Exception as error:
        stop(f"model {config.model} does not load: {short(error)}", "download it anew")
    if config.template not in ("model", "none"):
        try:
            with open(config.template, encoding="utf-8") as file:
                tokenizer.chat_template = file.read()
        except (OSError, ValueError) as error:
            stop(f"template: {short(error)}", "set it to model, none, or a Jinja file")
    return tokenizer, known


def load_model(config: Config, device: Any, folder: str) -> Any:
    """Return the model, with adapters where wanted; trained weights from `folder` if it is named."""
    if config.optimizer == "adamw" and config.method != "qlora":
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]  # peft loads it: 1.5 s
    import transformers

    is_full, is_pure = config.method == "full", config.precision == "pure-bf16"
    half = torch.bfloat16 if is_pure else HALF.get(config.precision, torch.float32)
    place, how = (folder, {}) if is_full and folder else source(config)
    old = tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 56)
    options: Dict[str, Any] = {"torch_dtype" if old else "dtype": half, **how}
    if is_full and not is_pure:
        options["torch_dtype" if old else "dtype"] = torch.float32
    if config.method == "qlora":
        nf4 = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        four = {"load_in_4bit": True, "bnb_4bit_compute_dtype": half, **nf4}
        options["quantization_config"] = transformers.BitsAndBytesConfig(**four)
        options["device_map"] = {"": device}
    try:
        model, told = transformers.AutoModelForCausalLM.from_pretrained(
            place, attn_implementation=config.attention, output_loading_info=True, **options
        )
    except Exception as error:
        stop(f"model {config.model} does not load: {short(error)}", "download or update it")
    if told["missing_keys"]:
        stop(f"model {config.model} lacks {min(told['missing_keys'])}", "download it anew")
    model = model if config.method == "qlora" else model.to(device)
    if config.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()  # else nothing above frozen embeddings is learned
    if is_full:
        return model
    from peft import LoraConfig, PeftModel, get_peft_model

    cast = {"autocast_adapter_dtype": not is_pure}  # adapters are learned in fp32
    if folder:
        return PeftModel.from_pretrained(model, folder, is_trainable=True, **cast)
    targets = config.targets if config.targets == "all-linear" else config.targets.split(",")
    what: Dict[str, Any] = {
        "target_modules": targets,
        "use_dora": config.dora,
        "use_rslora": config.rslora,
    }
    what.update(r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout)
    try:
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **what), **cast)
    except ValueError as error:
        stop(f"targets {config.targets}: {short(error)}", "all-linear, or names as q_proj,v_proj")


def shard(model: Any) -> None:
    """Spread the weights of the layers over the devices; adapters stay whole on each."""
    from torch.distributed.fsdp import fully_shard

    adapters = (
        {p for p in model.parameters() if p.requires_grad}
        if hasattr(model, "peft_config")
        else set()
    )
    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    for layer in max(lists, key=len):
        fully_shard(layer, reshard_after_forward=True, ignored_params=adapters)


def whole(value: Any) -> Any:
    """Return a tensor, or a dict of them, with all parts that other devices hold."""
    if isinstance(value, dict):
        return {key: whole(one) for key, one in value.items()}
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def pick_device(config: Config) -> Any:
    """Return the device, and settle precision auto by what it can do."""
    has = {"cuda": torch.cuda.is_available(), "cpu": True, "mps": torch.backends.mps.is_available()}
    has["xpu"] = hasattr(torch, "xpu") and torch.xpu.is_available()
    found = [kind for kind in ("cuda", "xpu", "mps", "cpu") if has[kind]]
    kind = found[0] if config.device == "auto" else config.device
    if kind not in found:
        stop(f"torch sees no {kind}", f"it sees {', '.join(found)}; doctor check says why")
    if config.precision == "auto":
        bf16 = kind == "xpu" or (kind == "cuda" and torch.cuda.get_device_capability() >= (8, 0))
        config.precision = "bf16" if bf16 else "fp16" if kind == "cuda" else "fp32"
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(kind, torch.cuda.current_device()) if kind == "cuda" else torch.device(kind)


# --------------------------------------------------------------------------------- checkpoints
def write_whole(out: str, name: str, fill: Callable[[str], Any]) -> str:
    """Fill a folder under another name, have it on the disk, then rename: it is whole or not there."""
    temporary, final = os.path.join(out, f".new-{name}"), os.path.join(out, name)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        os.makedirs(temporary)
        fill(temporary)
        for path in [*glob.glob(os.path.join(temporary, "*")), temporary] * (os.name == "posix"):
            os.fsync(number := os.open(path, os.O_RDONLY))
            os.close(number)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return final


def checkpoints(out: str) -> List[str]:
    """Return the folders of checkpoints, oldest first."""
    return sorted(glob.glob(os.path.join(glob.escape(out), "step-*")))


def last_state(config: Config, sha: str) -> Tuple[str, Dict[str, Any]]:
    """Return folder and state of the last checkpoint, if the run is to go on from it."""
    folders = checkpoints(config.out)
    if folders and not config.resume:
        stop(f"{config.out} holds a run", "set resume = true to go on, or out to another folder")
    if not folders:
        return "", {}
    try:
        path = os.path.join(folders[-1], "trainer_state.pt")
        state: Dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        stop(f"{folders[-1]} does not load: {short(error)}", f"delete it; {folders[:-1]} are left")
    now = {**asdict(config), "the content of data": sha}
    for key, old in state["config"].items():
        if old != now[key] and key not in FREE.split():
            stop(
                f"{key} was {old!r} before, now {now[key]!r}", "set it back, or out to a new folder"
            )
    return folders[-1], state


def plot(path: str, log: List[Dict[str, Any]]) -> None:
    """Draw the losses as SVG."""
    lines = {k: [(r["step"], r[k]) for r in log if k in r] for k in ("loss", "eval_loss")}
    losses = [y for line in lines.values() for _, y in line]
    low, high, last = min(losses), max(losses), log[-1]["step"]
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 320" font-size="12">']
    parts += ['<path d="M50 20V290H630" fill="none" stroke="gray"/>']
    texts = [(2, 24, f"{high:.3g}"), (2, 290, f"{low:.3g}"), (560, 310, f"step {last}")]
    for (name, line), colour in zip(lines.items(), ("steelblue", "orangered")):
        places = [(50 + 580 * x / last, 290 - 270 * (y - low) / (high - low or 1)) for x, y in line]
        dots = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts += [f'<polyline points="{dots}" fill="none" stroke="{colour}"/>']
        texts += [(60 if name == "loss" else 100, 14, f'<tspan fill="{colour}">{name}</tspan>')]
    parts += [f'<text x="{x}" y="{y}">{text}</text>' for x, y, text in texts]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>\n"]))


def card(run: Run, log: List[Dict[str, Any]]) -> str:
    """Return the model card: what was made, and everything to make it again."""
    names = ("torch", "transformers", "peft")
    versions = ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in names)
    config = "\n".join(f"{key} = {json.dumps(x)}" for key, x in asdict(run.config).items())
    column = {k: [r[k] for r in log if k in r] for k in ("loss", "eval_loss")}
    results = "\n".join(f"- {k}: {x[0]:.4f} -> {x[-1]:.4f}" for k, x in column.items() if x)
    return f"""---
base_model: {run.config.model}
library_name: {"transformers" if run.config.method == "full" else "peft"}
pipeline_tag: text-generation
---
# {os.path.basename(os.path.abspath(run.config.out))}

`{run.config.model}` by {run.config.method}: {run.step} steps, {run.tokens} tokens.

{results}

![loss](loss.svg)

To repeat it: {run.world} x {run.device}, Python {sys.version.split()[0]}, {versions},
{len(run.rows)} rows of data with sha256 `{run.sha}`, and as `config.toml`

```toml
{config}
```
"""


# ----------------------------------------------------------------------------------------- run
class Run:
    """What is trained, on what, and how far it is."""

    def __init__(self, config: Config) -> None:
        """Read everything, data before weights, and stand where the last checkpoint stood."""
        self.config, self.step, self.tokens, self.micro = config, 0, 0, config.micro_batch
        self.world, self.rank = (
            int(os.environ.get(x) or d) for x, d in (("WORLD_SIZE", 1), ("RANK", 0))
        )
        self.signals: List[int] = []
        self.tokenizer, known = load_tokenizer(config)
        samples, self.sha = read_samples(config.data, self.tokenizer, known, config)
        held: Row = []
        if config.eval_data:
            held, _ = read_samples(config.eval_data, self.tokenizer, known, config)
        elif config.eval_share:  # by content: the same rows are held out when others are added
            samples.sort(key=lambda one: hashlib.sha256(repr(one.ids).encode()).digest())
            count = max(1, round(config.eval_share * len(samples)))
            held, samples = samples[:count], samples[count:]
        if not samples or config.batch % self.world:
            stop(
                "no row is left, or batch is no multiple of the processes", "set eval_share, batch"
            )
        self.held = [[one] for one in held]
        self.rows = pack(samples, config.max_length) if config.packing else [[s] for s in samples]
        self.total = config.max_steps or math.ceil(config.epochs * len(self.rows) / config.batch)
        self.device = pick_device(config)
        folder, state = last_state(config, self.sha)
        torch.manual_seed(config.seed)
        self.model, self.chunk = load_model(config, self.device, folder), config.chunk
        if self.world > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
            if config.shard:
                shard(self.model)
        self.check_model()
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = self.make_optimizer()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")
        if state:
            self.step, self.tokens, self.micro = state["step"], state["tokens"], state["micro"]
            self.load_optimizer(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            if len(state["random"]) == self.world:
                self.set_random(state["random"][self.rank])

    def cast(self) -> Any:
        """Return the context in which the model computes."""
        kind = HALF.get(self.config.precision)
        return torch.autocast(self.device.type, kind) if kind else contextlib.nullcontext()

    def rest(self) -> None:
        """Have the model evaluate."""
        self.model.eval()
        for module in self.model.modules():  # at rest on the CPU, 4-bit weights are packed anew,
            if type(module).__module__.startswith(
                "bitsandbytes"
            ):  # and gradients wrong from then on
                module.training = True

    def check_model(self) -> None:
        """Measure on this very model what is else taken for granted."""
        self.rest()
        head, ids = self.model.get_output_embeddings(), torch.arange(8, device=self.device)[None]
        with torch.no_grad(), self.cast():
            if self.chunk:
                plain, ours = (float(loss_of(self.model, (ids, ids, None), n)) for n in (0, 3))
                if type(head) is not torch.nn.Linear or not math.isclose(plain, ours, rel_tol=0.02):
                    self.chunk = 0
                    say("this model does more than a product with its vocabulary: chunk is 0")
            if self.config.packing:  # what stands before a sample must not change what it gives
                both = torch.cat([torch.cat([x, ids], 1) for x in (ids, ids + 8)])
                inputs = {"input_ids": both, "position_ids": both % 8, "use_cache": False}
                a, b = self.model(**inputs).logits[:, 8:]
                if not torch.allclose(a, b, rtol=0.01, atol=0.01 * float(a.abs().max())):
                    remedy = "set packing = false, or update transformers"
                    stop("packed samples see each other in this model and transformers", remedy)
        self.model.train()

    def make_optimizer(self) -> Any:
        """Return the optimizer; only matrices decay. Whole and sharded weights don't mix."""
        groups: Dict[Any, List[Any]] = {}
        for p in self.trained:
            groups.setdefault((p.dim() >= 2, hasattr(p, "full_tensor")), []).append(p)
        decay = self.config.weight_decay
        sets = [{"params": x, "weight_decay": decay * key[0]} for key, x in groups.items()]
        if self.config.optimizer == "adamw":
            return torch.optim.AdamW(sets, lr=self.config.learning_rate, fused=True)
        return importlib.import_module("bitsandbytes").optim.AdamW8bit(
            sets, lr=self.config.learning_rate
        )

    def load_optimizer(self, state: Dict[str, Any]) -> None:
        """Put the optimizer's state back, in parts where weights are."""
        flat = [p for group in self.optimizer.param_groups for p in group["params"]]
        for i, one in state["state"].items():
            if hasattr(flat[i], "full_tensor"):
                from torch.distributed.tensor import distribute_tensor

                for key, value in one.items():
                    if value.shape == flat[i].shape:
                        one[key] = distribute_tensor(value, flat[i].device_mesh, flat[i].placements)
        self.optimizer.load_state_dict(state)

    def rate(self) -> float:
        """Return the learning rate of this step."""
        warm = math.ceil(self.config.warmup * self.total)
        part = (self.step - warm) / max(1, self.total - warm)
        shapes = {"cosine": 0.5 * (1 + math.cos(math.pi * part)), "linear": 1 - part, "constant": 1}
        shape = (self.step + 1) / warm if self.step < warm else shapes[self.config.schedule]
        return self.config.learning_rate * shape

    def random(self) -> Dict[str, Any]:
        """Return the random states."""
        states = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state()
        return states

    def set_random(self, states: Dict[str, Any]) -> None:
        """Put random states back."""
        torch.set_rng_state(states["cpu"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"])

    def summed(self, number: float) -> float:
        """Add a number up over all processes."""
        if self.world == 1:
            return number
        tensor = torch.tensor(number, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return float(tensor)

    def guard(self, what: str, value: float, rows: List[Row]) -> None:
        """Stop where a number is none any more, naming the step and the lines of the data."""
        if not math.isfinite(value):
            lines = sorted({one.line for row in rows for one in row})
            remedy = "look at these lines; lower learning_rate; bf16 holds what overflows fp16"
            where = f"step {self.step + 1}: the {what} is {value} on lines {lines} of {self.config.data}"
            last = (checkpoints(self.config.out) or ["no checkpoint"])[-1]
            stop(f"{where}; {last} stands", remedy, 1)

    def try_backward(self, rows: List[Row], count: int) -> Tuple[float, bool]:
        """Add up gradients over micro-batches; returns the loss, and whether memory ran out."""
        parts = [rows[i : i + self.micro] for i in range(0, len(rows), self.micro)]
        losses = []
        try:
            for part in parts:
                with self.cast():
                    batch = collate(part, self.device, self.config.packing)
                    losses.append(loss_of(self.model, batch, self.chunk) / count)
                self.scaler.scale(losses[-1]).backward()
                losses[-1] = losses[-1].detach()
        except RuntimeError as error:
            if self.config.shard or not re.search("out of memory|can't allocate", str(error)):
                raise
            return 0.0, True
        for part, loss in zip(parts, losses):
            self.guard("loss", float(loss), part)
        return sum(map(float, losses)), False

    def backward(self, rows: List[Row]) -> float:
        """Return the loss per token; when memory runs out, halve the micro-batch and begin again."""
        states = self.random()
        while True:
            loss, is_short = self.try_backward(rows[self.rank :: self.world], learned(rows))
            if not self.summed(is_short):
                break
            if self.micro == 1:
                remedy = "set checkpointing = true, a smaller max_length, or method = 'qlora'"
                stop(f"step {self.step + 1}: out of memory with micro_batch 1", remedy, 1)
            self.micro = (self.micro + 1) // 2
            self.optimizer.zero_grad(set_to_none=True)
            self.set_random(states)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.log({"step": self.step + 1, "out_of_memory": True, "micro_batch": self.micro})
        for p in self.trained if self.world > 1 else []:
            if hasattr(p, "full_tensor"):
                p.grad *= self.world  # FSDP took the mean
            else:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(p.grad)
        return self.summed(loss)

    def update(self, rows: List[Row]) -> Dict[str, Any]:
        """Take one step on rows, which are those of all processes."""
        loss, rate = self.backward(rows), self.rate()
        self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in self.trained if p.grad is not None]
        norm = float(torch.stack([whole(g.norm()).float() for g in grads]).norm())
        if self.config.precision != "fp16":  # whose scaler leaves such a step out
            self.guard("gradient", norm, rows)
        for grad in grads if self.config.clip and norm > self.config.clip else []:
            grad.mul_(self.config.clip / norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.step, self.tokens = self.step + 1, self.tokens + sum(map(size, rows))
        return {"step": self.step, "loss": loss, "lr": rate, "grad_norm": norm}

    def evaluate(self) -> float:
        """Return the mean loss of held-out tokens."""
        self.rest()
        mine, loss = self.held[self.rank :: self.world], 0.0
        for i in range(0, len(mine), self.micro):
            batch = collate(mine[i : i + self.micro], self.device, packing=False)
            with torch.no_grad(), self.cast():
                loss += float(loss_of(self.model, batch, self.chunk))
        self.model.train()
        return self.summed(loss) / learned(self.held)

    def memory(self) -> float:
        """Return the peak of memory in GiB: the device's, or the process's where that is the CPU."""
        if self.device.type in ("cuda", "xpu"):
            return float(getattr(torch, self.device.type).max_memory_allocated() / 2**30)
        with contextlib.suppress(ImportError):  # on Windows
            peak = importlib.import_module("resource").getrusage(0).ru_maxrss
            return float(peak / 2 ** (30 if sys.platform == "darwin" else 20))
        return 0.0

    def flops(self) -> Tuple[float, float]:
        """Return the operations of training on a token, and those of the device in a second."""
        layers = [m for m in self.model.modules() if isinstance(m, torch.nn.Linear)]
        each = sum(m.in_features * m.out_features for m in layers)
        each *= 6 if self.config.method == "full" else 4  # frozen weights have no gradient
        width, best = 512 if self.device.type == "cpu" else 4096, 1e-12
        for _ in range(0 if self.config.peak_tflops else 4):
            one = torch.ones(width, width, device=self.device)
            with self.cast():
                began, _ = time.perf_counter(), float((one @ one)[0, 0])
            best = max(best, 2e-12 * width**3 / (time.perf_counter() - began))
        return each, (self.config.peak_tflops or best) * 1e12

    def log(self, row: Dict[str, Any]) -> None:
        """Tell a row to the terminal, log.jsonl and TensorBoard."""
        say(
            "  ".join(
                f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )
        if self.rank or not self.config.out:
            return
        try:
            os.makedirs(self.config.out, exist_ok=True)
            with open(os.path.join(self.config.out, "log.jsonl"), "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            say(f"log.jsonl is not written: {short(error)}")
        if self.config.tensorboard:
            board = importlib.import_module("torch.utils.tensorboard").SummaryWriter(
                self.config.out
            )
            for key, value in row.items():
                board.add_scalar(key, float(value), row["step"])
            board.close()

    def save(self, name: str, extra: Callable[[str], Any]) -> bool:
        """Write weights, tokenizer and `extra`; a failure leaves what was there, and is told."""
        weights = (
            {} if self.config.method != "full" else {"state_dict": whole(self.model.state_dict())}
        )

        def fill(folder: str) -> None:
            self.model.save_pretrained(folder, **weights)
            self.tokenizer.save_pretrained(folder)
            extra(folder)

        try:
            if self.rank == 0:
                write_whole(self.config.out, name, fill)
        except Exception as error:
            last = (checkpoints(self.config.out) or ["no checkpoint"])[-1]
            say(f"{name} is not saved: {short(error)}\n  {last} stands; free space on the disk")
            return False
        return True

    def checkpoint(self) -> bool:
        """Save the run as it stands, and delete older checkpoints."""
        states: List[Any] = [self.random()] * self.world
        if self.world > 1:
            dist.all_gather_object(states, self.random())
        state: Dict[str, Any] = {
            "step": self.step,
            "tokens": self.tokens,
            "micro": self.micro,
            "random": states,
        }
        state["optimizer"] = self.optimizer.state_dict()
        state["optimizer"]["state"] = whole(state["optimizer"]["state"])
        state["scaler"] = self.scaler.state_dict()
        state["config"] = {**asdict(self.config), "the content of data": self.sha}
        name = "trainer_state.pt"
        saved = self.save(
            f"step-{self.step:07}", lambda to: torch.save(state, os.path.join(to, name))
        )
        for old in (
            checkpoints(self.config.out)[: -self.config.keep] if saved and not self.rank else []
        ):
            shutil.rmtree(old, ignore_errors=True)
        return saved

    def finish(self, folder: str) -> None:
        """Add plot and card to the result."""
        with open(os.path.join(self.config.out, "log.jsonl"), encoding="utf-8") as file:
            log = [json.loads(line) for line in file]
        plot(os.path.join(folder, "loss.svg"), log)
        with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
            file.write(card(self, log))

    def rewind_log(self) -> None:
        """Take out of the log what comes after the checkpoint: it comes again."""
        path = os.path.join(self.config.out, "log.jsonl")
        if self.rank == 0 and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                kept = [line for line in file if f"{line}".endswith("}\n")]
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(x for x in kept if self.step and json.loads(x)["step"] <= self.step)

    def go(self) -> int:
        """Train to the end; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self.signals.append(number))
        (each, peak), config = self.flops(), self.config
        count = sum(p.numel() for p in self.trained)
        say(
            f"{config.method} of {config.model}: {count:,} weights learn from {len(self.rows)} rows"
        )
        say(f"{self.total} steps in {config.precision} on {self.world} x {self.device}")
        self.rewind_log()
        if self.held and not self.step:
            self.log({"step": 0, "eval_loss": self.evaluate()})
        spent, seen, saved = 0.0, self.tokens, True
        while self.step < self.total:
            if self.summed(len(self.signals)):
                saved = self.checkpoint()
                say(f"stopped after step {self.step}; resume = true goes on")
                return 1 if not saved else 130 if signal.SIGINT in self.signals else 0
            began = time.perf_counter()
            row = self.update(rows_of(self.step, self.rows, config))
            spent, is_last = spent + time.perf_counter() - began, self.step == self.total
            if self.held and (
                is_last or (config.eval_every and self.step % config.eval_every == 0)
            ):
                row["eval_loss"] = self.evaluate()
            if "eval_loss" in row or self.step % config.log_every == 0 or is_last:
                speed, spent, seen = (self.tokens - seen) / spent, 0.0, self.tokens
                peak = max(peak, speed * each / self.world)  # measured while others used the device
                row.update(tokens_per_s=round(speed), mfu=speed * each / peak / self.world)
                self.log({**row, "memory_gib": self.memory()})
            if self.step % config.save_every == 0 or is_last:
                saved = self.checkpoint()
        return 0 if self.save("final", self.finish) and saved else 1

    def dry_run(self) -> int:
        """Take real steps on the longest rows, and save nothing."""
        rows = sorted(self.rows, key=size, reverse=True)[: self.config.batch]
        self.update(rows)
        began, row = time.perf_counter(), self.update(rows)
        took = time.perf_counter() - began
        say(f"the longest {len(rows)} rows, up to {size(rows[0])} tokens: loss {row['loss']:.4g}")
        say(f"micro_batch {self.micro}: {self.memory():.2f} GiB at the peak, {took:.3g} s a step")
        say(f"{self.total} steps take {self.total * took / 60:.1f} min at most")
        return 0


def merge(config: Config) -> int:
    """Write the model with its adapters merged in, as one that stands alone."""
    from peft import PeftModel
    from transformers import AutoConfig

    folder = os.path.join(config.out, "final")
    if not os.path.exists(os.path.join(folder, "adapter_config.json")):
        stop(f"{folder} holds no adapters", "train first; a full fine-tune needs no merge")
    exact = replace(config, method="full", precision="fp32")  # sums in 16 bits lose digits
    base, (tokenizer, _) = load_model(exact, "cpu", ""), load_tokenizer(config)
    known = AutoConfig.from_pretrained(source(config)[0], **source(config)[1])
    kind = getattr(known, "dtype", None) or getattr(known, "torch_dtype", None) or torch.float32
    merged = PeftModel.from_pretrained(base, folder).merge_and_unload().to(kind)

    def fill(place: str) -> None:
        merged.save_pretrained(place)
        tokenizer.save_pretrained(place)

    say(f"merged: {write_whole(config.out, 'merged', fill)}")
    return 0


def main(arguments: List[str]) -> int:
    """Train, try or merge."""
    flags = ("--dry-run", "--merge")
    config = read_config([a for a in arguments if a not in flags])
    if "--merge" in arguments:
        return merge(config)
    is_dry = "--dry-run" in arguments
    run = Run(replace(config, out="", resume=False) if is_dry else config)
    code = run.dry_run() if is_dry else run.go()
    if dist.is_initialized():  # no process leaves while another writes
        dist.barrier()
        dist.destroy_process_group()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
