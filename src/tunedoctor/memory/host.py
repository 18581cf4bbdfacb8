"""RAM while a model is loaded and trained, and disk for weights and checkpoints."""

import msgspec

from tunedoctor.memory.adapters import trained_elements
from tunedoctor.memory.optimizer import OPTIMIZERS, state_bytes
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape

_SHARD = 5 * 10**9
"""Bytes of one file of weights, as save_pretrained cuts them."""
_PROCESS = 3 << 30
"""RAM of a process with torch, CUDA and transformers loaded: 2 to 3 GiB."""
KEPT = 3
"""Checkpoints that lie on the disk at once: two kept, one being written, since writes are atomic."""


class Ram(msgspec.Struct, frozen=True):
    """Bytes of RAM on the machine, all GPUs' processes together."""

    loading: int
    training: int
    merging: int
    """An adapter into 16-bit weights, which lie there whole; 0 for full fine-tunes, which merge nothing."""
    pinned: int
    """Optimizer states or layer inputs that the host holds for the GPU."""


class DiskSpace(msgspec.Struct, frozen=True):
    """Bytes on the disk."""

    download: int
    checkpoint: int
    """One of them."""
    checkpoints: int
    merged: int
    """The adapter merged into the 16-bit weights; 0 for full fine-tunes, whose checkpoint is that already."""
    total: int


def ram(shape: Shape, run: Run) -> Ram:
    """Return the RAM that loading and training take."""
    weights = 2 * parameters(shape).total
    # safetensors maps the files: pages of one shard are touched at a time, and the page cache may drop them
    loading = run.gpus * (_PROCESS + min(weights, _SHARD))
    kind = OPTIMIZERS[run.optimizer]
    pinned = state_bytes(shape, run) if kind.paged else 0
    if run.offloads:
        pinned += shape.depth * run.tokens * shape.hidden * run.stream_width
    merging = 0 if run.method == "full" else _PROCESS + weights
    return Ram(loading, run.gpus * (_PROCESS + pinned), merging, pinned * run.gpus)


def disk(shape: Shape, run: Run) -> DiskSpace:
    """Return the disk that weights, checkpoints and the merged model take."""
    weights = 2 * parameters(shape).total
    trained = trained_elements(shape, run)
    saved = trained * run.trained_bytes + state_bytes(shape, run)
    merged = 0 if run.method == "full" else weights
    return DiskSpace(weights, saved, KEPT * saved, merged, weights + KEPT * saved + merged)
