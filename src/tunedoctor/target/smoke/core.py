"""The smoke training itself, stage by stage."""

import gc
import os
import tempfile
from typing import Any, Callable, Dict, List

from ..deep.attributes import attempt
from . import extras, kernels, mine, recipe, saving, training
from .lab import Lab, choose_device, import_stages, shut_out
from .tell import Narrator, shown, wrong
from .unchanged import Kept

AGAIN = 8
"""Steps that are repeated from the start to see whether the losses are the same."""


def core(tell: Narrator, asked: Any) -> None:
    """Run all stages; what needs a stage that failed is not begun."""
    lab = Lab(asked.device)
    scratch = asked.scratch or tempfile.mkdtemp(prefix="doctor-smoke-")
    passed = ["--model", asked.model, "--data", asked.data, "--steps", str(asked.steps)]
    fresh = saving.Fresh(passed if asked.model else [], scratch)
    shut_out()
    try:
        if (
            import_stages(tell, lab)
            and tell.stage("device", lambda data: choose_device(lab, data))
            and kernels.stages(tell, lab)
        ):
            Core(tell, lab, asked, fresh, scratch).run()
    finally:
        fresh.stop()


class Core:
    """The stages from the model on, and what they hand to each other."""

    def __init__(
        self, tell: Narrator, lab: Lab, asked: Any, fresh: saving.Fresh, scratch: str
    ) -> None:
        """Keep what the stages share."""
        self.tell, self.lab, self.asked, self.fresh = tell, lab, asked, fresh
        self.folder = os.path.join(scratch, "adapter")
        self.own = bool(asked.model)
        self.steps = asked.steps or (mine.STEPS if self.own else recipe.STEPS)
        self.rate = 1e-4 if self.own else recipe.RATE
        self.enough = 0.0 if self.own else recipe.ENOUGH
        self.model: Any = None
        self.rows: List[List[int]] = []
        self.pad = 0
        self.batches: List[recipe.Batch] = []
        self.kept: Any = None
        self.run_: Any = None
        self.before: Any = None
        self.merged: Any = None

    def run(self) -> None:
        """Run the stages that build on each other; the first failure ends them."""
        training_stages: List[Any] = [("data", self.read)] if self.own else []
        training_stages += [
            ("build", self.build),
            ("wrap", self.wrap),
            ("forward", lambda data: training.forward(self.model, self.batches[0], data)),
            (
                "backward",
                lambda data: training.backward(self.lab, self.model, self.batches[0], data),
            ),
            ("optimizer", self.first_step),
            ("train", self.train),
            ("adapters", lambda data: training.every_adapter(self.run_, data)),
            ("base weights", self.untouched),
        ]
        saving_stages: List[Any] = [("save", self.save), ("reload", self.reload)]
        if not self.own:
            # 16-bit weights move by rounding when merged, and five steps teach nothing by heart
            saving_stages += [("merge", self.merge), ("generate", self.generate)]
        done = self._each(training_stages)
        if done:
            self._each(saving_stages)
            if not self.own:
                self._others()

    def _each(self, stages: List[Any]) -> bool:
        return all(self.tell.stage(name, work) for name, work in stages)

    def _others(self) -> None:
        """Run what stands alone: a failure of one does not keep the others."""
        one, losses = self.batches[0], self.run_.losses
        others: List[Any] = [
            ("repeat", self.repeat),
            ("checkpointing", lambda data: extras.checkpointing(self.lab, one, data)),
            ("16-bit", lambda data: extras.half(self.lab, one, losses, data)),
            ("workers", lambda data: extras.workers(self.lab, data)),
        ]
        for name, work in others:
            self.tell.stage(name, work)

    def read(self, data: Dict[str, Any]) -> None:
        """Read the user's data, before any weight is loaded."""
        samples = mine.read_samples(self.asked, data)
        self.rows, self.pad = mine.tokens_of(self.lab, self.asked, samples, data)

    def build(self, data: Dict[str, Any]) -> None:
        """Make the model and the batch; every weight is finite."""
        lab = self.lab
        if lab.kind == "cpu":
            data["libraries"] = lab.peak()
        if self.own:
            self.model, self.batches = mine.of_user(lab, self.asked, self.rows, self.pad)
        else:
            self.model, self.batches = recipe.base(lab), [recipe.batch(lab)]
        named = list(self.model.named_parameters())
        data["weights"] = sum(p.numel() for _, p in named)
        data["longest"] = max(len(row) for one in self.batches for row in one.rows)
        data["model"] = type(self.model).__name__
        data["dtype"] = str(named[0][1].dtype).replace("torch.", "")
        bad = [
            n for n, p in named if p.is_floating_point() and not bool(lab.torch.isfinite(p).all())
        ]
        if bad:
            text = "weights are not finite: {}".format(shown(bad))
            raise wrong(data, "weight-not-finite", text)

    def wrap(self, data: Dict[str, Any]) -> None:
        """Add the adapters: they alone train, on every linear layer."""
        self.model = recipe.wrapped(self.lab, self.model)
        trained = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        data["adapters"] = len(trained)
        data["trained"] = sum(p.numel() for _, p in trained)
        strange = [n for n, _ in trained if "lora_" not in n]
        if strange or not trained:
            text = (
                "peft left weights of the base to train: {}".format(shown(strange))
                if strange
                else "peft added no adapter that trains"
            )
            raise wrong(data, "wrap-wrong", text)
        wanted = [n for n, m in self.model.named_modules() if n.endswith("lora_A")]
        data["layers"] = len(wanted)
        self.kept = Kept(self.lab.torch, self.model)

    def first_step(self, data: Dict[str, Any]) -> None:
        """Make the optimizer and do its first step."""
        self.lab.forget_peak()
        self.model.train()
        self.run_ = training.Trained(self.lab, self.model, self.batches, self.rate)
        training.first_step(self.lab, self.run_, self.steps, data)

    def train(self, data: Dict[str, Any]) -> None:
        """Train until the sentences are known by heart."""
        training.train(self.run_, self.steps, self.enough, data, self.tell.alive)

    def untouched(self, data: Dict[str, Any]) -> None:
        """Compare the base with what it was, bit for bit."""
        other = self.kept.changed(self.model)
        count = len(self.kept.were)
        data["weights"] = count
        if other:
            text = "{} of {} frozen weights changed: {}".format(len(other), count, shown(other))
            raise wrong(data, "base-changed", text)

    def save(self, data: Dict[str, Any]) -> None:
        """Save and read back; the logits before are kept."""
        self.before = saving.logits(self.lab, self.model, self.batches[0])
        os.makedirs(self.folder, exist_ok=True)
        saving.save(self.lab, self.model, self.folder, data)

    def reload(self, data: Dict[str, Any]) -> None:
        """Load in the fresh process."""
        if self.own:
            # two copies of a large model have no room
            self.model = self.run_ = None
            gc.collect()
            attempt(self.lab.torch, "cuda.empty_cache")
        saving.reload(self.lab, self.fresh, self.folder, self.before, data, self.tell.alive)

    def merge(self, data: Dict[str, Any]) -> None:
        """Merge the adapters of the tiny model."""
        self.merged = saving.merge(self.lab, self.model, self.batches[0], self.before, data)

    def generate(self, data: Dict[str, Any]) -> None:
        """Recite."""
        decode: Callable[[List[int]], str] = recipe.tokenizer(self.lab).decode
        saving.generate(self.lab, self.merged, self.batches[0], decode, data)

    def repeat(self, data: Dict[str, Any]) -> None:
        """Begin anew: the same losses."""
        run = training.Trained(
            self.lab, recipe.wrapped(self.lab, recipe.base(self.lab)), self.batches, self.rate
        )
        run.model.train()
        for _ in range(min(AGAIN, len(self.run_.losses))):
            run.step(self.steps)
        first = self.run_.losses[: len(run.losses)]
        if run.losses != first:
            worst = max(abs(a - b) for a, b in zip(run.losses, first))  # noqa: B905
            data["difference"] = worst
            if self.lab.kind == "cpu" or not worst < 0.01 * first[0]:
                text = "the same training gives other losses: by {:.2g} within {} steps".format(
                    worst, len(first)
                )
                raise wrong(data, "not-repeatable", text)
            data["note"] = (
                "losses differ by {:.1g}: kernels of this device are not deterministic".format(
                    worst
                )
            )
