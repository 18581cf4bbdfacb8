"""Train the adapters and keep a ledger of what each step did to whom."""

import statistics
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from .lab import Lab
from .recipe import Batch, optimizer, rate_at
from .tell import shown, wrong


class Ledger:
    """What the gradients of adapters were, over all steps."""

    def __init__(self, torch: Any, model: Any) -> None:
        """Begin with nothing seen."""
        self.torch = torch
        self.trained: List[Tuple[str, Any]] = [
            (name, p) for name, p in model.named_parameters() if p.requires_grad
        ]
        self.missing = {name for name, _ in self.trained}
        """Adapters that never got a gradient other than zero."""
        self.absent: List[str] = []
        """Adapters without any gradient, of the last step."""

    def read(self) -> List[str]:
        """Read the gradients of one backward; return the names of those that are not finite."""
        there = [(name, p.grad) for name, p in self.trained if p.grad is not None]
        self.absent = [name for name, p in self.trained if p.grad is None]
        if not there:
            return []
        # one transfer for all
        sizes = self.torch.stack([g.detach().float().abs().sum() for _, g in there]).tolist()
        self.missing -= {name for (name, _), size in zip(there, sizes) if size > 0}  # noqa: B905
        return [n for (n, _), size in zip(there, sizes) if not size < float("inf")]  # noqa: B905


class Trained:
    """A training as it goes: model, optimizer, losses."""

    def __init__(self, lab: Lab, model: Any, batches: List[Batch], rate: float) -> None:
        """Prepare to train `model` over `batches` in turn."""
        self.lab, self.model, self.batches, self.rate = lab, model, batches, rate
        self.optimizer = optimizer(lab, model, rate)
        self.ledger = Ledger(lab.torch, model)
        self.losses: List[float] = []
        self.times: List[float] = []
        self.tokens = 0
        self.bad: List[str] = []
        """Adapters whose gradient was not finite in the last step."""

    def step(self, steps: int) -> float:
        """Do one step; return its loss."""
        torch, began = self.lab.torch, time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * rate_at(len(self.losses), steps)
        one = self.batches[len(self.losses) % len(self.batches)]
        loss = self.model(labels=one.labels, **one.inputs()).loss
        loss.backward()
        self.bad = self.ledger.read()
        torch.nn.utils.clip_grad_norm_([p for _, p in self.ledger.trained], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        value = float(loss.item())
        self.losses.append(value)
        self.lab.sync()
        self.times.append(time.perf_counter() - began)
        self.tokens = sum(map(len, one.rows))
        return value

    def speed(self) -> Optional[float]:
        """Return tokens a second: the median step, the first two left out."""
        times = self.times[2:]
        return round(self.tokens / statistics.median(times), 1) if times else None


def forward(model: Any, one: Batch, data: Dict[str, Any]) -> float:
    """Compute the loss before any step; it is finite."""
    loss = float(model(labels=one.labels, **one.inputs()).loss.item())
    data["loss"] = loss if _finite(loss) else None
    if not _finite(loss):
        raise wrong(data, "loss-not-finite", "the loss of the first forward is {}".format(loss))
    return loss


def backward(lab: Lab, model: Any, one: Batch, data: Dict[str, Any]) -> None:
    """Ask one backward of all adapters: each gets a gradient, and no base weight does."""
    model.train()
    ledger = Ledger(lab.torch, model)
    loss = model(labels=one.labels, **one.inputs()).loss
    if not loss.requires_grad:
        raise wrong(data, "no-backward", "the loss depends on no adapter: nothing would train")
    loss.backward()
    bad = ledger.read()
    stray = [n for n, p in model.named_parameters() if p.grad is not None and not p.requires_grad]
    model.zero_grad()
    data["adapters"] = len(ledger.trained)
    if bad:
        text = "the gradient of {} is not finite".format(shown(bad))
        raise wrong(data, "gradient-not-finite", text)
    # the A of a fresh adapter has a gradient of zero, since B is zero: it must be there all the same
    dead = [n for n in ledger.missing if "lora_B" in n]
    reached = ledger.absent or dead
    if reached:
        text = "{} of {} adapters get no gradient: {}".format(
            len(set(ledger.absent) | set(dead)), len(ledger.trained), shown(sorted(reached))
        )
        raise wrong(data, "no-backward", text)
    if stray:
        raise wrong(data, "base-trains", "frozen weights get gradients: {}".format(shown(stray)))


def first_step(lab: Lab, run: Trained, steps: int, data: Dict[str, Any]) -> None:
    """Do the first step: each adapter that had a gradient moves."""
    before = [p.detach().clone() for _, p in run.ledger.trained]
    data["loss"] = run.step(steps)
    still = [
        name
        for (name, p), was in zip(run.ledger.trained, before)  # noqa: B905
        if name not in run.ledger.missing and lab.torch.equal(p.detach(), was)
    ]
    if still:
        held = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
        strange = [n for n, p in run.ledger.trained if n in still and id(p) not in held]
        why = "the optimizer holds other tensors than these" if strange else "the step did nothing"
        text = "{} of {} adapters had a gradient and did not move: {}; {}".format(
            len(still), len(run.ledger.trained), shown(still), why
        )
        raise wrong(data, "optimizer-misses" if strange else "optimizer-idle", text)


def train(
    run: Trained, steps: int, enough: float, data: Dict[str, Any], tell: Callable[..., None]
) -> None:
    """Train on until the loss is below `enough`; 0: for all steps, which tell only whether it is finite."""
    data["losses"] = run.losses
    while len(run.losses) < steps:
        number = len(run.losses) + 1
        data["at_step"] = number
        loss = run.step(steps)
        tell(number=number, loss=round(loss, 4))
        if not _finite(loss) or run.bad:
            what = "the gradient of " + shown(run.bad) if run.bad else "the loss"
            data["losses"] = [x if _finite(x) else None for x in run.losses]
            text = "{} is not finite in step {}".format(what, number)
            raise wrong(data, "gradient-not-finite" if run.bad else "loss-not-finite", text)
        if loss < enough and number >= 20:
            break
    data.update(
        tokens_per_second=run.speed(),
        peak=run.lab.peak(),
        allocated=run.lab.allocated(),
        tokens=run.tokens,
        at_step=len(run.losses),
    )
    data["losses"] = [round(x, 4) for x in run.losses]
    first, last = run.losses[0], run.losses[-1]
    if enough and last >= enough:
        text = (
            "the loss stays at {:.3g} after {} steps, from {:.3g}; {:g} is learned by heart".format(
                last, len(run.losses), first, enough
            )
        )
        raise wrong(data, "loss-stays", text)


def every_adapter(run: Trained, data: Dict[str, Any]) -> None:
    """Ask that each adapter had a gradient other than zero in some step."""
    count = len(run.ledger.trained)
    data["adapters"] = count
    if run.ledger.missing:
        names = sorted(run.ledger.missing)
        text = "{} of {} adapters never had a gradient: {}".format(len(names), count, shown(names))
        raise wrong(data, "no-backward", text)


def _finite(x: float) -> bool:
    return abs(x) < float("inf")
