"""The last norm, the head and the loss, as each stack's code runs them: batch x sequence x vocabulary.

Read from transformers' loss_utils and modelling code (4.40 to 5.24), Liger's fused loss, TRL's and torchtune's.
"""

from functools import lru_cache
from typing import NamedTuple

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Norm, Shape
from tunedoctor.memory.tape import Modules, Tape, Tensor

CHUNK = 512
"""Tokens of a chunk of doctor train's loss."""
_TORCHTUNE_CHUNKS = 8
_TRL_CHUNK = 256
_WHOLE = ("whole", "whole-middle", "whole-old", "whole-narrow", "in-place")


class LossTerm(NamedTuple):
    """Bytes of the last norm, the head and the loss."""

    peak: int
    """While the loss is made or taken back."""
    forward: int
    """While it is made, under autocast."""
    held: int
    """Throughout the backward pass."""
    cached: int = 0
    """Freed before the peak in blocks that fit nothing later: the allocator keeps them beside it."""
    gradients: int = 0
    """Of the head."""


@lru_cache(maxsize=512)
def loss_term(shape: Shape, run: Run) -> LossTerm:
    """Return what the head and the loss of one micro-batch take."""
    tape, cached = Tape(), 0
    head = _Head(shape, run, tape)
    output: Tensor | None = None
    if run.stack.loss in _WHOLE:
        output = head.whole()
        if run.stack.loss in ("whole-old", "whole-narrow"):
            wide = 2 if run.stack.loss == "whole-old" or not run.autocast else 4
            cached = wide * run.tokens * shape.vocab
    else:
        head.apart()
    held = output.size if output else 0
    forward = tape.peak
    tape.backward(4)
    del output
    return LossTerm(tape.peak, forward, held, cached, sum(one.size for one in tape.gradients))


class _Head(Modules):
    def __init__(self, shape: Shape, run: Run, tape: Tape) -> None:
        super().__init__(shape, run, tape)
        self.trains = run.method == "full" or run.embeddings
        self.size = shape.vocab * shape.hidden

    def _hidden(self) -> Tensor:
        width = 4 if self.shape.wide_residual else self.run.stream_width
        hidden = self.tape.leaf(self.tokens * self.shape.hidden, width)
        final = self.shape.final_norm
        return self.norm(hidden, Norm(self.shape.hidden, final)) if final else hidden

    def _logits(self, x: Tensor) -> Tensor:
        narrow, op = self.narrow(x), self.tape.op
        saved: tuple[Tensor, ...] = (narrow,) if self.trains else ()
        if self.run.rest_bytes > narrow.width:  # autocast's copy of the weight
            saved = (*saved, self.small(self.size * narrow.width))
        made = self.run.gradient(self.size) if self.trains else 0
        logits = op((narrow,), self.tokens * self.shape.vocab, narrow.width, saved=saved, made=made)
        if not self.shape.final_softcap:
            return logits
        logits = op((logits,), logits.count, logits.width)
        logits = op((logits,), logits.count, logits.width, keeps=True)
        return op((logits,), logits.count, logits.width)

    def whole(self) -> Tensor | None:
        """Make logits of all tokens and the loss; returns the logits where the loop holds them."""
        op, kind = self.tape.op, self.run.stack.loss
        logits = self._logits(self._hidden())
        count = logits.count
        if self.shape.wide_logits or kind == "whole-old":
            logits = self.cast(logits, 4)
        if kind == "in-place":
            op((logits,), 1, 4, saved=(logits,), same=True)
            return None
        wide = logits if kind == "whole-narrow" else self.cast(logits, 4)
        shifted = wide
        if kind in ("whole-old", "whole-middle", "whole-narrow") and self.run.batch > 1:
            shifted = op((wide,), count, wide.width)  # laid out anew; both are there still
        if kind == "whole-narrow" and self.run.autocast:
            shifted = self.cast(shifted, 4)
        likely = op((shifted,), count, shifted.width, keeps=True)
        del wide, shifted
        op((likely,), 1, 4)
        del likely
        return logits if self.run.stack.keeps_logits else None

    def apart(self) -> None:
        """Make the loss in chunks, or by a kernel that never holds the logits."""
        op, tokens, vocab, run = self.tape.op, self.tokens, self.shape.vocab, self.run
        x, weight = self._hidden(), self.size
        narrow = run.kernel_bytes(x.width)
        cap = narrow if self.shape.final_softcap else 0
        made = run.gradient(weight) if self.trains else 0
        match run.stack.loss:
            case "chunked-kept" | "chunked-wide":
                # fp32 a chunk at a time, of which log_softmax keeps its output
                part = -(-tokens // _TORCHTUNE_CHUNKS) * vocab
                logits, held = self._logits(x), run.stack.loss == "chunked-wide"
                logits = self.cast(logits, 4) if held else logits
                if run.compiled:  # made again, a chunk at a time, and the gradient put in its place
                    op((logits,), 1, 4, saved=(logits,), temp=12 * part, back=12 * part, same=True)
                    return
                kept = op((logits,), logits.count, 4, keeps=True, temp=4 * part, back=8 * part)
                op((kept,), 1, 4, saved=(logits,) if held else ())
            case "chunked":  # line by line of doctor train's ChunkedLoss
                chunk, wide = min(tokens, CHUNK) * vocab, 4 * weight if self.trains else 0
                # of weights, in the type of hidden states
                copy = narrow * weight if run.rest_bytes != narrow else 0
                half = narrow if narrow < 4 else 0  # what is fp32 is its own copy in fp32
                size = (8 if cap else 4 + half) * chunk + copy  # all else is done in place
                # the head's gradient is added up in fp32; a chunk's part of it, in both types
                if self.trains:
                    left = (4 + half) * chunk
                    size = max(size, left + (4 + half) * weight + copy)
                picked = op((x,), x.count, narrow)
                del x
                waits = (self.small(picked.size), *([self.small(wide)] if wide else []))
                back = wide if run.trained_bytes < 4 else 0
                op((picked,), 1, 4, saved=waits, temp=size, back=back, made=made)
            case "recomputed" | "recomputed-wide":
                part = (12 + narrow + cap) * min(tokens, _TRL_CHUNK) * vocab
                part += 4 * weight if run.stack.loss == "recomputed-wide" else 0
                op((x,), 1, 4, saved=(x,), temp=part, back=part, made=made)
            case _:
                # Liger: as many chunks as the vocabulary is wider than the hidden states; the gradient is made at once
                rows = -(-tokens // -(-vocab // self.shape.hidden))
                part = (narrow + 4) * (1 << max(0, rows - 1).bit_length()) * vocab
                left_over = x.count + (weight if self.trains else 0)
                op((x,), 1, 4, saved=(self.small(narrow * left_over),), temp=part, made=made)
