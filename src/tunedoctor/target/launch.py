"""Start a script as several processes that train together: `python launch.py COUNT SCRIPT ARGUMENTS`.

As torchrun does on one machine, and on several where each is told `NODES@HOST:PORT` before COUNT: they meet by torch's
own rendezvous (c10d). But a signal is the processes' own to answer, and the exit status is theirs: SIGTERM, as SIGHUP,
ends in a saved checkpoint and 0, however long the saving takes, and bad input in 2. Of several nodes SIGINT does too.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List

GRACE = 10.0
"""Seconds in which the others end by themselves when one has failed: most fail of the same, and tell so."""
KEPT: List[Any] = []
"""What others read until they end."""


def main(words: List[str]) -> int:
    """Run the processes to their end; returns the status of the first that failed, else 0."""
    where = words.pop(0) if "@" in words[0] else ""
    children: List["subprocess.Popen[bytes]"] = []

    def pass_on(number: int, _: Any) -> None:
        if not children:  # nothing is there yet that could be saved
            os._exit(0 if where else 128 + number)
        for one in children:
            one.send_signal(number)

    closed = getattr(signal, "SIGHUP", signal.SIGTERM)
    is_ignored = signal.getsignal(closed) == signal.SIG_IGN  # by nohup
    for number in (signal.SIGTERM, signal.SIGINT, *[closed] * (not is_ignored)):
        signal.signal(number, pass_on)
    count, argv = int(words[0]), words[1:]
    place = aside(lambda: met(where, count)) if where else alone(count)
    first = int(place.pop("RANK"))
    for rank in range(count):
        ranks = {"RANK": str(first + rank), "LOCAL_RANK": str(rank)}
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **place, **ranks}
        children.append(subprocess.Popen([sys.executable, *argv], env=environment))  # noqa: S603
    failed = wait(children)
    end = time.monotonic() + GRACE
    while failed and any(one.poll() is None for one in children) and time.monotonic() < end:
        time.sleep(0.05)
    for one in children:  # they wait for one that is gone
        one.kill()
        one.wait()
    if where and failed == 128 + signal.SIGINT:
        return 0  # it is saved: where one node says otherwise, srun ends the rest, whose words are then lost
    return 128 - failed if failed < 0 else failed


def aside(work: "Callable[[], Dict[str, str]]") -> Dict[str, str]:
    """Return what is met for in a thread: the main one, to which signals come, would wait in C and answer none."""
    met_there = ThreadPoolExecutor(1).submit(work)
    while not met_there.done():
        time.sleep(0.05)
    return met_there.result()


def alone(count: int, host: str = "127.0.0.1") -> Dict[str, str]:
    """Return what the processes of one machine are told, which meet at an address of it."""
    family = min(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM))[0]
    with socket.create_server((host, 0), family=family) as one:
        port = str(one.getsockname()[1])
    return {"MASTER_ADDR": host, "MASTER_PORT": port, "WORLD_SIZE": str(count), "RANK": "0"}


def met(where: str, count: int) -> Dict[str, str]:
    """Return what the processes of this node are told when the launchers of all have met."""
    from torch.distributed.elastic.rendezvous import RendezvousParameters
    from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # rank 0 has a store, as on one machine
    nodes, _, endpoint = where.partition("@")
    host, _, port = endpoint.rpartition(":")
    family, kind, _, _, there = min(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM))
    with socket.socket(family, kind) as one:
        one.connect(there)  # sends nothing
        own = one.getsockname()[0]  # where others reach this node
    least = most = int(nodes)  # no heartbeats: srun sees who is lost
    how = {"is_host": os.environ["SLURM_NODEID"] == "0", "keep_alive_interval": 10**6}
    told = RendezvousParameters("c10d", endpoint, port, least, most, own, **how)
    KEPT.append(get_rendezvous_handler(told))
    KEPT.append(KEPT[0].next_rendezvous())
    rank, store = int(os.environ["SLURM_NODEID"]), KEPT[1].store
    # torch's own order is another, and 2.4 tells the host's name, which others may not know
    if rank == 0:
        store.set("place", json.dumps(alone(most * count, own)))
    place = json.loads(store.get("place"))
    store.set("met {}".format(rank), "")
    if rank == 0:  # the store is here: whoever fails at once must not take it away from the others
        store.wait(["met {}".format(one) for one in range(most)])
    return {**place, "RANK": str(rank * count)}


def wait(children: "List[subprocess.Popen[bytes]]") -> int:
    """Wait until all are done, or one has failed; returns its status, -signal where one ended it."""
    while True:
        states = [one.poll() for one in children]
        failed = [state for state in states if state]
        if failed or None not in states:
            return failed[0] if failed else 0
        time.sleep(0.05)


if __name__ == "__main__":
    # threads of the rendezvous can abort a process that ends otherwise
    os._exit(main(sys.argv[1:]))
