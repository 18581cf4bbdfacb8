"""Several processes that train together, under torchrun: each meets the others, sums with them, trains with them."""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Any

from ..telling import Teller, Wrong
from . import tiny
from .lab import Lab, began, choose_device

STEPS = 3
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
        """Read the place that torchrun gave."""
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
        for _ in range(STEPS):
            run.step()
        data.update(steps=STEPS, losses=run.told())
        flat = torch.cat([p.detach().flatten() for _, p in run.ledger.trained])
        first = flat.clone()
        torch.distributed.broadcast(first, 0)
        apart = float((flat - first).abs().max())
        if apart != 0.0:
            text = f"the adapters of rank {self.number} and rank 0 differ by {apart:.2g}"
            raise Wrong("ranks-differ", f"{text} after {STEPS} steps")
