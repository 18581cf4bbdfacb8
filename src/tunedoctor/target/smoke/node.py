"""How fast each card of a node multiplies, reads its memory and talks to the host, and how fast all of them sum.

Card after card, so that none takes from its neighbour; on the CPU one core. A wrong number is worse than a slow card.
"""

from __future__ import annotations

import os
import time
from functools import partial
from statistics import median
from typing import Any, Callable

from ..telling import Missing, Teller, Wrong, attempt
from .lab import Lab, began, choose_device
from .load import Rank

MOST, PART, UNTOLD, OF_CPU = 1 << 30, 4, 1 << 28, 96 << 20
"""Bytes taken of a device: at most, as a part of what is free, at least and where nobody tells, and on the CPU."""
SIDE, OF_CORE = 8192, 512
"""Rows of a matrix: a card is busy with half of them too; for one core few are plenty."""
LONG, FEWEST, RUNS = 0.6, 6, 4
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
    while len(times) < FEWEST or time.perf_counter() - begin < LONG:
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
    """Read and write more than any cache holds, copy from the host and back: GB/s."""
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
    works: list[Callable[..., None]] = [one.device, one.join, one.reduce, partial(bus, one)]
    stages = zip(("node device", "node join", "node sum", "node all-reduce"), works)
    if not (began(tell, one.lab, "torch", choose=False) and all(tell.stage(*s) for s in stages)):
        os._exit(1)
    one.lab.torch.distributed.destroy_process_group()


def bus(one: Rank, data: dict[str, Any]) -> None:
    """Sum much over all ranks; tell the bandwidth of the slowest, on the bus, as nccl-tests counts it."""
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
