"""Fine-tune a language model on your own rows, on one or several devices.

Seed and step number determine the rows and the learning rate of a step. So a checkpoint only needs
the weights, the optimizer, the random states and the step number: a killed run resumes bit for bit.
"""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":  # there is nothing yet that Ctrl-C could leave half done
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
import functools
import hashlib
import importlib
import json
import math
import re
import shutil
import sys
import time
import timeit
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from train_attention import choose_attention  # type: ignore[import-not-found]
from train_data import Row, ask, learned, pack, read_data, rows_of, summary_text  # type: ignore[import-not-found]
from train_input import (  # type: ignore[import-not-found]
    CONTENT,
    RANK,
    SCREEN,
    WORLD,
    Config,
    check_digests,
    checked_config,
    checkpoints,
    losses,
    or_stop,
    resume_command,
    say,
    step_folder,
    stop,
    whole_file,
    whole_folder,
)
from train_keep import (  # type: ignore[import-not-found]
    SaveClock,
    best_of,
    choose_result,
    copy_weights,
    eval_interval,
    is_enough,
    restore_weights,
)
from train_pairs import (  # type: ignore[import-not-found]
    REWARDS,
    hidden_and_head,
    pair_counts,
    pair_loss,
    prepare,
)
from train_plot import loss_curve  # type: ignore[import-not-found]
from train_screen import LIVE, endings, hush, progress, until_it_trains  # type: ignore[import-not-found]
from train_state import card, facts, last_state, load_weights, merged, save_state, source  # type: ignore[import-not-found]
from train_track import Trackers, check_hub, push_result  # type: ignore[import-not-found]

if __name__ == "__main__":  # before the seconds that loading torch takes
    hush(early := checked_config(sys.argv[1:]))
    until_it_trains(early, "the first step")
    LIVE.wait("loading torch", early.out)
# The other parts end here.
# no library may run code from a pickle
os.environ.update(TORCH_FORCE_WEIGHTS_ONLY_LOAD="1", TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# progress bars and deprecation notices of libraries hide what the trainer prints
for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
    os.environ.setdefault(name, "1")
warnings.filterwarnings("ignore", category=FutureWarning)
import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812  as everybody calls it
from torch.distributed.checkpoint import state_dict as whole
from torch.nn.utils.rnn import pad_sequence

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
FULL = whole.StateDictOptions(full_state_dict=True)


# ---------------------------------------------------------------------------------------- loss
def collate(rows: list[Row], device: Any, packing: bool) -> tuple[Any, Any, Any]:  # noqa: FBT001
    """Return ids, labels and positions, each rows x tokens; padding comes last, so it needs no mask."""
    ids, labels, places = (
        pad_sequence([torch.tensor(row[i]) for row in rows], True, fill).to(device)  # noqa: FBT003
        for i, fill in ((1, 0), (2, -100), (3, 0))
    )
    return ids, labels, places if packing else None  # transformers makes the mask from positions


class ChunkedLoss(torch.autograd.Function):  # type: ignore[misc]
    """Sum over tokens of -log softmax(hidden @ weight.T)[target].

    Logits exist for one chunk of tokens at a time, and their gradient is computed right then: this
    needs little memory, and nothing is computed twice.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        """Compute loss and gradients; hidden is tokens x width, weight vocabulary x width."""
        hidden, weight, target, cap, chunk = arguments
        loss, wants = hidden.new_zeros((), dtype=torch.float32), ctx.needs_input_grad
        d_hidden = torch.zeros_like(hidden) if wants[0] else None
        d_weight = torch.zeros_like(weight, dtype=torch.float32) if wants[1] else None
        ctx.kind, weight = weight.dtype, weight.to(hidden.dtype)
        for i in range(0, len(hidden), chunk):
            some, right = hidden[i : i + chunk], target[i : i + chunk, None]
            logits, bent = F.linear(some, weight).float(), None
            if cap:
                bent = logits.div_(cap).tanh_()
                logits = cap * bent
            at_target, most = logits.gather(1, right), logits.amax(-1, keepdim=True)
            total = logits.sub_(most).exp_().sum(-1, keepdim=True)  # in place: logits are large
            loss += (total.log() + most - at_target).sum()
            if wants[0] or wants[1]:
                slope = logits.div_(total)  # softmax, less 1 at the target
                slope.scatter_add_(1, right, -torch.ones_like(total))
                if bent is not None:
                    slope.mul_(bent.mul_(bent).neg_().add_(1))
                    bent = None
                slope = slope.to(hidden.dtype)
            if d_hidden is not None:
                d_hidden[i : i + chunk] = slope @ weight
            if d_weight is not None:
                d_weight += (slope.t() @ some).float()
            logits = slope = bent = total = None  # free them before the next chunk
        ctx.save_for_backward(d_hidden, d_weight)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        """Scale the gradients that forward computed."""
        d_hidden, d_weight = ctx.saved_tensors
        d_hidden = None if d_hidden is None else d_hidden * upstream.to(d_hidden.dtype)
        d_weight = None if d_weight is None else (d_weight * upstream).to(ctx.kind)
        return d_hidden, d_weight, None, None, None


def loss_of(model: Any, batch: tuple[Any, Any, Any], chunk: int) -> Any:
    """Return the summed loss of the tokens to learn; no logits are computed for the others."""
    inputs = {"input_ids": batch[0], "position_ids": batch[2], "use_cache": False}
    keep, target = batch[1][:, 1:] != -100, batch[1][:, 1:][batch[1][:, 1:] != -100]
    if not chunk:
        logits = model(**inputs).logits[:, :-1][keep].float()
        return F.cross_entropy(logits, target, reduction="sum")
    hidden, head, cap = hidden_and_head(model, inputs, keep)
    with torch.autocast(hidden.device.type, enabled=False):
        return ChunkedLoss.apply(hidden, head, target, cap, chunk)


# --------------------------------------------------------------------------------------- model
def load_tokenizer(config: Config) -> tuple[Any, Any]:
    """Return the tokenizer with the configured chat template, and the model's configuration."""
    from transformers import AutoConfig, AutoTokenizer

    with or_stop(f"model {config.model} does not load", "set model to a folder, or owner/name"):
        model_config = AutoConfig.from_pretrained(**source(config.model))
        tokenizer = AutoTokenizer.from_pretrained(**source(config.model))
    wrong = f"template {config.template} can't be read"
    with or_stop(wrong, "set template to model, none, or a Jinja file"):
        if config.template not in ("model", "none"):
            tokenizer.chat_template = Path(config.template).read_text(encoding="utf-8")
    return tokenizer, model_config


def with_base(config: Config, state: dict[str, Any] | None = None) -> Config:
    """Return the configuration with out/base in place of a .gguf file, which can't be an adapter's base.

    `state` is that of the checkpoint to resume from: {} for a new run, None if nothing may be written.
    The folder is written for a new run, and for a resumed one that lacks it.
    """
    base, name = Path(os.path.abspath(config.out), "base"), config.model
    if Path(name).suffix != ".gguf" or not config.out or config.method == "full":
        return config
    if state is not None and RANK == 0 and not (state and base.is_dir()):
        model = load_weights(name, HALF.get(config.precision[-4:], torch.float32), source(name))
        size = sum(p.numel() * p.element_size() for p in model.parameters()) / 1e9
        say(f"unpacking {name} to {base}: {size:.2f} GB; adapters need an unpacked base model")
        base.parent.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(base.parent).free / 1e9) < 1.05 * size:
            wrong = f"{base.parent} has only {free:.2f} GB free"
            stop(wrong, "set out to a folder with more free space")
        wrong, remedy = f"{base} could not be saved", "free some space on the disk"
        with or_stop(wrong, remedy), whole_folder(config.out, "base") as new:
            model.save_pretrained(new)
            load_tokenizer(config)[0].save_pretrained(new)
    if state is not None and WORLD > 1:
        dist.barrier()
    return replace(config, model=str(base)) if base.is_dir() else config


def load_model(config: Config, device: Any, folder: str) -> Any:
    """Return the model, with adapters unless it is a full fine-tune.

    `folder`: checkpoint with trained weights, or "".
    """
    if config.method == "qlora" or config.optimizer == "adamw8bit":
        with or_stop("bitsandbytes does not load", "pip install bitsandbytes"):
            importlib.import_module("bitsandbytes")
    else:
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]  # peft loads it: 1.5 s
    import transformers
    from peft import LoraConfig, PeftModel, get_peft_model

    is_full, is_pure = config.method == "full", config.precision == "pure-bf16"
    half = HALF.get(config.precision[-4:], torch.float32)
    options = source(folder * is_full or config.model)
    if attention := choose_attention(config, device):
        options["attn_implementation"] = attention
    if config.method == "qlora":
        four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        four.update(load_in_4bit=True, bnb_4bit_compute_dtype=half)
        options["quantization_config"] = transformers.BitsAndBytesConfig(**four)
        options["device_map"] = {"": device}
    model = load_weights(config.model, half if is_pure or not is_full else torch.float32, options)
    model = model if config.method == "qlora" else model.to(device)
    if config.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()  # else no gradient passes the frozen embeddings
    if is_full:
        return model
    cast = {"autocast_adapter_dtype": not is_pure}  # adapters are trained in fp32
    if folder:
        with or_stop(f"{folder} does not load", "remove it to resume from the previous one"):
            model = PeftModel.from_pretrained(model, folder, is_trainable=True, **cast)
        adapter_config = model.peft_config["default"]
        adapter_config.base_model_name_or_path = options["pretrained_model_name_or_path"]
        return model
    lora: dict[str, Any] = {"r": config.rank, "lora_alpha": config.alpha}
    lora.update(lora_dropout=config.dropout, use_dora=config.dora, use_rslora=config.rslora)
    lora["target_modules"] = config.targets.split(",") if "," in config.targets else config.targets
    remedy = "set targets to all-linear, or to layer names such as q_proj,v_proj"
    with or_stop(f"targets {config.targets} does not fit this model", remedy):
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora), **cast)


def spread_layers(model: Any, config: Config) -> None:
    """Shard the layers over all devices with FSDP2; each device keeps the complete adapters."""
    from torch.distributed.fsdp import fully_shard

    is_full = config.method == "full"
    adapters = {p for p in model.parameters() if p.requires_grad and not is_full}
    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    for layer in max(lists, key=len):
        fully_shard(layer, reshard_after_forward=True, ignored_params=adapters)


def pick_device(config: Config) -> Any:
    """Return the device, and set precision auto to what it supports."""
    kinds = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.backends.mps, "cpu": torch.cpu}
    available = [name for name, kind in kinds.items() if kind.is_available()]
    name = available[0] if config.device == "auto" else config.device
    if name not in available:
        remedy = f"it sees {', '.join(available)}; run doctor check to find out why"
        stop(f"torch sees no {name}", remedy)
    if name == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if config.precision == "auto":
        bf16 = name == "xpu" or (name == "cuda" and torch.cuda.get_device_capability() >= (8, 0))
        config.precision = "bf16" if bf16 else "fp16" if name == "cuda" else "fp32"
    return torch.device(name, torch.cuda.current_device() if name == "cuda" else None)


# ----------------------------------------------------------------------------------------- run
def rate(step: int, total: int, config: Config) -> float:
    """Return the learning rate of a step."""
    warm = math.ceil(config.warmup * total)
    part = (step - warm) / max(1, total - warm)
    shapes = {"cosine": 0.5 * (1 + math.cos(math.pi * part)), "linear": 1 - part, "constant": 1}
    share: float = (step + 1) / warm if step < warm else shapes[config.schedule]
    return share * float(config.learning_rate)


class Run:
    """A training run: its model, its rows, and its progress."""

    # saved in checkpoints, together with optimizer and weights
    kept = ("step", "tokens", "micro", "history", "samples")

    def __init__(self, config: Config) -> None:
        """Load everything, data before weights, and restore the last checkpoint of a resumed run."""
        self.config, self.step, self.tokens, self.micro = config, 0, 0, config.micro_batch
        self.history: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.result, self.why = 0, ""  # the step whose weights are the result, and why
        self.is_learning = False  # gradients are wanted, so the model is in training mode
        self.saved_step, self.is_whole = (
            0,
            True,
        )  # is_whole: not in the middle of the optimizer's step
        self.tokenizer, model_config = load_tokenizer(config)
        size = model_config.get_text_config().vocab_size
        rows, self.sha = read_data(config.data, self.tokenizer, size, config)
        held_out = max(1, round(config.eval_share * len(rows))) if config.eval_share else 0
        if held_out:  # sorted by content: adding rows hardly changes which ones are held out
            rows.sort(key=lambda row: hashlib.sha256(repr(row.ids).encode()).digest())
        self.held, rows = rows[:held_out], rows[held_out:]
        if config.eval_data:
            self.held, _ = read_data(config.eval_data, self.tokenizer, size, config)
        if not rows:
            stop(f"eval_share {config.eval_share} leaves no row to learn", "set a smaller share")
        if config.batch % WORLD:
            remedy = f"set batch to a multiple of {WORLD}"
            stop(f"batch {config.batch} is not a multiple of {WORLD} processes", remedy)
        self.shown = self.held or rows  # the model answers some of them before and after
        self.rows = pack(rows, config.max_length) if config.packing else rows
        steps = config.epochs * len(self.rows) / config.batch
        self.total = config.max_steps or max(1, math.ceil(steps))
        check_hub(config)
        self.trackers = Trackers(config)

        self.device = pick_device(config)
        kind, half = self.device.type, HALF.get(config.precision)
        self.dice = [torch.random, *([] if kind == "cpu" else [getattr(torch, kind)])]
        self.cast = functools.partial(torch.autocast, kind, half, enabled=half is not None)
        folder, state = last_state(config, self.sha)
        self.resumed = folder
        torch.manual_seed(config.seed)
        if WORLD > 1:
            dist.init_process_group("nccl" if kind == "cuda" else "gloo")
        based = with_base(config, state)
        self.base = source(based.model)["pretrained_model_name_or_path"]
        self.model, self.chunk = load_model(based, self.device, folder), config.chunk
        if WORLD > 1 and config.shard:
            spread_layers(self.model, config)
        self.check_model()
        self.rewards = torch.zeros(len(REWARDS), dtype=torch.float64, device=self.device)
        if config.objective != "sft":
            prepare(self)

        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        groups: dict[Any, list[Any]] = {}  # matrices decay; whole and sharded weights don't mix
        for p in self.trained:
            groups.setdefault((p.dim() >= 2, hasattr(p, "full_tensor")), []).append(p)
        decay, lr = config.weight_decay, config.learning_rate
        sets = [{"params": x, "weight_decay": decay * key[0]} for key, x in groups.items()]
        if config.optimizer == "adamw":
            self.optimizer: Any = torch.optim.AdamW(sets, lr=lr, fused=True)
        else:
            self.optimizer = importlib.import_module("bitsandbytes.optim").AdamW8bit(sets, lr=lr)
        self.scaler = torch.amp.GradScaler(kind, enabled=config.precision == "fp16")
        if state:
            self.load(state)
        self.saved_step = self.step
        self.random = [module.get_rng_state() for module in self.dice]  # after the last step

    def load(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.__dict__.update({key: state[key] for key in self.kept if key in state})
        self.scaler.load_state_dict(state["scaler"])
        if state["optimizer"]:  # empty if no step was taken
            parts = {"optim_state_dict": state["optimizer"], "options": FULL}
            whole.set_optimizer_state_dict(self.model, self.optimizer, **parts)
        for module, random_state in zip(self.dice, state["random"][RANK % len(state["random"])]):
            module.set_rng_state(random_state)

    def rest(self) -> None:
        """Put the model in evaluation mode."""
        self.model.eval()
        # bitsandbytes repacks 4-bit weights on a CPU in evaluation mode; later gradients are wrong
        for module in self.model.modules():
            if type(module).__module__.startswith("bitsandbytes"):
                module.training = True

    def check_model(self) -> None:
        """Test on this model that the chunked loss and packing give correct results."""
        self.rest()
        head, ids = self.model.get_output_embeddings(), torch.arange(8, device=self.device)[None]
        with torch.no_grad(), self.cast():
            if self.chunk:
                plain, ours = (float(loss_of(self.model, (ids, ids, None), n)) for n in (0, 3))
                is_product = type(head) is torch.nn.Linear and head.bias is None
                if not is_product or not math.isclose(plain, ours, rel_tol=0.02):
                    self.chunk = 0
                    why = "this model does more than multiply with its vocabulary"
                    say(f"using chunk = 0, which needs more memory: {why}")
            if self.config.packing:  # a sample's logits must not depend on the sample before it
                both = torch.cat([torch.cat([x, ids], 1) for x in (ids, ids + 8)])
                a, b = self.model(both, position_ids=both % 8, use_cache=False).logits[:, 8:]
                if not torch.allclose(a, b, rtol=0.01, atol=0.01 * float(a.abs().max())):
                    remedy = "set packing = false, or update transformers"
                    stop("packed samples see each other in this model", remedy)
        self.model.train()

    def summed(self, number: float) -> float:
        """Return the sum of a number over all processes."""
        if WORLD == 1:
            return float(number)
        tensor = torch.tensor(number, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return float(tensor)

    def guard(self, what: str, value: float, rows: list[Row]) -> None:
        """Exit if a number is NaN or infinite, and name the step and the lines of the data."""
        if not math.isfinite(value):
            lines = ", ".join(sorted({line for row in rows for line in row.lines}))
            where = f"the {what} is {value} on {lines}"
            if WORLD == 1:  # with several processes, the others don't know of it
                self.rescue()
            last = [Path("none"), *checkpoints(self.config)][-1]
            remedy = "look at these lines, or lower learning_rate; with fp16, try precision = bf16"
            stop(f"step {self.step + 1}: {where}; last checkpoint: {last}", remedy, 1)

    def count(self, rows: list[Any]) -> Any:
        """Return what the loss of these rows is a mean over: tokens to learn, or pairs and their tokens."""
        return learned(rows) if self.config.objective == "sft" else pair_counts(rows)

    def loss_share(self, part: list[Any], count: Any) -> Any:
        """Return what some rows add to the mean loss over `count`."""
        if self.config.objective == "sft":
            batch = collate(part, self.device, self.config.packing)
            return loss_of(self.model, batch, self.chunk) / count
        rows = [pair.chosen for pair in part] + [pair.rejected for pair in part]
        ids, labels, _ = collate(rows, self.device, packing=False)
        lengths = torch.tensor([len(row.ids) for row in rows], device=self.device)
        return pair_loss(self, ids, labels, lengths, count)

    def backward(self, rows: list[Any], count: Any) -> float | None:
        """Add up gradients over micro-batches; return the loss, or None if memory runs out."""
        self.rewards.zero_()
        losses, parts = [], [rows[i : i + self.micro] for i in range(0, len(rows), self.micro)]
        try:
            for part in parts:
                with self.cast():
                    loss = self.loss_share(part, count)
                self.scaler.scale(loss).backward()
                loss = loss.detach()  # frees its graph, with the embedded tokens and gradients
                losses.append(loss)
        except RuntimeError as error:
            if self.config.shard or not re.search("out of memory|can't allocate", str(error)):
                raise
            return None
        for part, loss in zip(parts, losses):
            self.guard("loss", float(loss), part)
        return sum(map(float, losses))

    def update(self, rows: list[Row]) -> dict[str, Any]:
        """Take one step on the rows of all processes; return the row for the log."""
        config, count, self.is_learning = self.config, self.count(rows), True
        while self.summed((loss := self.backward(rows[RANK::WORLD], count)) is None):
            if self.micro == 1:
                self.optimizer.zero_grad()  # frees memory to save with
                self.rescue()
                remedy = "set checkpointing = true, a smaller max_length, or method = 'qlora'"
                stop(f"step {self.step + 1}: out of memory with micro_batch 1", remedy, 1)
            self.micro = (self.micro + 1) // 2
            self.optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.log({"step": self.step + 1, "out_of_memory": True, "micro_batch": self.micro})
        for p in self.trained if WORLD > 1 else []:
            if hasattr(p, "full_tensor"):
                p.grad *= WORLD  # FSDP averages; here gradients are summed
            else:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(p.grad)
        self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in self.trained if p.grad is not None]
        norms = [getattr(n, "full_tensor", lambda n=n: n)() for n in (g.norm() for g in grads)]
        norm = float(torch.stack(norms).float().norm())
        if config.precision != "fp16":  # the scaler of fp16 skips such a step
            self.guard("gradient", norm, rows)
        for grad in grads if config.clip and norm > config.clip else []:
            grad.mul_(config.clip / norm)
        for group in self.optimizer.param_groups:
            group["lr"] = lr = rate(self.step, self.total, config)
        self.is_whole = False
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.step, self.tokens = self.step + 1, self.tokens + sum(len(row.ids) for row in rows)
        self.is_whole, self.random = True, [module.get_rng_state() for module in self.dice]
        row = {"step": self.step, "loss": self.summed(loss or 0), "lr": lr, "grad_norm": norm}
        return {**row, **self.mean_rewards()}

    def mean_rewards(self) -> dict[str, float]:
        """Return the rewards since the last call, means over all pairs; {} if there are no pairs."""
        if self.config.objective == "sft":
            return {}
        values = [self.summed(value) for value in self.rewards.tolist()]
        self.rewards.zero_()
        return dict(zip(REWARDS, values))

    def evaluate(self) -> float:
        """Return the mean loss of held-out tokens."""
        self.rest()
        self.is_learning = False
        loss, size, count = 0.0, self.micro * WORLD, self.count(self.held)
        for i in range(0, len(self.held), size):
            mine = self.held[i : i + size][RANK::WORLD]  # with shards, every process must take part
            with torch.no_grad(), self.cast():
                loss += float(self.loss_share(mine or self.held[:1], count)) * bool(mine)
        self.model.train()
        self.rewards.zero_()
        return self.summed(loss)

    def memory(self) -> float:
        """Return the peak memory in GiB: the GPU's, or on a CPU the process's."""
        if self.device.type in ("cuda", "xpu"):
            return float(getattr(torch, self.device.type).max_memory_allocated() / 2**30)
        if os.name != "posix":
            return 0.0
        peak = importlib.import_module("resource").getrusage(0).ru_maxrss
        return float(peak / 2 ** (30 if sys.platform == "darwin" else 20))

    def log(self, row: dict[str, Any]) -> None:
        """Write a row to the terminal, log.jsonl and the trackers."""
        if not LIVE.on or "loss" not in row:
            say(progress(row, self.total, LIVE.left(self.total - row["step"])))
        self.history.append(row)
        try:
            if RANK == 0 and self.config.out:
                with Path(self.config.out, "log.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        except OSError as error:
            say(f"log.jsonl could not be written: {error}")
        self.trackers.log(row)

    def save(self, name: str) -> bool:
        """Save the model and the state of the run; return whether that worked.

        A failure is printed, and leaves earlier checkpoints as they are.
        """
        config, own, weights = self.config, self.random, {}
        is_copy = name == "final" and self.result != self.step
        state = {key: getattr(self, key) for key in self.kept}
        parts: dict[str, Any] = {}
        if self.optimizer.state:  # for an unused optimizer torch would create a state with step 1
            parts = whole.get_optimizer_state_dict(self.model, self.optimizer, options=FULL)
        state.update(optimizer=parts, scaler=self.scaler.state_dict(), random=[own] * WORLD)
        state["config"] = {**asdict(config), CONTENT: self.sha}
        if WORLD > 1:
            dist.all_gather_object(state["random"], own)
        if config.shard and config.method == "full" and not is_copy:
            weights["state_dict"] = whole.get_model_state_dict(self.model, options=FULL)
        if RANK:
            return True
        try:
            with whole_folder(config.out, name) as folder:
                if is_copy:
                    copy_weights(step_folder(config, self.result), folder)
                else:
                    self.model.save_pretrained(folder, **weights)
                    self.tokenizer.save_pretrained(folder)
                if name == "final":
                    (folder / "loss.svg").write_text(loss_curve(self.history), encoding="utf-8")
                    (folder / "README.md").write_text(card(self), encoding="utf-8")
                else:
                    save_state(state, folder)
        except Exception as error:
            last = [Path("none"), *checkpoints(config)][-1]
            remedy = f"free some space on the disk; last checkpoint: {last}"
            say(f"{name} could not be saved: {error!r:.300}\n  {remedy}")
            return False
        best = best_of(self.history) if config.best else None
        for old in checkpoints(config)[: -config.keep]:
            if not best or old != step_folder(config, best.step):
                shutil.rmtree(old, ignore_errors=True)
        return True

    def save_step(self) -> bool:
        """Save a checkpoint of the last step; return whether that worked."""
        self.saved_step = self.step
        return self.save(step_folder(self.config, self.step).name)

    def rescue(self) -> None:
        """Save the last complete step before an error ends the run, unless it was saved already."""
        if self.is_whole and self.step > self.saved_step and self.save_step() and RANK == 0:
            say(f"saved step {self.step} in {step_folder(self.config, self.step)}")

    def go(self) -> int:
        """Train to the end; return the exit code. An error leaves a checkpoint of the last complete step."""
        try:
            code = self.train_steps()
        except Exception:
            if WORLD == 1:  # saving needs all processes, and the others are still training
                LIVE.keep()
                self.rescue()
            raise
        finally:
            self.trackers.close()
        return code

    def train_steps(self) -> int:
        """Train to the end, or until a signal; return the exit code."""
        config, saved = self.config, True
        signals: list[int] = []
        LIVE.wait()
        LIVE.hear(signals)
        layers = [m for m in self.model.modules() if isinstance(m, torch.nn.Linear)]
        work = sum(m.in_features * m.out_features for m in layers)  # per token, for mfu
        # frozen weights have no gradient, and dpo computes the reference too
        work *= 6 if config.method == "full" or config.objective == "dpo" else 4
        square = torch.ones([512 if self.device.type == "cpu" else 4096] * 2, device=self.device)
        with self.cast():
            took = timeit.repeat(lambda: float((square @ square)[0, 0]), number=1, repeat=4)
        peak = config.peak_tflops * 1e12 or 2 * len(square) ** 3 / min(took)
        count = sum(p.numel() for p in self.trained)
        rows = f"{count:,} trained weights, {len(self.rows)} rows"
        how = config.method if config.objective == "sft" else f"{config.objective}, {config.method}"
        say(f"{how} on {config.model}: {rows}")
        say(f"{self.total} steps in {config.precision} on {WORLD} x {self.device}")
        if self.resumed:
            say(f"resumed after step {self.step}, from {self.resumed}")
        if RANK == 0:  # drop what a killed run logged after its last checkpoint: it comes again
            Path(config.out).mkdir(parents=True, exist_ok=True)
            for left in Path(config.out).glob(".new-*"):
                shutil.rmtree(left, ignore_errors=True)
            lines = [json.dumps(row) + "\n" for row in self.history]
            Path(config.out, "log.jsonl").write_text("".join(lines), encoding="utf-8")
        if self.held and not self.step:
            self.log({"step": 0, "eval_loss": self.evaluate()})
        tokens_per_step = config.batch * sum(len(row.ids) for row in self.rows) // len(self.rows)
        steps_left = self.total - self.step
        # seconds at the device's peak speed
        least = steps_left * tokens_per_step * work / WORLD / peak
        device = f"this {'CPU' if self.device.type == 'cpu' else 'GPU'}"
        LIVE.forecast(steps_left, least, device)
        ask(self, "before", least)
        spent, logged_tokens, start, first = 0.0, self.tokens, time.monotonic(), self.step
        LIVE.began = start
        held = sum(len(row.ids) for row in self.held)
        eval_every = eval_interval(config, self.total, tokens_per_step * self.total, held)
        clock = SaveClock(config.save_every)
        while self.step < self.total and not is_enough(config, self.history):
            if self.summed(len(signals)):
                if self.step > first:  # else there is nothing new to save
                    saved = self.save_step()
                LIVE.keep()
                what = f"after step {self.step}" if self.step else "before the first step"
                say(f"stopped {what}; continue with resume = true")
                SCREEN.get("resume", str)()
                return 1 if not saved else 130 if signal.SIGINT in signals else 0
            began = time.perf_counter()
            row = self.update(rows_of(self.step, self.rows, config))
            spent, is_last = spent + time.perf_counter() - began, self.step == self.total
            if self.held and (is_last or self.step % eval_every == 0):
                row["eval_loss"] = self.evaluate()
                is_last = is_last or is_enough(config, [*self.history, row])
            is_due = self.step % config.log_every == 0 or self.step == 1
            if "eval_loss" in row or is_due or is_last:
                speed, spent, logged_tokens = (
                    (self.tokens - logged_tokens) / spent,
                    0.0,
                    self.tokens,
                )
                row.update(tokens_per_s=round(speed), mfu=speed * work / WORLD / peak)
                self.log({**row, "memory_gib": self.memory()})
            LIVE.step(row, self.history, self.total)
            LIVE.expect(self.total - self.step, device)
            best = best_of(self.history) if config.best and "eval_loss" in row else None
            is_best = best is not None and best.step == self.step
            left = LIVE.seconds_left(self.total - self.step)
            # the first process decides for all of them: their clocks differ
            if is_last or is_best or self.summed(RANK == 0 and clock.is_due(self.step, left)):
                began = time.monotonic()
                saved = self.save_step()
                clock.note_saved(began)
        LIVE.keep()
        return self.finish(least, time.monotonic() - start) or int(not saved)

    def finish(self, least: float, seconds: float) -> int:
        """Save the result of a run that took `seconds`, and say what was learned; return the exit code."""
        config = self.config
        self.result, self.why = choose_result(config, self.history, self.step)
        if self.result != self.step and config.samples and not config.shard and RANK == 0:
            restore_weights(self.model, step_folder(config, self.result))
        self.seconds = seconds
        ask(self, "after", least)
        if not self.save("final"):
            return 1
        if RANK == 0:
            whole_file(Path(config.out, "run.json"), json.dumps(facts(self), indent=1) + "\n")
        again = f", resumed from step {int(self.resumed[-7:])}" if self.resumed else ""
        learned_what = f"Trained for {self.step} steps{again}: {losses(self.history, self.result)}"
        learned_what += f". {self.why}" if self.why else ""
        say(summary_text(learned_what, self.samples, LIVE.size().columns - 1))
        if RANK == 0:
            push_result(config)
        return 0

    def dry_run(self) -> int:
        """Take two real steps on the longest rows to measure memory and time; save nothing."""
        longest = sorted(self.rows, key=lambda row: -len(row.ids))
        rows = [longest[i % len(longest)] for i in range(self.config.batch)]
        self.update(rows)
        began, row = time.perf_counter(), self.update(rows)
        took, loss = time.perf_counter() - began, row["loss"]
        longest_row = len(rows[0].ids)
        say(f"tried the longest {len(rows)} rows, up to {longest_row} tokens: loss {loss:.4g}")
        say(f"micro_batch {self.micro}: peak memory {self.memory():.2f} GiB")
        seconds = self.total * took
        time_ = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{max(seconds, 1):.0f} s"
        say(f"{self.total} steps of {took:.3g} s take at most {time_}")
        return 0


def merge(config: Config) -> int:
    """Write the model with its adapters merged in, which loads without them; return the exit code."""
    check_digests(folder := Path(config.out, "final"), "train again")
    LIVE.wait(f"merging {folder}", config.out)
    model, kind = merged(with_base(config).model, str(folder), precise=False)
    with whole_folder(config.out, "merged") as place:
        model.to(kind).save_pretrained(place)
        load_tokenizer(config)[0].save_pretrained(place)
    LIVE.wait()
    say(f"merged model written to {Path(config.out, 'merged')}")
    return 0


def main(arguments: list[str]) -> int:
    """Train, try two steps (--dry-run) or merge (--merge); return the exit code."""
    hush(config := checked_config(arguments))
    is_merge = "--merge" in arguments
    until_it_trains(config, "the model was merged" if is_merge else "the first step")
    if is_merge:
        return merge(config)
    if config.out:
        SCREEN["resume"] = lambda: say(resume_command(config)) if resume_command(config) else None
    LIVE.wait(f"loading {config.model}", config.out)
    run = Run(config)
    LIVE.wait()
    code = run.dry_run() if "--dry-run" in arguments else run.go()
    if dist.is_initialized():  # no process leaves while another writes
        dist.barrier()
        dist.destroy_process_group()
    return code


if __name__ == "__main__":
    status = main(sys.argv[1:])
    for number in endings():  # everything is saved; a signal now must not change the exit code
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)
