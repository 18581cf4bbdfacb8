"""The smoke training itself, stage by stage."""

from __future__ import annotations

import gc
import os
import tempfile
from typing import Any

from ..reporting import Teller, Wrong, attempt
from . import kernels, saving, tiny
from .lab import Lab, began, finite, first_names

AGAIN = 8
"""Steps that are repeated from the start to see whether the losses are the same."""
ENOUGH, FEWEST = 0.05, 20
"""Loss (nats a token) below which the sentences are known by heart, and the least steps."""


def core(tell: Teller, asked: Any) -> None:
    """Run all stages; what needs a stage that failed is not begun."""
    lab = Lab(asked.device)
    scratch = asked.scratch or tempfile.mkdtemp(prefix="doctor-smoke-")
    passed = ["--model", asked.model, "--data", asked.data, "--steps", str(asked.steps)]
    fresh = saving.Fresh(passed if asked.model else [], scratch)
    try:
        if began(tell, lab) and kernels.stages(tell, lab):
            Core(tell, lab, asked, fresh, scratch).run()
    finally:
        fresh.process.kill()


class Core:
    """The stages from the model on, and what they hand to each other."""

    def __init__(self, tell: Teller, lab: Lab, asked: Any, fresh: Any, scratch: str) -> None:
        self.tell, self.lab, self.asked, self.fresh = tell, lab, asked, fresh
        self.folder = os.path.join(scratch, "adapter")
        self.own = bool(asked.model)
        self.steps = asked.steps or (tiny.OWN_STEPS if self.own else tiny.STEPS)
        self.rate = 1e-4 if self.own else tiny.RATE
        self.enough = 0.0 if self.own else ENOUGH
        self.batches: list[tiny.Batch] = []
        self.rows: Any = ()
        self.model: Any = None
        self.trained: Any = None

    def run(self) -> None:
        """Run the stages; the first failure ends those that build on each other."""
        learning = [self.build, self.wrap, self.forward, self.backward, self.optimizer, self.train]
        learning = [*[self.data] * self.own, *learning, self.adapters, self.base_weights]
        if not self.all(*learning):
            return
        tell, lab, one = self.tell, self.lab, self.batches[0]
        saved = self.all(self.save, self.reload)
        if self.own:  # 16-bit weights move when merged, and five steps teach nothing by heart
            return
        if saved and self.all(self.merge):
            tell.stage("generate", saving.generate, lab, self.model, one)
        tell.stage("repeat", self.repeat)
        tell.stage("checkpointing", kernels.checkpointing, lab, one)
        tell.stage("16-bit", kernels.half, lab, one, self.trained.losses)
        tell.stage("workers", kernels.workers, lab)

    def all(self, *works: Any) -> bool:
        """Run stages that are called as their methods are, until one fails."""
        return all(self.tell.stage(one.__name__.replace("_", " "), one) for one in works)

    def data(self, data: dict[str, Any]) -> None:
        """Read the user's data, before any weight is loaded."""
        self.rows = tiny.tokens_of(self.lab, self.asked, tiny.read_samples(self.asked, data))

    def build(self, data: dict[str, Any]) -> None:
        """Make the model and the batch; every weight is finite."""
        lab = self.lab
        if lab.kind == "cpu":
            data["libraries"] = lab.peak()
        if self.own:
            self.model, self.batches = tiny.of_user(lab, self.asked, *self.rows)
        else:
            self.model, self.batches = tiny.llama(lab), [tiny.batch(lab)]
        named = list(self.model.named_parameters())
        data["weights"] = sum(p.numel() for _, p in named)
        data["longest"] = max(len(row) for one in self.batches for row in one.rows)
        data["model"] = type(self.model).__name__
        data["dtype"] = str(named[0][1].dtype).replace("torch.", "")
        floats = [(n, p) for n, p in named if p.is_floating_point()]
        bad = [n for n, p in floats if not bool(lab.torch.isfinite(p).all())]
        if bad:
            raise Wrong("weight-not-finite", f"weights are not finite: {first_names(bad)}")

    def wrap(self, data: dict[str, Any]) -> None:
        """Add the adapters on every linear layer; only they train."""
        self.model = tiny.wrapped(self.lab, self.model)
        trained = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        data["adapters"] = len(trained)
        data["trained"] = sum(p.numel() for _, p in trained)
        strange = [n for n, _ in trained if "lora_" not in n]
        if strange:
            raise Wrong(
                "wrap-wrong", f"peft left weights of the base to train: {first_names(strange)}"
            )
        if not trained:
            raise Wrong("wrap-wrong", "peft added no adapter that trains")
        data["layers"] = sum(n.endswith("lora_A") for n, _ in self.model.named_modules())
        self.kept = tiny.FrozenWeights(self.lab.torch, self.model)

    def forward(self, data: dict[str, Any]) -> None:
        """Compute the loss before any step; it is finite."""
        loss = float(self.batches[0].loss(self.model).item())
        data["loss"] = loss if finite(loss) else None
        if not finite(loss):
            raise Wrong("loss-not-finite", f"the loss of the first forward is {loss}")

    def backward(self, data: dict[str, Any]) -> None:
        """Ask one backward of all adapters: each gets a gradient, and no base weight does."""
        model = self.model
        model.train()
        ledger = tiny.GradientRecord(self.lab.torch, model)
        loss = self.batches[0].loss(model)
        if not loss.requires_grad:
            raise Wrong("no-backward", "the loss depends on no adapter: nothing would train")
        loss.backward()
        bad, dead, count = ledger.read(), ledger.dead(), len(ledger.trained)
        frozen = [(n, p) for n, p in model.named_parameters() if not p.requires_grad]
        stray = [n for n, p in frozen if p.grad is not None]
        model.zero_grad()
        data["adapters"] = count
        if bad:
            raise Wrong("gradient-not-finite", f"the gradient of {first_names(bad)} is not finite")
        if dead:
            text = f"{len(dead)} of {count} adapters get no gradient: {first_names(dead)}"
            raise Wrong("no-backward", text)
        if stray:
            raise Wrong("base-trains", f"frozen weights get gradients: {first_names(stray)}")

    def optimizer(self, data: dict[str, Any]) -> None:
        """Make the optimizer and do the first step: each adapter that had a gradient moves."""
        if self.lab.space:  # the peak is measured again from here
            attempt(self.lab.torch, self.lab.space + ".reset_peak_memory_stats", self.lab.device)
        self.model.train()
        self.trained = run = tiny.TrainingLoop(self.lab, self.model, self.batches, self.rate)
        before = [p.detach().clone() for _, p in run.ledger.trained]
        data["loss"] = run.step(self.steps)
        equal = self.lab.torch.equal
        same = [n for (n, p), was in zip(run.ledger.trained, before) if equal(p.detach(), was)]
        still = [n for n in same if n not in run.ledger.missing]
        if still:
            held = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
            strange = [n for n, p in run.ledger.trained if n in still and id(p) not in held]
            reason, why = "optimizer-idle", "the step did nothing"
            if strange:
                reason, why = "optimizer-misses", "the optimizer holds other tensors than these"
            text = f"{len(still)} of {len(before)} adapters had a gradient and did not move"
            raise Wrong(reason, f"{text}: {first_names(still)}; {why}")

    def train(self, data: dict[str, Any]) -> None:
        """Train until the sentences are known by heart; the user's model for all steps, which stay finite."""
        run = self.trained
        data["losses"] = run.losses
        while len(run.losses) < self.steps:
            data["at_step"] = number = len(run.losses) + 1
            loss = run.step(self.steps)
            self.tell.alive(number=number, loss=round(loss, 4))
            if what := run.unsound():
                data["losses"] = [x if finite(x) else None for x in run.losses]
                reason = "gradient-not-finite" if run.bad else "loss-not-finite"
                raise Wrong(reason, f"{what} is not finite in step {number}")
            if loss < self.enough and number >= FEWEST:
                break
        data.update(
            tokens_per_second=run.speed(),
            peak=self.lab.peak(),
            allocated=self.lab.bytes("max_memory_allocated"),
            at_step=len(run.losses),
            losses=run.rounded_losses(),
        )
        first, last = run.losses[0], run.losses[-1]
        if self.enough and last >= self.enough:
            text = f"the loss stays at {last:.3g} after {len(run.losses)} steps, from {first:.3g}"
            raise Wrong("loss-stays", f"{text}; {self.enough:g} is learned by heart")

    def adapters(self, data: dict[str, Any]) -> None:
        """Ask that each adapter had a gradient other than zero in some step."""
        ledger = self.trained.ledger
        data["adapters"] = count = len(ledger.trained)
        if ledger.missing:
            names = sorted(ledger.missing)
            text = f"{len(names)} of {count} adapters never had a gradient: {first_names(names)}"
            raise Wrong("no-backward", text)

    def base_weights(self, data: dict[str, Any]) -> None:
        """Compare the base with what it was, bit for bit."""
        other = self.kept.changed(self.model)
        data["weights"] = count = len(self.kept.were)
        if other:
            text = f"{len(other)} of {count} frozen weights changed: {first_names(other)}"
            raise Wrong("base-changed", text)

    def save(self, data: dict[str, Any]) -> None:
        """Save and read back; the logits before are kept."""
        self.before = saving.logits(self.lab, self.model, self.batches[0])
        os.makedirs(self.folder, exist_ok=True)
        saving.save(self.lab, self.model, self.folder, data)

    def reload(self, data: dict[str, Any]) -> None:
        """Load in the fresh process."""
        if self.own:
            # two copies of a large model have no room
            self.model = self.trained = None
            gc.collect()
            attempt(self.lab.torch, "cuda.empty_cache")
        question = {"folder": self.folder, "device": self.lab.device}
        answer = self.fresh.ask(question, self.tell.alive)
        saving.reload(self.lab, self.fresh, self.folder, self.before, answer, data)

    def merge(self, data: dict[str, Any]) -> None:
        """Merge the adapters of the tiny model."""
        self.model = saving.merge(self.lab, self.model, self.batches[0], self.before, data)

    def repeat(self, data: dict[str, Any]) -> None:
        """Train again from the same start; the losses must be the same."""
        lab = self.lab
        run = tiny.TrainingLoop(lab, tiny.wrapped(lab, tiny.llama(lab)), self.batches, self.rate)
        run.model.train()
        first = self.trained.losses[:AGAIN]
        for _ in first:
            run.step(self.steps)
        if run.losses != first:
            data["difference"] = worst = max(abs(a - b) for a, b in zip(run.losses, first))
            if lab.kind == "cpu" or not worst < 0.01 * first[0]:
                text = f"the same training gives other losses: by {worst:.2g} within {len(first)} steps"
                raise Wrong("not-repeatable", text)
            why = "kernels of this device are not deterministic"
            data["note"] = f"losses differ by {worst:.1g}: {why}"
