"""The tiny training: model, tokenizer and four sentences, made in memory, the same every time.

A frozen random base can be taught by adapters only if its head can express the answer. With transformers' default
start (0.02) none of 8 seeds learned, with 0.5 all 8 did, in 35 to 42 steps at a learning rate of 1e-2, rank 8 on
all linear layers. Hidden size 32, rank 4 or adapters on attention alone failed or took longer. In their place: the
user's own model and a slice of their data.
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
import time
from typing import Any, Iterator, NamedTuple

from .. import train_rows
from ..reporting import Wrong
from .lab import Lab, finite, first_names

SENTENCES = (
    "The doctor says: this machine can train.",
    "Seven grey geese gaze at green glass.",
    "Pack my box with five dozen liquor jugs.",
    "LoRA adapters learn; base weights sleep.",
)
HIDDEN, LAYERS, RANK = 64, 2, 8
START = 0.5
"""Standard deviation of the random weights."""
RATE = 1e-2
STEPS = 120
"""Most steps; it stops earlier."""
PAD, BEGIN, END = 0, 1, 2
CHUNK = 1 << 24


class Batch(NamedTuple):
    """Token ids, mask and labels (padding is -100), each [sentences, tokens], on the device."""

    ids: Any
    mask: Any
    labels: Any
    rows: list[list[int]]
    """The ids without padding."""

    def inputs(self) -> dict[str, Any]:
        """Return what a model takes, without labels."""
        return {"input_ids": self.ids, "attention_mask": self.mask}

    def loss(self, model: Any) -> Any:
        """Return the model's loss."""
        return model(labels=self.labels, **self.inputs()).loss


def tokenizer(lab: Lab) -> Any:
    """Return a byte-level tokenizer: 256 symbols and 3 specials, no file."""
    parts = lab.tokenizers
    alphabet = sorted(parts.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": PAD, "<s>": BEGIN, "</s>": END}
    vocabulary.update({symbol: i + 3 for i, symbol in enumerate(alphabet)})
    made = parts.Tokenizer(parts.models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = parts.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = parts.decoders.ByteLevel()
    return made


def batch(lab: Lab) -> Batch:
    """Return the sentences as one batch."""
    made = tokenizer(lab)
    return of_rows(lab, [[BEGIN, *made.encode(text).ids, END] for text in SENTENCES])


def of_rows(lab: Lab, rows: list[list[int]], pad: int = PAD) -> Batch:
    """Pad rows of ids on the right."""
    longest = max(map(len, rows))

    def padded(rows: list[list[int]], fill: int) -> Any:
        full = [row + [fill] * (longest - len(row)) for row in rows]
        return lab.torch.tensor(full, device=lab.device)

    ones = [[1] * len(row) for row in rows]
    return Batch(padded(rows, pad), padded(ones, 0), padded(rows, -100), rows)


def llama(lab: Lab, dtype: Any = None, **shape: Any) -> Any:
    """Return a random Llama on the device, the same in every process; the tiny one, or of another shape."""
    lab.torch.manual_seed(0)
    tiny: dict[str, Any] = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": 128,
        "tie_word_embeddings": True,
        "initializer_range": START,
    }
    ends = {"pad_token_id": PAD, "bos_token_id": BEGIN, "eos_token_id": END}
    config = lab.transformers.LlamaConfig(vocab_size=259, **(shape or tiny), **ends)
    # built on the CPU in float32: generators of devices differ
    model = lab.transformers.LlamaForCausalLM(config)
    return model.to(dtype or lab.torch.float32).to(lab.device)


def wrapped(lab: Lab, model: Any) -> Any:
    """Return the model with LoRA on all linear layers but the head; adapters are float32."""
    lab.torch.manual_seed(1)
    settings = {"r": RANK, "lora_alpha": RANK, "lora_dropout": 0.0, "target_modules": "all-linear"}
    config = lab.peft.LoraConfig(task_type="CAUSAL_LM", **settings)
    return lab.peft.get_peft_model(model, config)


class GradientRecord:
    """Records the gradients of adapters over all steps."""

    def __init__(self, torch: Any, model: Any) -> None:
        self.torch = torch
        self.trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.missing = {name for name, _ in self.trained}
        """Adapters that never got a gradient other than zero."""
        self.absent: list[str] = []
        """Adapters without any gradient, of the last step."""

    def read(self) -> list[str]:
        """Read the gradients of one backward; return the names of those that are not finite."""
        there = [(name, p.grad) for name, p in self.trained if p.grad is not None]
        self.absent = [name for name, p in self.trained if p.grad is None]
        if not there:
            return []
        # one transfer for all
        sizes = self.torch.stack([g.detach().float().abs().sum() for _, g in there]).tolist()
        self.missing -= {name for (name, _), size in zip(there, sizes) if size > 0}
        return [name for (name, _), size in zip(there, sizes) if not size < float("inf")]

    def dead(self) -> list[str]:
        """Return the adapters that no gradient reached in the only step."""
        # the A of a fresh adapter has a gradient of zero, since B is zero: it must be there all the same
        return sorted({*self.absent, *(n for n in self.missing if "lora_B" in n)})


class TrainingLoop:
    """A training as it goes: model, optimizer, losses."""

    def __init__(self, lab: Lab, model: Any, batches: list[Batch], rate: float = RATE) -> None:
        """Prepare to train `model` over `batches` in turn."""
        self.lab, self.model, self.batches, self.rate = lab, model, batches, rate
        self.ledger = GradientRecord(lab.torch, model)
        self.tokens = 0
        self.bad: list[str] = []
        """Adapters whose gradient was not finite in the last step."""
        self.begin()

    def begin(self) -> None:
        """Begin with an optimizer that has seen nothing: AdamW over what trains."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = self.lab.torch.optim.AdamW(trained, lr=self.rate, weight_decay=0.0)
        self.losses: list[float] = []
        self.times: list[float] = []

    def step(self, steps: int = STEPS) -> float:
        """Do one step; return its loss. Five steps of warm-up, then a cosine to a tenth."""
        number, began = len(self.losses), time.perf_counter()
        cosine = 0.45 * (1 + math.cos(math.pi * number / steps)) + 0.1
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * (min(1.0, (number + 1) / 5) * cosine)
        one = self.batches[number % len(self.batches)]
        loss = one.loss(self.model)
        loss.backward()
        self.bad = self.ledger.read()
        self.lab.torch.nn.utils.clip_grad_norm_([p for _, p in self.ledger.trained], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(float(loss.item()))
        self.lab.sync()
        self.times.append(time.perf_counter() - began)
        self.tokens = sum(map(len, one.rows))
        return self.losses[-1]

    def unsound(self) -> str:
        """Return what of the last step is not finite; "" for nothing."""
        if self.bad:
            return "the gradient of " + first_names(self.bad)
        return "" if finite(self.losses[-1]) else "the loss"

    def rounded_losses(self) -> list[float]:
        """Return the losses in the form that doctor reads."""
        return [round(x, 4) for x in self.losses]

    def speed(self) -> float | None:
        """Return tokens a second: the median step, the first two left out."""
        times = self.times[2:]
        return round(self.tokens / statistics.median(times), 1) if times else None


class FrozenWeights:
    """Frozen weights as they were: two sums over the bits of each."""

    def __init__(self, torch: Any, model: Any) -> None:
        self.torch = torch
        self.were = self._sums(model)

    def changed(self, model: Any) -> list[str]:
        """Return the names of weights that are other bits now, or are gone."""
        now = self._sums(model)
        return sorted(name for name, sums in self.were.items() if now.get(name) != sums)

    def _sums(self, model: Any) -> dict[str, list[tuple[int, int]]]:
        frozen = ((n, p.detach()) for n, p in model.named_parameters() if "lora_" not in n)
        return {name: [*map(self._sum, self._chunks(weight))] for name, weight in frozen}

    def _chunks(self, weight: Any) -> Any:
        return weight.contiguous().reshape(-1).view(self.torch.uint8).split(CHUNK)

    def _sum(self, chunk: Any) -> tuple[int, int]:
        places = self.torch.arange(1, chunk.numel() + 1, device=chunk.device)
        return int(chunk.sum(dtype=self.torch.int64)), int((chunk * places).sum())


MOST_ROWS, LONGEST = 64, 512
"""Samples, and tokens of one."""
OWN_STEPS = 5
OURS = {"local_files_only": True, "trust_remote_code": False}
ROWS = (".jsonl", ".json", ".ndjson")


def read_samples(asked: Any, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Read up to 64 samples. Raises Wrong, which names line and cure: nothing in the data can be read."""
    try:
        found = list(itertools.islice(samples(asked.data), MOST_ROWS))
    except OSError as error:
        raise Wrong("data-unreadable", str(error)) from None
    except ValueError as error:
        raise Wrong("data-unreadable", f"{asked.data}, {error}") from None
    if not found:
        raise Wrong("data-unreadable", f"{asked.data} holds no sample")
    data["samples"] = len(found)
    return found


def samples(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, or the paragraphs of a plain text. Raises ValueError, which names the line."""
    if os.path.splitext(path)[1].lower() not in ROWS:
        with open(path, encoding="utf-8-sig") as file:
            paragraphs = file.read(1 << 20).split("\n\n")
        yield from ({"text": one.strip()} for one in paragraphs if one.strip())
        return
    for line, row in train_rows.read(path):
        if not isinstance(row, dict):
            raise ValueError(f"line {line}: {type(row).__name__}, where an object is wanted")  # noqa: TRY004
        for kind, detail in train_rows.sample_of(row).faults:
            raise ValueError(f"line {line}: {kind}: {detail}")
        yield row


def tokens_of(lab: Lab, asked: Any, found: list[dict[str, Any]]) -> tuple[list[list[int]], int]:
    """Return samples as the model's tokenizer and template write them, and the padding. Raises Wrong, naming one."""
    reader = lab.transformers.AutoTokenizer.from_pretrained(asked.model, **OURS)
    file, rows = train_rows.template_file(asked.model), []
    render = train_rows.Bounded(reader.apply_chat_template, file)
    for number, one in enumerate(found, 1):
        sample = train_rows.sample_of(one)
        try:
            text = "\n".join(text for _, text in sample.turns)
            talks = sample.form in ("messages", "conversations")
            if talks and getattr(reader, "chat_template", None):
                talk = train_rows.talk_of(one, sample)
                text = render(talk, tokenize=False)
            row = list(reader(text)["input_ids"])[:LONGEST]
        except Exception as error:
            where = f"{asked.data}, sample {number}: the model's tokenizer or chat template"
            said = f"{where} refuses it: {type(error).__name__}: {error}"
            raise Wrong("data-unreadable", said) from None
        if len(row) > 1:
            rows.append(row)
    if not rows:
        raise Wrong("data-unreadable", f"no sample of {asked.data} has two tokens")
    pad = reader.pad_token_id if reader.pad_token_id is not None else reader.eos_token_id or 0
    return rows, pad


def of_user(lab: Lab, asked: Any, rows: list[list[int]], pad: int) -> tuple[Any, list[Batch]]:
    """Load the model in the 16-bit type of the device (float32 on the CPU), and make a batch of each row."""
    dtype = lab.torch.float32 if lab.kind == "cpu" else lab.half
    load = lab.transformers.AutoModelForCausalLM.from_pretrained
    model = load(asked.model, torch_dtype=dtype, **OURS).to(lab.device)
    model.config.use_cache = False
    return model, [of_rows(lab, [row], pad) for row in rows[: asked.steps or OWN_STEPS]]
