"""See whether this node can train together with others: files, ports, clock, and a sum over all of them.

Sent to `python -` on each node by its scheduler, a call of `main` behind it; prints lines of JSON. The order
has `nodes`, `host` and `port` of the first node, `files` to look at, the `device`, `gpus` that each needs, and
seconds to `wait` for the others. Pods, whose lines no scheduler gathers, have a `snapshot`: the first prints them all.
"""

import hashlib
import json
import os
import signal
import socket
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any, Dict, List

LAST, ROUNDS, HEAD, START, STEP = 5, 8, 1 << 20, 240, 60
"""The last step; questions for the time; bytes of each end of a file; seconds for torch to load, and for a step."""
SAID: List[str] = []
WAIT = [2 * STEP]  # seconds in which all meet


def main(order: Dict[str, Any]) -> None:
    """Go from step to step; the last that was begun is the one that failed."""
    rank, nodes, need = int(os.environ["SLURM_PROCID"]), order["nodes"], order["gpus"]
    store: Any = None
    place, wait = (order["host"], order["port"]), timedelta(seconds=order["wait"])
    WAIT[:] = [order["wait"] + STEP]
    who = {"node": os.environ["SLURMD_NODENAME"], "snapshot": order["snapshot"]}
    say(step=0, doing="reading files", **who)
    for path in order["files"]:  # srun cuts long lines
        say(files={path: seen(path)})
    say(step=0, doing="taking port {} (MASTER_PORT names another)".format(place[1]))
    try:
        family, kind, _, _, there = min(socket.getaddrinfo(*place, type=socket.SOCK_DGRAM))
        with socket.socket(family, kind) as one:
            one.connect(there)  # sends nothing
            own = one.getsockname()[0]
        if rank == 0:  # else a stranger there would answer the others
            socket.create_server(("", place[1]), family=family).close()
        say(step=1, doing="loading torch")
        import torch
        import torch.distributed as dist

        say(step=2, doing="meeting at {}:{}, from {}".format(*place, own))
        store = dist.TCPStore(*place, nodes, rank == 0, wait, wait_for_workers=False)
        say(step=3, doing="waiting for the others")
        count = torch.cuda.device_count() if need else 0
        store.add("gpus", min(count, need))
        store.set("here {}".format(rank), "")
        store.wait(["here {}".format(one) for one in range(nodes)])
        found = store.add("gpus", 0)
        if found < need * nodes and (found or order["device"] == "cuda"):  # on CPUs all train alike
            say(step=3 if count < need else 4, doing="counting GPUs")
            raise RuntimeError("it has {} GPUs, and --processes asks for {}".format(count, need))  # noqa: TRY301
        say(**clock(store, rank, nodes))
        is_cuda = torch.cuda.is_available() and order["device"] in ("auto", "cuda")
        backend = "nccl" if is_cuda else "gloo"
        name = backend.upper() + "_SOCKET_IFNAME"
        told = "a sum over all nodes by {} from {}, {}={!r} (the network interface)"
        say(step=4, doing=told.format(backend, own, name, os.environ.get(name, "")))
        step = {"timeout": timedelta(seconds=STEP), "world_size": nodes}
        dist.init_process_group(backend, store=store, rank=rank, **step)
        total = torch.tensor([rank + 1.0], device="cuda:0" if is_cuda else "cpu")
        dist.all_reduce(total)
        if float(total) != nodes * (nodes + 1) / 2:
            raise RuntimeError("it is wrong: {}".format(float(total)))  # noqa: TRY301
        say(step=LAST)
    except Exception as error:
        say(problem="{}: {}".format(type(error).__name__, error).split("\n")[0][:300])
    with suppress(Exception):
        leave(store, rank, nodes, tells=bool(order["snapshot"]))


def leave(store: Any, rank: int, nodes: int, *, tells: bool) -> None:
    """Leave what this node said; the store is the first node's, which goes last, and may tell what all said."""
    store.set("done {}".format(rank), "\n".join(SAID))
    here = [one for one in range(0 if rank else nodes) if store.check(["here {}".format(one)])]
    with suppress(Exception):
        store.wait(["done {}".format(one) for one in here], timedelta(seconds=STEP))
    for one in here[1:] if tells else ():
        if store.check(["done {}".format(one)]):
            for line in store.get("done {}".format(one)).decode().splitlines():
                print("{}: {}".format(one, line), flush=True)


def say(**told: Any) -> None:
    """Print a line; who hangs in a step ends."""
    if "step" in told:
        signal.alarm(START if told["step"] < 2 else WAIT[0] if told["step"] < 4 else 2 * STEP)
    SAID.append(json.dumps(told))
    print(SAID[-1], flush=True)


def seen(path: str) -> str:
    """Return what this node has at a path, in words: equal ones are the same file."""
    try:
        with open(path, "rb") as file:
            found, size = hashlib.sha256(file.read(HEAD)), os.path.getsize(path)
            file.seek(max(HEAD, size - HEAD))  # versions of a model can have the same embeddings
            found.update(file.read(HEAD))
        return "{:,} bytes, sha256 {}".format(size, found.hexdigest()[:12])
    except OSError as error:
        return "can't be read: {}".format(error.strerror)


def clock(store: Any, rank: int, nodes: int) -> Dict[str, float]:
    """Return how many seconds this clock is ahead of the first node's, by NTP's way, and how far off that can be."""
    best = (float("inf"), 0.0)
    for one in range(1, nodes) if rank == 0 else [rank]:
        for turn in range(ROUNDS):
            ask, tell = "ask {} {}".format(one, turn), "tell {} {}".format(one, turn)
            begun = time.time()
            if rank == 0:
                store.get(ask)
                store.set(tell, repr(time.time()))
            else:
                store.set(ask, "")
                told, ended = float(store.get(tell)), time.time()
                best = min(best, ((ended - begun) / 2, (begun + ended) / 2 - told))
    return {"ahead": best[1], "within": best[0]} if rank else {}
