"""Minutes of load: the same short training again and again, which must give the same losses at the same speed."""

import statistics
import time
from typing import Any, Dict, List, NamedTuple

from . import kernels, recipe
from .lab import Lab, choose_device, import_stages, shut_out
from .tell import Narrator, wrong
from .training import Trained

STEPS = 8
"""Steps of a round; each round starts from the same adapters."""
ROUNDING = 1e-3
"""Largest relative difference of the first loss of two rounds that other kernels make. On the CPU none is allowed."""
DRIFT = 0.05
"""The same of the last loss of a round: backward passes of GPUs add in any order."""
FADE = 0.85
"""Share of its first speed below which a device has slowed down."""
TELLING = 2.0
"""Seconds between two signs of life."""
FEWEST = 8
"""Rounds without which no word is said on speed."""


class Size(NamedTuple):
    """The model and the batch that load a device."""

    hidden: int
    layers: int
    heads: int
    rows: int
    length: int


CPU = Size(128, 2, 4, 4, 64)
GPU = Size(2048, 8, 16, 16, 1024)
"""0.4 billion weights; rows are halved until they fit."""


def load(tell: Narrator, asked: Any) -> None:
    """Run the stages of a long load."""
    lab = Lab(asked.device)
    shut_out()
    rounds = Rounds(lab, asked.minutes * 60, tell)
    if (
        import_stages(tell, lab)
        and tell.stage("device", lambda data: choose_device(lab, data))
        and kernels.stages(tell, lab)
        and tell.stage("load", rounds.run)
    ):
        few = "too few rounds to compare" if len(rounds.speeds) < FEWEST else ""
        tell.stage("load speed", rounds.steady, few)


class Rounds:
    """The rounds that were trained, and what they gave."""

    def __init__(self, lab: Lab, seconds: float, tell: Narrator) -> None:
        """Prepare for so many seconds of load."""
        self.lab, self.seconds, self.tell = lab, seconds, tell
        self.speeds: List[float] = []
        """Tokens a second, by round."""

    def run(self, data: Dict[str, Any]) -> None:
        """Train round after round; each gives the losses of the first."""
        began = told = time.perf_counter()
        run = self._first()
        start = [p.detach().clone() for _, p in run.ledger.trained]
        first: List[float] = []
        worst = 0.0
        while not first or time.perf_counter() - began < self.seconds:
            losses = self._round(run, start, data)
            first = first or losses
            worst = max(worst, _difference(losses[-1], first[-1]))
            self._same(losses, first, data)
            if time.perf_counter() - told > TELLING or len(self.speeds) == 1:
                told = time.perf_counter()
                minutes = (told - began) / 60
                self.tell.alive(number=len(self.speeds), loss=losses[-1], minutes=round(minutes, 2))
        data.update(
            rounds=len(self.speeds),
            minutes=round((time.perf_counter() - began) / 60, 2),
            losses=[round(x, 4) for x in first],
            difference=worst,
            peak=self.lab.peak(),
            rows=len(run.batches[0].rows),
        )

    def steady(self, data: Dict[str, Any]) -> None:
        """Compare the speed of the last quarter of the rounds with that of the first."""
        rest = self.speeds[1:]  # the first round chooses kernels
        part = max(2, len(rest) // 4)
        before, after = statistics.median(rest[:part]), statistics.median(rest[-part:])
        data.update(before=round(before, 1), after=round(after, 1))
        # neighbours slow a CPU too
        if self.lab.kind != "cpu" and after < FADE * before:
            text = "{:,.0f} tokens/s at first, {:,.0f} at the end: {:.0%}".format(
                before, after, after / before
            )
            raise wrong(data, "slows-down", text)

    def _first(self) -> Trained:
        """Build the model and find the batch that fits."""
        lab = self.lab
        size = CPU if lab.kind == "cpu" else GPU
        model = recipe.wrapped(lab, _model(lab, size))
        model.train()
        lab.torch.manual_seed(2)
        rows = lab.torch.randint(3, 259, (size.rows, size.length)).tolist()
        while True:
            batch = recipe.of_rows(lab, rows, recipe.PAD)
            try:
                model(labels=batch.labels, **batch.inputs()).loss.backward()
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if len(rows) < 2 or "out of memory" not in str(error):
                    raise
                rows = rows[: len(rows) // 2]
            else:
                model.zero_grad()
                return Trained(lab, model, [batch], recipe.RATE / 10)

    def _round(self, run: Trained, start: List[Any], data: Dict[str, Any]) -> List[float]:
        with self.lab.torch.no_grad():
            for (_, p), was in zip(run.ledger.trained, start):  # noqa: B905
                p.copy_(was)
        run.optimizer = recipe.optimizer(self.lab, run.model, run.rate)
        run.losses, run.times = [], []
        data["at_step"] = len(self.speeds) * STEPS
        for _ in range(STEPS):
            loss = run.step(STEPS)
            data["at_step"] += 1
            if run.bad or not abs(loss) < float("inf"):
                text = "round {} is not finite in step {}".format(
                    len(self.speeds) + 1, len(run.losses)
                )
                raise wrong(data, "load-differs", text)
        self.speeds.append(STEPS * run.tokens / sum(run.times))
        return run.losses

    def _same(self, losses: List[float], first: List[float], data: Dict[str, Any]) -> None:
        exact = self.lab.kind == "cpu"
        begin, end = _difference(losses[0], first[0]), _difference(losses[-1], first[-1])
        if begin > (0.0 if exact else ROUNDING) or end > (0.0 if exact else DRIFT):
            text = (
                "round {} of the same training gives the loss {:.6g}, the first gave {:.6g}".format(
                    len(self.speeds), losses[-1], first[-1]
                )
            )
            raise wrong(data, "load-differs", text)


def _difference(one: float, other: float) -> float:
    return abs(one - other) / max(abs(other), 1e-9)


def _model(lab: Lab, size: Size) -> Any:
    """Return a random Llama in the 16-bit type of the device, float32 on the CPU."""
    lab.torch.manual_seed(0)
    config = lab.transformers.LlamaConfig(
        vocab_size=259,
        hidden_size=size.hidden,
        intermediate_size=4 * size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=size.length,
        pad_token_id=recipe.PAD,
        bos_token_id=recipe.BEGIN,
        eos_token_id=recipe.END,
    )
    model = lab.transformers.LlamaForCausalLM(config)
    dtype = lab.torch.float32 if lab.kind == "cpu" else lab.half
    return model.to(dtype).to(lab.device)
