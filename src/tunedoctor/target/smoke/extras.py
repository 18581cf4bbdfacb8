"""Stages that a training can do without: checkpointing, 16-bit weights, workers that load data."""

import importlib
import os
from typing import Any, Dict, List

from .lab import Lab, needs
from .recipe import Batch, base, wrapped
from .tell import Missing, shown, wrong
from .training import Ledger, Trained

SAME = 1e-4
"""Largest relative difference of a loss or gradient that recomputing makes in float32."""
HALF = 0.1
"""Largest relative difference of the first losses in 16 bits to those in float32; up to 0.02 was seen."""
PATIENCE = 18
"""Seconds for one item; spawned workers import torch first. Shorter than the doctor takes for a hang."""
BLOCK = 16 << 20
"""Bytes of one item that a worker sends: two workers with two each in flight need 64 MiB, docker's whole /dev/shm."""


def checkpointing(lab: Lab, one: Batch, data: Dict[str, Any]) -> None:
    """Recompute activations: same loss, same gradients, and every adapter gets one."""
    model = wrapped(lab, base(lab))
    model.train()
    plain = _gradients(model, one)
    # renamed in transformers 5; the old name leaves with 6
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    enable = next((getattr(model, n) for n in names if hasattr(model, n)), None)
    if enable is None:
        msg = "this model has no gradient checkpointing"
        raise Missing(msg)
    enable()
    # what trainers do, since frozen embeddings break the chain of gradients
    model.enable_input_require_grads()
    loss = model(labels=one.labels, **one.inputs()).loss
    if loss.requires_grad:
        loss.backward()
    ledger = Ledger(lab.torch, model)
    ledger.read()
    dead = sorted(set(ledger.absent) | {n for n in ledger.missing if "lora_B" in n})
    if dead:
        text = "with gradient checkpointing {} of {} adapters get no gradient: {}".format(
            len(dead), len(ledger.trained), shown(dead)
        )
        raise wrong(data, "no-backward-checkpointing", text)
    worst = max(
        float((p.grad - plain[n]).norm() / (plain[n].norm() + 1e-12)) for n, p in ledger.trained
    )
    data["difference"] = worst
    if not worst <= SAME:
        text = "gradient checkpointing changes gradients by {:.2g} of their size".format(worst)
        raise wrong(data, "checkpointing-differs", text)


def _gradients(model: Any, one: Batch) -> Dict[str, Any]:
    model(labels=one.labels, **one.inputs()).loss.backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def half(lab: Lab, one: Batch, wide: List[float], data: Dict[str, Any]) -> None:
    """Train a base in 16 bits with float32 adapters: the first losses are those of float32, roughly."""
    data["dtype"] = str(lab.half).replace("torch.", "")
    run = Trained(lab, wrapped(lab, base(lab, lab.half)), [one], 1e-2)
    for _ in range(min(4, len(wide))):
        loss = run.step(120)
        if run.bad or not loss < float("inf"):
            what = "the gradient of " + shown(run.bad) if run.bad else "the loss"
            text = "{} is not finite in {}".format(what, data["dtype"])
            raise wrong(data, "half-not-finite", text)
    lab.sync()
    data["losses"] = [round(x, 4) for x in run.losses]
    worst = max(abs(a - b) / b for a, b in zip(run.losses, wide))  # noqa: B905
    data["difference"] = worst
    if not worst <= HALF:
        text = "losses in {} are off by {:.0%} of those in float32".format(data["dtype"], worst)
        raise wrong(data, "half-differs", text)


class Blocks:
    """A data set of four blocks; item i holds the number i."""

    def __len__(self) -> int:
        """Return 4."""
        return 4

    def __getitem__(self, i: int) -> Any:
        """Return a block."""
        return importlib.import_module("torch").full((BLOCK // 4,), float(i))


def workers(lab: Lab, data: Dict[str, Any]) -> None:
    """Load data by two worker processes, through shared memory."""
    loader = needs(lab.torch, "utils.data.DataLoader")
    try:
        room = os.statvfs("/dev/shm")  # noqa: S108  that very place
        data["shared_free"] = room.f_bavail * room.f_frsize
    except (OSError, AttributeError):  # not on this system
        pass
    # what a worker can't send it tells on standard error alone, and the one who waits is not told
    sent = loader(Blocks(), batch_size=None, num_workers=2, timeout=PATIENCE)
    try:
        found = [float(one[-1]) for one in sent]
    except RuntimeError as error:
        raise wrong(data, "workers-silent", str(error).splitlines()[0]) from error
    if found != [0.0, 1.0, 2.0, 3.0]:
        raise wrong(data, "wrong-data", "workers sent {} in place of 0 to 3".format(found))
