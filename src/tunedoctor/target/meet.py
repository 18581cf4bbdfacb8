"""See whether this node can train together with others: files, ports, clock, and a sum over all of them.

Sent to `python - ORDER` on each node by its scheduler; prints lines of JSON. ORDER is JSON itself: `nodes`, `host` and
`port` of the first node, `seconds` for a step, `files` to look at, and the `device`.
"""

import hashlib
import json
import os
import socket
import sys
import time
from datetime import timedelta
from typing import Any, Dict

ROUNDS = 8
"""Questions for the time, of which the one that was answered soonest counts."""
LAST = 5
"""The step after which all is well."""
HEAD = 1 << 20
"""Bytes of a file that are compared, beside its size."""


def main(order: Dict[str, Any]) -> int:
    """Go from step to step; the last that was begun is the one that failed."""
    rank, nodes = int(os.environ["SLURM_PROCID"]), order["nodes"]
    say(node=os.environ["SLURMD_NODENAME"], files={one: seen(one) for one in order["files"]})
    say(step=1, doing="loading torch")
    try:
        import torch
        import torch.distributed as dist

        place, wait = (order["host"], order["port"]), timedelta(seconds=order["seconds"])
        own = address(*place)
        say(step=2, doing="meeting at {}:{}, from {}".format(*place, own))
        store = dist.TCPStore(*place, nodes, rank == 0, wait, wait_for_workers=False)
        say(step=3, doing="waiting for the others")
        store.set("here {}".format(rank), "")
        store.wait(["here {}".format(one) for one in range(nodes)])
        say(**clock(store, rank, nodes))
        is_cuda = torch.cuda.is_available() and order["device"] in ("auto", "cuda")
        backend = "nccl" if is_cuda else "gloo"
        name = backend.upper() + "_SOCKET_IFNAME"
        chosen = "{}={}".format(name, os.environ.get(name, "")) if os.environ.get(name) else name
        told = "a sum over all nodes by {} from {}; {} names the network interface"
        say(step=4, doing=told.format(backend, own, chosen))
        dist.init_process_group(backend, store=store, rank=rank, world_size=nodes, timeout=wait)
        total = torch.tensor([2.0**rank], device="cuda:0" if is_cuda else "cpu")
        dist.all_reduce(total)
        if float(total) != 2.0**nodes - 1:
            raise RuntimeError("the sum is {}, not {}".format(float(total), 2**nodes - 1))  # noqa: TRY301
        store.set("done {}".format(rank), "")
        if rank == 0:  # the store is here
            store.wait(["done {}".format(one) for one in range(nodes)])
    except Exception as error:
        say(problem="{}: {}".format(type(error).__name__, error).split("\n")[0][:300])
        return 1
    say(step=LAST)
    return 0


def say(**told: Any) -> None:
    """Print a line."""
    print(json.dumps(told), flush=True)


def seen(path: str) -> str:
    """Return what this node has at a path, in words: equal ones are the same file or folder."""
    digest, size = hashlib.sha256(), 0
    try:
        files = [path]
        if os.path.isdir(path):
            found = (os.path.join(path, one) for one in os.listdir(path))
            files = sorted(one for one in found if os.path.isfile(one))
        for one in files:
            size += os.path.getsize(one)
            with open(one, "rb") as file:
                digest.update(
                    "{}\0{}\0".format(os.path.basename(one), os.path.getsize(one)).encode()
                )
                digest.update(file.read(HEAD))
    except OSError as error:
        return "can't be read: {}".format(error.strerror)
    return "{:,} bytes, sha256 {}".format(size, digest.hexdigest()[:12])


def address(host: str, port: int) -> str:
    """Return the address of this node from which packets go to another."""
    kind, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(kind, socket.SOCK_DGRAM) as one:
        one.connect(place)  # sends nothing
        return str(one.getsockname()[0])


def clock(store: Any, rank: int, nodes: int) -> Dict[str, float]:
    """Return how many seconds this clock is ahead of the first node's, by NTP's way, and how far off that can be."""
    if rank == 0:
        for one in range(1, nodes):
            for turn in range(ROUNDS):
                store.get("ask {} {}".format(one, turn))
                store.set("tell {} {}".format(one, turn), repr(time.time()))
        return {"ahead": 0.0, "within": 0.0}
    best = (float("inf"), 0.0)
    for turn in range(ROUNDS):
        begun = time.time()
        store.set("ask {} {}".format(rank, turn), "")
        told = float(store.get("tell {} {}".format(rank, turn)))
        ended = time.time()
        best = min(best, ((ended - begun) / 2, (begun + ended) / 2 - told))
    return {"ahead": best[1], "within": best[0]}


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
