"""What the head and the loss take: batch x sequence x vocabulary, the term that others leave out.

Bytes for each logit, from the code of transformers' loss_utils (5.24): logits in the model's type (2, while the output
is held), log_softmax in fp32 (4), and two gradients in fp32 in its backward pass (8).
"""

from typing import NamedTuple

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape

CHUNK = 1024
"""Tokens of a chunk of doctor train's loss."""
_TORCHTUNE_CHUNKS = 8


class LossTerm(NamedTuple):
    """Bytes of the head and the loss."""

    peak: int
    """While the loss is made or taken back."""
    held: int
    """Throughout the backward pass."""
    cached: int = 0
    """Freed before the peak in blocks that fit nothing later: the allocator keeps them beside it."""


def loss_term(shape: Shape, run: Run) -> LossTerm:  # noqa: PLR0911  one for each kind
    """Return what the head and the loss of one micro-batch take."""
    narrow = run.activation_bytes
    tokens, logits = run.tokens, run.tokens * shape.vocab
    cap = narrow if shape.final_softcap else 0
    match run.stack.loss:
        case "whole":
            held = (4 if shape.wide_logits else narrow) * logits if run.stack.keeps_logits else 0
            return LossTerm(held + (12 + cap) * logits, held)
        case "whole-old":
            # forward: .float() 4, the shifted copy 4, log_softmax 4; backward: log_softmax and two gradients 12,
            # beside the output where the loop holds it. Blocks of the 16-bit logits (2) and, where the output goes, of
            # an fp32 tensor stay with the allocator, too small for what comes
            held = 4 * logits if run.stack.keeps_logits else 0
            return LossTerm(held + (12 + cap) * logits, held, cached=2 * logits)
        case "whole-narrow":
            # the logits and their shifted copy in 16 bit; under autocast cross-entropy works in fp32 all the same
            wide = 12 if run.stack.autocast else 3 * narrow
            held = narrow * logits if run.stack.keeps_logits else 0
            return LossTerm(
                held + (wide + cap) * logits,
                held,
                cached=(4 if run.stack.autocast else narrow) * logits,
            )
        case "chunked-kept":
            chunk = -(-tokens // _TORCHTUNE_CHUNKS) * shape.vocab
            return LossTerm(narrow * 2 * logits + (12 + cap) * chunk, narrow * logits)
        case "chunked":
            return LossTerm(_doctor(shape, run) + 2 * narrow * tokens * shape.hidden, 0)
        case "recomputed":
            chunk = min(tokens, 256) * shape.vocab
            return LossTerm((12 + narrow + cap) * chunk + narrow * tokens * shape.hidden, 0)
        case _:
            weight = shape.vocab * shape.hidden * narrow if _head_trains(run) else 0
            return LossTerm(16 * tokens + narrow * tokens * shape.hidden + weight, weight)


def _doctor(shape: Shape, run: Run) -> int:
    """Return what a chunk of doctor train's loss takes, line by line of its ChunkedLoss."""
    narrow, weight = run.activation_bytes, shape.vocab * shape.hidden
    each = 16 if shape.final_softcap else 4 + narrow
    chunk = min(run.tokens, CHUNK) * shape.vocab
    copy = (
        narrow * weight if run.weight_bytes != narrow else 0
    )  # of fp32 weights, in the type that hidden states have
    if not _head_trains(run):
        return each * chunk + copy
    left = (8 if shape.final_softcap else 4) + narrow
    return max(
        each * chunk + 4 * weight + copy,  # the head's gradient is added up in fp32
        left * chunk + (4 + narrow + 4) * weight + copy,  # a chunk's part of it, in both types
        (8 + run.trained_bytes) * weight,  # taken back: scaled, and in the head's type
    )


def _head_trains(run: Run) -> bool:
    return run.method == "full" or run.embeddings
