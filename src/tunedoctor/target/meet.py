"""Check whether this node can train together with others: files, ports, clocks, and a sum over all nodes.

The scheduler pipes this file to `python -` on each node, followed by a call of `main`; it prints lines of JSON. The
order has `nodes`, `host` and `port` of the first node, `files` to compare, the `device`, the `gpus` that each node
needs, and seconds to `wait` for the others. No scheduler collects the output of pods: with a `snapshot` the first pod
prints the lines of all.
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
"""LAST step; ROUNDS of time questions; HEAD: bytes hashed at each end of a file; START: seconds to load torch; STEP:
seconds for any other step."""
SAID: List[str] = []
WAIT = [2 * STEP]  # seconds in which all meet


def main(order: Dict[str, Any]) -> None:
    """Run the steps, and print each before it starts; if one fails, it is the last one printed."""
    rank, nodes, need = int(os.environ["SLURM_PROCID"]), order["nodes"], order["gpus"]
    store: Any = None
    place, wait = (order["host"], order["port"]), timedelta(seconds=order["wait"])
    WAIT[:] = [order["wait"] + STEP]
    who = {"node": os.environ["SLURMD_NODENAME"], "snapshot": order["snapshot"]}
    say(step=0, doing="reading files", **who)
    for path in order["files"]:  # srun cuts long lines
        say(files={path: describe_file(path)})
    say(step=0, doing="taking port {} (MASTER_PORT names another)".format(place[1]))
    try:
        family, kind, _, _, address = min(socket.getaddrinfo(*place, type=socket.SOCK_DGRAM))
        with socket.socket(family, kind) as probe:
            probe.connect(address)  # sends nothing
            own = probe.getsockname()[0]
        if rank == 0:  # fails if another program uses the port: it would answer the other nodes
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
        store.wait(["here {}".format(probe) for probe in range(nodes)])
        gpus_found = store.add("gpus", 0)
        if gpus_found < need * nodes and (
            gpus_found or order["device"] == "cuda"
        ):  # without any GPU, all use CPUs
            say(step=3 if count < need else 4, doing="counting GPUs")
            wrong = "the node has {} GPUs, but --processes asks for {}".format(count, need)
            raise RuntimeError(wrong)  # noqa: TRY301
        say(**clock(store, rank, nodes))
        is_cuda = torch.cuda.is_available() and order["device"] in ("auto", "cuda")
        backend = "nccl" if is_cuda else "gloo"
        name = backend.upper() + "_SOCKET_IFNAME"
        text = "a sum over all nodes by {} from {}, {}={!r} (the network interface)"
        say(step=4, doing=text.format(backend, own, name, os.environ.get(name, "")))
        step = {"timeout": timedelta(seconds=STEP), "world_size": nodes}
        dist.init_process_group(backend, store=store, rank=rank, **step)
        total = torch.tensor([rank + 1.0], device="cuda:0" if is_cuda else "cpu")
        dist.all_reduce(total)
        if float(total) != nodes * (nodes + 1) / 2:
            raise RuntimeError("the sum is wrong: {}".format(float(total)))  # noqa: TRY301
        say(step=LAST)
    except Exception as error:
        say(problem="{}: {}".format(type(error).__name__, error).split("\n")[0][:300])
    with suppress(Exception):
        leave(store, rank, nodes, tells=bool(order["snapshot"]))


def leave(store: Any, rank: int, nodes: int, *, tells: bool) -> None:
    """Put this node's lines in the store and leave. The first node keeps the store, so it leaves last.

    `tells`: the first node prints the lines of all others.
    """
    store.set("done {}".format(rank), "\n".join(SAID))
    here = [
        other for other in range(0 if rank else nodes) if store.check(["here {}".format(other)])
    ]
    with suppress(Exception):
        store.wait(["done {}".format(other) for other in here], timedelta(seconds=STEP))
    for other in here[1:] if tells else ():
        if store.check(["done {}".format(other)]):
            for line in store.get("done {}".format(other)).decode().splitlines():
                print("{}: {}".format(other, line), flush=True)


def say(**fields: Any) -> None:
    """Print a line of JSON; at a new step, set an alarm that ends this process if the step hangs."""
    if "step" in fields:
        signal.alarm(START if fields["step"] < 2 else WAIT[0] if fields["step"] < 4 else 2 * STEP)
    SAID.append(json.dumps(fields))
    print(SAID[-1], flush=True)


def describe_file(path: str) -> str:
    """Return size and hash of a file as text, or why it can't be read; nodes compare these texts."""
    try:
        with open(path, "rb") as file:
            sha, size = hashlib.sha256(file.read(HEAD)), os.path.getsize(path)
            file.seek(max(HEAD, size - HEAD))  # versions of a model can have the same embeddings
            sha.update(file.read(HEAD))
        return "{:,} bytes, sha256 {}".format(size, sha.hexdigest()[:12])
    except OSError as error:
        return "can't be read: {}".format(error.strerror)


def clock(store: Any, rank: int, nodes: int) -> Dict[str, float]:
    """Return by how many seconds this clock is ahead of the first node's, and the error, measured as NTP does."""
    best = (float("inf"), 0.0)
    for peer in range(1, nodes) if rank == 0 else [rank]:
        for turn in range(ROUNDS):
            ask, tell = "ask {} {}".format(peer, turn), "tell {} {}".format(peer, turn)
            start = time.time()
            if rank == 0:
                store.get(ask)
                store.set(tell, repr(time.time()))
            else:
                store.set(ask, "")
                their_time, end = float(store.get(tell)), time.time()
                best = min(best, ((end - start) / 2, (start + end) / 2 - their_time))
    return {"ahead": best[1], "within": best[0]} if rank else {}
