"""Several processes that train together, under torchrun, and minutes of load.

Ranks: each meets the others, sums with them, trains with them. Load: the same short training again and again, which
must give the same losses at the same speed.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import time
from typing import Any

from ..telling import Teller, Wrong
from . import kernels, tiny
from .lab import Lab, began, choose_device

RANK_STEPS = 3
SIZE = 1 << 20
"""Numbers that are summed over all ranks."""
SLOW = 1.5
"""A GPU that takes so many times the median of its neighbours is named."""


def ranks(tell: Teller, asked: Any) -> None:
    """Run the stages of one rank; who fails leaves with status 1, so that torchrun ends the others."""
    lab = Lab(asked.device)
    one = Rank(lab, asked.seconds)
    works = (one.device, one.join, one.reduce, one.work, one.together)
    stages = zip(("device", "join", "all-reduce", "work", "DDP"), works)
    if not (began(tell, lab, choose=False) and all(tell.stage(*stage) for stage in stages)):
        os._exit(1)
    lab.torch.distributed.destroy_process_group()


class Rank:
    """One of the processes."""

    def __init__(self, lab: Lab, seconds: float) -> None:
        self.lab, self.seconds = lab, seconds
        self.number, self.world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])

    def device(self, data: dict[str, Any]) -> None:
        """Take the GPU of this rank, or the CPU."""
        torch = self.lab.torch
        if not self.lab.asked_device and torch.cuda.is_available():
            self.lab.asked_device = "cuda:" + os.environ["LOCAL_RANK"]
        choose_device(self.lab, data)
        if self.lab.space == "cuda":
            torch.cuda.set_device(self.lab.device)

    def join(self, data: dict[str, Any]) -> None:
        """Meet all the others, within three quarters of a stage's time."""
        backend = "nccl" if self.lab.space == "cuda" else "gloo"
        data.update(world=self.world, backend=backend)
        limit = dt.timedelta(seconds=max(1.0, 0.75 * self.seconds))
        try:
            self.lab.torch.distributed.init_process_group(backend, timeout=limit)
        except Exception as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            text = f"rank {self.number} waited {limit.total_seconds():.0f} s for all {self.world}"
            raise Wrong("rank-missing", f"{text}: {first[:200]}") from error

    def reduce(self, data: dict[str, Any]) -> None:
        """Sum over all ranks; compare with the sum."""
        torch = self.lab.torch
        data["world"] = self.world
        start = torch.arange(SIZE, device=self.lab.device, dtype=torch.float32) % 1000
        numbers = start + self.number
        torch.distributed.all_reduce(numbers)
        right = start * self.world + self.world * (self.world - 1) // 2
        wrong = int((numbers != right).sum())
        if wrong:
            text = f"{wrong} of {SIZE} sums over {self.world} ranks are wrong on rank {self.number}"
            raise Wrong("wrong-reduce", text)

    def work(self, data: dict[str, Any]) -> None:
        """Do the same work on each rank; a GPU much slower than the others is named."""
        torch, device = self.lab.torch, self.lab.device
        side = 256 if self.lab.kind == "cpu" else 4096
        a = torch.ones(side, side, device=device, dtype=self.lab.half)
        (a @ a).sum()
        self.lab.sync()
        began = time.perf_counter()
        for _ in range(8):
            b = a @ a
        self.lab.sync()
        took = time.perf_counter() - began
        data["work"] = round(took, 4)
        if float(b[0, 0]) != side or float(b[-1, -1]) != side:
            text = f"a product of ones on {device} of rank {self.number} is wrong"
            raise Wrong("wrong-numbers", text)
        times = torch.zeros(self.world, device=device, dtype=torch.float32)
        times[self.number] = took
        torch.distributed.all_reduce(times)
        median = sorted(times.tolist())[(self.world - 1) // 2]
        # processes that share one CPU are no sign of anything
        if self.lab.kind != "cpu" and took > SLOW * median:
            text = f"{device} of rank {self.number} takes {took / median:.1f} times as long"
            raise Wrong("slow-rank", text + " as the others")

    def together(self, data: dict[str, Any]) -> None:
        """Train on other sentences on each rank; all end with the same adapters."""
        lab = self.lab
        torch, model = lab.torch, tiny.wrapped(lab, tiny.llama(lab))
        places = [torch.device(lab.device)] if lab.kind != "cpu" else None
        shared = torch.nn.parallel.DistributedDataParallel(model, device_ids=places)
        rows = tiny.batch(lab).rows
        run = tiny.Trained(lab, shared, [tiny.of_rows(lab, [rows[self.number % len(rows)]])])
        for _ in range(RANK_STEPS):
            run.step()
        data.update(steps=RANK_STEPS, losses=run.told())
        flat = torch.cat([p.detach().flatten() for _, p in run.ledger.trained])
        first = flat.clone()
        torch.distributed.broadcast(first, 0)
        apart = float((flat - first).abs().max())
        if apart != 0.0:
            text = f"the adapters of rank {self.number} and rank 0 differ by {apart:.2g}"
            raise Wrong("ranks-differ", f"{text} after {RANK_STEPS} steps")


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
