"""Several processes that train together, minutes of load, and how fast the cards of a node and their links are.

Ranks: each meets the others, sums with them, trains with them. Load: the same short training again and again, which
must give the same losses at the same speed.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import time
from functools import partial
from statistics import median
from typing import Any, Callable

from ..reporting import Missing, Teller, Wrong, attempt
from . import kernels, tiny
from .lab import Lab, began, choose_device

RANK_STEPS = 3
SIZE = 1 << 20
"""The count of numbers that are summed over all ranks."""
SLOW = 1.5
"""A GPU that takes this many times the median of the others is reported as slow."""


def ranks(tell: Teller, asked: Any) -> None:
    """Run the stages of one rank."""
    one = Rank(Lab(asked.device), asked.seconds)
    works = {"device": one.device, "join": one.join, "all-reduce": one.reduce, "work": one.work}
    together(tell, one, {**works, "DDP": one.together})


def together(tell: Teller, one: Rank, works: dict[str, Callable[..., None]], *names: str) -> None:
    """Run stages of a rank; who fails leaves with status 1, so that torchrun ends the others."""
    if not (
        began(tell, one.lab, *names, choose=False) and all(tell.stage(*w) for w in works.items())
    ):
        os._exit(1)
    one.lab.torch.distributed.destroy_process_group()


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
        run = tiny.TrainingLoop(lab, shared, [tiny.of_rows(lab, [rows[self.number % len(rows)]])])
        for _ in range(RANK_STEPS):
            run.step()
        data.update(steps=RANK_STEPS, losses=run.rounded_losses())
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
"""Width, layers and heads, rows and tokens of the batch. 0.4 billion weights; rows are halved until they fit."""


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

    def _first(self) -> tiny.TrainingLoop:
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
                return tiny.TrainingLoop(lab, model, [batch], tiny.RATE / 10)

    def _round(self, run: tiny.TrainingLoop, start: list[Any], data: dict[str, Any]) -> None:
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
        """Fail if the losses of a round differ too much from those of the first."""
        exact = self.lab.kind == "cpu"
        begin, end = (abs(losses[i] - first[i]) / max(abs(first[i]), 1e-9) for i in (0, -1))
        if begin > (0.0 if exact else ROUNDING) or end > (0.0 if exact else DRIFT):
            text = f"round {len(self.speeds)} of the same training gives the loss {losses[-1]:.6g}"
            raise Wrong("load-differs", f"{text}, the first gave {first[-1]:.6g}")


MOST, PART, UNTOLD, OF_CPU = 1 << 30, 4, 1 << 28, 96 << 20
"""Bytes to use of a device: the most, the fraction of free memory, the least (also if unknown), and for the CPU."""
SIDE, OF_CORE = 8192, 512
"""Rows of a matrix: a card is busy with half of them too; for one core few are plenty."""
LONG, REPEATS, RUNS = 0.6, 6, 4
"""Seconds and repeats at the least, and runs in one repeat."""
ROUGH = {"float32": 2.0**-14, "tf32": 2.0**-7, "float16": 2.0**-8, "bfloat16": 2.0**-5}
"""Largest error of a row's sum of signed elements, by its usual size. Seen: 5e-6, 9e-4, 6e-3; of TF32 none."""


def cards(tell: Teller, asked: Any) -> None:
    """Measure the device that was asked for, else every card that torch sees."""
    lab = Lab(asked.device)
    if began(tell, lab, "torch"):
        count = attempt(lab.torch, lab.space + ".device_count") if lab.space else 0
        found = [lab.device.split(":")[0] + f":{i}" for i in range(count or 0)]
        for device in found if found and not asked.device else [lab.device]:
            tell.stage("card " + device, card, lab, device)


def card(lab: Lab, device: str, data: dict[str, Any]) -> None:
    """Measure one card: TFLOP/s of the types that trainers multiply in, and GB/s."""
    lab.asked_device = device
    choose_device(lab, data)
    room, native = budget(lab), data["half"] == "bfloat16"
    if room < UNTOLD and lab.kind != "cpu":
        raise Missing(f"less than {UNTOLD * PART >> 20} MiB are free on {device}")
    names = ["tf32" if lab.kind == "cuda" and native else "float32"]  # TF32 came with bfloat16
    names += ["bfloat16"] * native + ["float16"] * (lab.kind != "cpu")
    data["gemm"] = {name: gemm(lab, name, room) for name in names}
    moves(lab, room, data)


def budget(lab: Lab) -> int:
    """Return the bytes to take on the device."""
    told = attempt(lab.torch, lab.space + ".mem_get_info", lab.device) if lab.space else None
    return OF_CPU if lab.kind == "cpu" else min(MOST, int(told[0]) // PART) if told else UNTOLD


def seconds(lab: Lab, work: Callable[[], Any]) -> float:
    """Return the median seconds of one run of `work`, the device waited for."""
    begin = time.perf_counter()
    times: list[float] = []
    while len(times) < REPEATS or time.perf_counter() - begin < LONG:
        before = time.perf_counter()
        for _ in range(RUNS):
            work()
        lab.sync()
        times.append((time.perf_counter() - before) / RUNS)
    return median(times[len(times) // 3 :])  # the first warm up


def gemm(lab: Lab, name: str, room: int) -> float:
    """Multiply random matrices, for power and clocks follow the numbers; return TFLOP/s."""
    torch = lab.torch
    dtype = getattr(torch, "float32" if name == "tf32" else name)
    fits = 4 * SIDE**2 * torch.empty(0, dtype=dtype).element_size() <= room
    side = OF_CORE if lab.kind == "cpu" else SIDE if fits else SIDE // 2
    torch.manual_seed(0)
    a, b = (torch.randn(side, side, device=lab.device, dtype=dtype) for _ in range(2))
    c, before = torch.empty_like(a), torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    took = seconds(lab, partial(torch.mm, a, b, out=c))
    torch.set_float32_matmul_precision(before)
    # Freivalds: both sides times a vector of signs, in float64, tell of each row
    where = lab.device if lab.kind in ("cpu", "cuda", "rocm") else "cpu"  # others lack float64
    signs = torch.randint(0, 2, (side, 1)).mul_(2).sub_(1).double().to(where)

    def times(m: Any, v: Any) -> Any:
        return torch.cat([rows.to(where).double() @ v for rows in m.split(512)])

    right = times(a, times(b, signs))
    off = float((times(c, signs) - right).abs().max() / right.pow(2).mean().sqrt())
    if not off <= ROUGH[name]:  # NaN is not
        text = f"products in {name} on {lab.device} are off by {off:.2g} of their size"
        raise Wrong("wrong-numbers", f"{text}, where {ROUGH[name]:.2g} is allowed")
    return round(2 * side**3 / took / 1e12, 3)


def moves(lab: Lab, room: int, data: dict[str, Any]) -> None:
    """Read and write more than fits in any cache, and copy from the host and back; return GB/s."""
    torch, ints = lab.torch, lab.torch.int32
    attempt(torch, lab.space + ".empty_cache")  # of the products
    first = torch.arange(room * 3 // 32, dtype=ints, device=lab.device)
    other = torch.empty_like(first)
    adds = seconds(lab, partial(torch.add, first, 1, out=other))
    data["memory"] = round(8 * len(first) / adds / 1e9, 2)
    if not torch.equal(first.add_(1), other):
        raise Wrong("wrong-copy", f"the memory of {lab.device} does not hold what was written")
    host = torch.arange(room // 32, dtype=ints)
    host = attempt(host, "pin_memory") if lab.space else host
    data.update(h2d=0.0, d2h=0.0)
    if host is None:
        data["note"] = "no memory of the host could be pinned: copies were not measured"
        return
    there, back = other[: len(host)], torch.empty_like(host, pin_memory=bool(lab.space))
    for name, to, source in ("h2d", there, host), ("d2h", back, there):
        took = seconds(lab, partial(to.copy_, source, non_blocking=True))
        data[name] = round(4 * len(host) / took / 1e9, 2)
    if not torch.equal(back, host):
        raise Wrong("wrong-copy", f"what comes back from {lab.device} is not what was sent")


def links(tell: Teller, asked: Any) -> None:
    """Sum over all cards, as one rank of torchrun."""
    one = Rank(Lab(asked.device), asked.seconds)
    works = {"device": one.device, "join": one.join, "sum": one.reduce}
    every = {f"node {name}": work for name, work in works.items()}
    together(tell, one, {**every, "node all-reduce": partial(bus, one)}, "torch")


def bus(one: Rank, data: dict[str, Any]) -> None:
    """Sum much over all ranks; return the slowest rank's bus bandwidth, as nccl-tests counts it."""
    lab, world, torch = one.lab, one.world, one.lab.torch
    reduce = torch.distributed.all_reduce
    sums = torch.ones((OF_CPU if lab.kind == "cpu" else MOST) * 3 // 32, device=lab.device)
    times = []
    for _ in range(13):
        before = time.perf_counter()
        reduce(sums)
        lab.sync()
        times.append(time.perf_counter() - before)
    if not float(sums.div_(float(world) ** len(times)).sub_(1).abs_().max()) < 1e-4:
        raise Wrong("wrong-reduce", f"sums over {world} ranks are wrong on rank {one.number}")
    took = torch.tensor([median(times[3:])], device=lab.device)  # the first find their way
    reduce(took, op=torch.distributed.ReduceOp.MAX)
    sent = 2 * (world - 1) / world * 4 * len(sums)
    data.update(world=world, bus=round(sent / float(took) / 1e9, 2))
