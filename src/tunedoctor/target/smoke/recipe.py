"""The tiny model, its tokenizer and its four sentences: made in memory, the same every time.

A frozen random base can be taught by adapters only if its head can express the answer. With transformers' default
start (0.02) none of 8 seeds learned, with 0.5 all 8 did, in 35 to 42 steps at a learning rate of 1e-2, rank 8 on
all linear layers. Hidden size 32, rank 4 or adapters on attention alone failed or took longer.
"""

import math
from typing import Any, Dict, List, NamedTuple

from .lab import Lab

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
ENOUGH = 0.05
"""Loss (nats a token) below which the sentences are known by heart."""
FEWEST = 20
PROMPT = 6
"""Tokens of a sentence that are given; the rest must come back."""
PAD, BEGIN, END = 0, 1, 2


class Batch(NamedTuple):
    """Token ids, mask and labels (padding is -100), each [sentences, tokens], on the device."""

    ids: Any
    mask: Any
    labels: Any
    rows: List[List[int]]
    """The ids without padding."""

    def inputs(self) -> Dict[str, Any]:
        """Return what a model takes, without labels."""
        return {"input_ids": self.ids, "attention_mask": self.mask}


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
    return of_rows(lab, [[BEGIN, *made.encode(text).ids, END] for text in SENTENCES], PAD)


def of_rows(lab: Lab, rows: List[List[int]], pad: int) -> Batch:
    """Pad rows of ids on the right."""
    longest = max(map(len, rows))
    ids = [row + [pad] * (longest - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    labels = [row + [-100] * (longest - len(row)) for row in rows]
    a, b, c = (lab.torch.tensor(x, device=lab.device) for x in (ids, mask, labels))
    return Batch(a, b, c, rows)


def base(lab: Lab, dtype: Any = None) -> Any:
    """Return the base model on the device: random, but the same in every process."""
    lab.torch.manual_seed(0)
    config = lab.transformers.LlamaConfig(
        vocab_size=259,
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        initializer_range=START,
        pad_token_id=PAD,
        bos_token_id=BEGIN,
        eos_token_id=END,
    )
    model = lab.transformers.LlamaForCausalLM(config)
    # built on the CPU in float32: generators of devices differ
    return model.to(dtype or lab.torch.float32).to(lab.device)


def wrapped(lab: Lab, model: Any, rank: int = RANK) -> Any:
    """Return the model with LoRA on all linear layers but the head; adapters are float32."""
    lab.torch.manual_seed(1)
    settings = lab.peft.LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return lab.peft.get_peft_model(model, settings)


def optimizer(lab: Lab, model: Any, rate: float = RATE) -> Any:
    """Return AdamW over what trains."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return lab.torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)


def rate_at(step: int, steps: int = STEPS) -> float:
    """Return the share of the learning rate: five steps of warm-up, then a cosine to a tenth."""
    return min(1.0, (step + 1) / 5) * (0.45 * (1 + math.cos(math.pi * step / steps)) + 0.1)
