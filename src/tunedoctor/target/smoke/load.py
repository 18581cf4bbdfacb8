"""Minutes of load: the same short training again and again, which must give the same losses at the same speed."""

from __future__ import annotations

import statistics
import time
from typing import Any

from ..telling import Teller, Wrong
from . import kernels, tiny
from .lab import Lab, began

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
CPU, GPU = (128, 2, 4, 4, 64), (2048, 8, 16, 16, 1024)
"""Width, layers and heads of the model, rows and tokens of the batch. 0.4 billion weights; rows are halved until they
fit."""


def load(tell: Teller, asked: Any) -> None:
    """Run the stages of a long load."""
    lab = Lab(asked.device)
    rounds = Rounds(lab, asked.minutes * 60, tell)
    if began(tell, lab) and kernels.stages(tell, lab) and tell.stage("load", rounds.run):
        few = "too few rounds to compare" if len(rounds.speeds) < FEWEST else ""
        tell.stage("load speed", rounds.steady, why_not=few)


class Rounds:
    """The rounds that were trained, and what they gave."""

    def __init__(self, lab: Lab, seconds: float, tell: Teller) -> None:
        """Prepare for so many seconds of load."""
        self.lab, self.seconds, self.tell = lab, seconds, tell
        self.speeds: list[float] = []
        """Tokens a second, by round."""

    def run(self, data: dict[str, Any]) -> None:
        """Train round after round; each gives the losses of the first."""
        began = told = time.perf_counter()
        run = self._first()
        start = [p.detach().clone() for _, p in run.ledger.trained]
        first: list[float] = []
        while not first or time.perf_counter() - began < self.seconds:
            self._round(run, start, data)
            losses = run.losses
            first = first or losses
            self._compare(losses, first)
            if time.perf_counter() - told > TELLING or len(self.speeds) == 1:
                told = time.perf_counter()
                minutes = round((told - began) / 60, 2)
                self.tell.alive(number=len(self.speeds), loss=losses[-1], minutes=minutes)
        minutes = round((time.perf_counter() - began) / 60, 2)
        data.update(rounds=len(self.speeds), minutes=minutes)

    def steady(self, data: dict[str, Any]) -> None:
        """Compare the speed of the last quarter of the rounds with that of the first."""
        rest = self.speeds[1:]  # the first round chooses kernels
        part = max(2, len(rest) // 4)
        before, after = statistics.median(rest[:part]), statistics.median(rest[-part:])
        data.update(before=round(before, 1), after=round(after, 1))
        # neighbours slow a CPU too
        if self.lab.kind != "cpu" and after < FADE * before:
            text = f"{before:,.0f} tokens/s at first, {after:,.0f} at the end: {after / before:.0%}"
            raise Wrong("slows-down", text)

    def _first(self) -> tiny.Trained:
        """Build the model, in the 16-bit type of the device, and find the batch that fits."""
        lab = self.lab
        width, layers, heads, count, length = CPU if lab.kind == "cpu" else GPU
        model = tiny.llama(
            lab,
            None if lab.kind == "cpu" else lab.half,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            max_position_embeddings=length,
        )
        model = tiny.wrapped(lab, model)
        model.train()
        lab.torch.manual_seed(2)
        rows = lab.torch.randint(3, 259, (count, length)).tolist()
        while True:
            batch = tiny.of_rows(lab, rows)
            try:
                batch.loss(model).backward()
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if len(rows) < 2 or "out of memory" not in str(error):
                    raise
                rows = rows[: len(rows) // 2]
            else:
                model.zero_grad()
                return tiny.Trained(lab, model, [batch], tiny.RATE / 10)

    def _round(self, run: tiny.Trained, start: list[Any], data: dict[str, Any]) -> None:
        with self.lab.torch.no_grad():
            for (_, p), was in zip(run.ledger.trained, start):
                p.copy_(was)
        run.begin()
        data["at_step"] = len(self.speeds) * STEPS
        for number in range(1, STEPS + 1):
            run.step(STEPS)
            data["at_step"] += 1
            if run.unsound():
                text = f"round {len(self.speeds) + 1} is not finite in step {number}"
                raise Wrong("load-differs", text)
        self.speeds.append(STEPS * run.tokens / sum(run.times))

    def _compare(self, losses: list[float], first: list[float]) -> None:
        """Stop where the losses of a round are too far from those of the first."""
        exact = self.lab.kind == "cpu"
        begin, end = (abs(losses[i] - first[i]) / max(abs(first[i]), 1e-9) for i in (0, -1))
        if begin > (0.0 if exact else ROUNDING) or end > (0.0 if exact else DRIFT):
            text = f"round {len(self.speeds)} of the same training gives the loss {losses[-1]:.6g}"
            raise Wrong("load-differs", f"{text}, the first gave {first[-1]:.6g}")
