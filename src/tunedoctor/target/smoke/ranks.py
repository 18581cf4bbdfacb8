"""Several processes that train together, under torchrun: each meets the others, sums with them, trains with them."""

import datetime as dt
import os
import time
from typing import Any, Dict, List, Tuple

from . import recipe
from .lab import Lab, choose_device, import_stages, shut_out
from .tell import Narrator, wrong
from .training import Trained

STEPS = 3
SIZE = 1 << 20
"""Numbers that are summed over all ranks."""
SLOW = 1.5
"""A GPU that takes so many times the median of its neighbours is named."""


def ranks(tell: Narrator, asked: Any) -> None:
    """Run the stages of one rank; who fails leaves with status 1, so that torchrun ends the others."""
    lab = Lab(asked.device)
    shut_out()
    one = Rank(lab, asked.seconds)
    stages: List[Tuple[str, Any]] = [
        ("device", one.device),
        ("join", one.join),
        ("all-reduce", one.reduce),
        ("work", one.work),
        ("DDP", one.together),
    ]
    if not (import_stages(tell, lab) and all(tell.stage(name, work) for name, work in stages)):
        os._exit(1)
    lab.torch.distributed.destroy_process_group()


class Rank:
    """One of the processes."""

    def __init__(self, lab: Lab, seconds: float) -> None:
        """Read the place that torchrun gave."""
        self.lab, self.seconds = lab, seconds
        self.number = int(os.environ["RANK"])
        self.world = int(os.environ["WORLD_SIZE"])

    def device(self, data: Dict[str, Any]) -> None:
        """Take the GPU of this rank, or the CPU."""
        torch = self.lab.torch
        if not self.lab.asked_device and torch.cuda.is_available():
            self.lab.asked_device = "cuda:" + os.environ["LOCAL_RANK"]
        choose_device(self.lab, data)
        if self.lab.kind in ("cuda", "rocm"):
            torch.cuda.set_device(self.lab.device)

    def join(self, data: Dict[str, Any]) -> None:
        """Meet all the others, within three quarters of a stage's time."""
        backend = "nccl" if self.lab.kind in ("cuda", "rocm") else "gloo"
        data.update(world=self.world, backend=backend)
        limit = dt.timedelta(seconds=max(1.0, 0.75 * self.seconds))
        try:
            self.lab.torch.distributed.init_process_group(backend, timeout=limit)
        except Exception as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            text = "rank {} waited {:.0f} s for all {}: {}".format(
                self.number, limit.total_seconds(), self.world, first[:200]
            )
            raise wrong(data, "rank-missing", text) from error

    def reduce(self, data: Dict[str, Any]) -> None:
        """Sum over all ranks; compare with the sum."""
        torch = self.lab.torch
        data["world"] = self.world
        numbers = (
            torch.arange(SIZE, device=self.lab.device, dtype=torch.float32) % 1000 + self.number
        )
        torch.distributed.all_reduce(numbers)
        every = self.world * (self.world - 1) // 2
        right = torch.arange(SIZE, device=self.lab.device, dtype=torch.float32) % 1000
        wrong_ones = int((numbers != right * self.world + every).sum())
        if wrong_ones:
            text = "{} of {} sums over {} ranks are wrong on rank {}".format(
                wrong_ones, SIZE, self.world, self.number
            )
            raise wrong(data, "wrong-reduce", text)

    def work(self, data: Dict[str, Any]) -> None:
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
            text = "a product of ones on {} of rank {} is wrong".format(device, self.number)
            raise wrong(data, "wrong-numbers", text)
        times = torch.zeros(self.world, device=device, dtype=torch.float32)
        times[self.number] = took
        torch.distributed.all_reduce(times)
        median = sorted(times.tolist())[(self.world - 1) // 2]
        # processes that share one CPU are no sign of anything
        if self.lab.kind != "cpu" and took > SLOW * median:
            text = "{} of rank {} takes {:.1f} times as long as the others".format(
                device, self.number, took / median
            )
            raise wrong(data, "slow-rank", text)

    def together(self, data: Dict[str, Any]) -> None:
        """Train on other sentences on each rank; all end with the same adapters."""
        lab = self.lab
        model = recipe.wrapped(lab, recipe.base(lab))
        places = [lab.torch.device(lab.device)] if lab.kind != "cpu" else None
        shared = lab.torch.nn.parallel.DistributedDataParallel(model, device_ids=places)
        rows = recipe.batch(lab).rows
        mine = [rows[self.number % len(rows)]]
        run = Trained(lab, shared, [recipe.of_rows(lab, mine, recipe.PAD)], recipe.RATE)
        for _ in range(STEPS):
            run.step(recipe.STEPS)
        data.update(steps=STEPS, losses=[round(x, 4) for x in run.losses])
        flat = lab.torch.cat([p.detach().flatten() for _, p in run.ledger.trained])
        first = flat.clone()
        lab.torch.distributed.broadcast(first, 0)
        apart = float((flat - first).abs().max())
        if apart != 0.0:
            text = "the adapters of rank {} and rank 0 differ by {:.2g} after {} steps".format(
                self.number, apart, STEPS
            )
            raise wrong(data, "ranks-differ", text)
