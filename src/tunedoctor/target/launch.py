"""Start a script as several processes that train together: `python launch.py COUNT SCRIPT ARGUMENTS`.

It does what torchrun does on one machine, and on several if each gets `NODES@HOST:PORT` before COUNT: the launchers
then meet with torch's own rendezvous (c10d). Unlike torchrun it passes signals on and returns the processes' exit
status: SIGTERM and SIGHUP end in a saved checkpoint and 0, however long saving takes, and bad input in 2. On several
nodes SIGINT also ends in 0.
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
"""Seconds that the others get to end after one failed: most fail for the same reason and print it."""
REFERENCES: List[Any] = []
"""References to the rendezvous and its store, which other processes use until they end."""


def main(words: List[str]) -> int:
    """Run the processes to their end; return the status of the first that failed, else 0."""
    rendezvous = words.pop(0) if "@" in words[0] else ""
    children: List["subprocess.Popen[bytes]"] = []

    def pass_on(number: int, _: Any) -> None:
        if not children:  # no training yet that could be saved
            os._exit(0 if rendezvous else 128 + number)
        for child in children:
            child.send_signal(number)

    closed = getattr(signal, "SIGHUP", signal.SIGTERM)
    is_ignored = signal.getsignal(closed) == signal.SIG_IGN  # by nohup
    for number in (signal.SIGTERM, signal.SIGINT, *[closed] * (not is_ignored)):
        signal.signal(number, pass_on)
    count, argv = int(words[0]), words[1:]
    place = in_thread(lambda: meet_nodes(rendezvous, count)) if rendezvous else one_machine(count)
    first = int(place.pop("RANK"))
    for rank in range(count):
        ranks = {"RANK": str(first + rank), "LOCAL_RANK": str(rank)}
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **place, **ranks}
        children.append(subprocess.Popen([sys.executable, *argv], env=environment))  # noqa: S603
    failed = wait(children)
    end = time.monotonic() + GRACE
    while failed and any(child.poll() is None for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    for child in children:  # those left wait for a process that is gone
        child.kill()
        child.wait()
    if rendezvous and failed == 128 + signal.SIGINT:
        return 0  # the checkpoint is saved; with any other status srun would kill the other nodes and lose output
    return 128 - failed if failed < 0 else failed


def in_thread(work: "Callable[[], Dict[str, str]]") -> Dict[str, str]:
    """Return the result of `work`, run in a thread: the main thread would wait in C and handle no signals."""
    future = ThreadPoolExecutor(1).submit(work)
    while not future.done():
        time.sleep(0.05)
    return future.result()


def one_machine(count: int, host: str = "127.0.0.1") -> Dict[str, str]:
    """Return the variables of processes on one machine, which meet at a free port of `host`."""
    family = min(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM))[0]
    with socket.create_server((host, 0), family=family) as server:
        port = str(server.getsockname()[1])
    return {"MASTER_ADDR": host, "MASTER_PORT": port, "WORLD_SIZE": str(count), "RANK": "0"}


def meet_nodes(rendezvous: str, count: int) -> Dict[str, str]:
    """Return the variables of this node's processes, once the launchers of all nodes have met."""
    from torch.distributed.elastic.rendezvous import RendezvousParameters
    from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # rank 0 has a store, as on one machine
    nodes, _, endpoint = rendezvous.partition("@")
    host, _, port = endpoint.rpartition(":")
    family, kind, _, _, address = min(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM))
    with socket.socket(family, kind) as probe:
        probe.connect(address)  # sends nothing
        own = probe.getsockname()[0]  # where others reach this node
    least = most = int(nodes)  # no heartbeats: srun notices lost nodes
    how = {"is_host": os.environ["SLURM_NODEID"] == "0", "keep_alive_interval": 10**6}
    parameters = RendezvousParameters("c10d", endpoint, port, least, most, own, **how)
    REFERENCES.append(get_rendezvous_handler(parameters))
    REFERENCES.append(REFERENCES[0].next_rendezvous())
    rank, store = int(os.environ["SLURM_NODEID"]), REFERENCES[1].store
    # not torch's own rank and address: its order differs, and 2.4 gives a host name others may not resolve
    if rank == 0:
        store.set("place", json.dumps(one_machine(most * count, own)))
    place = json.loads(store.get("place"))
    store.set("met {}".format(rank), "")
    if rank == 0:  # the store lives here: it must not end before all nodes have read it
        store.wait(["met {}".format(node) for node in range(most)])
    return {**place, "RANK": str(rank * count)}


def wait(children: "List[subprocess.Popen[bytes]]") -> int:
    """Wait until all are done or one has failed; return its status (-signal if a signal ended it), else 0."""
    while True:
        states = [child.poll() for child in children]
        failed = [state for state in states if state]
        if failed or None not in states:
            return failed[0] if failed else 0
        time.sleep(0.05)


if __name__ == "__main__":
    # threads of the rendezvous can abort a process that ends normally
    os._exit(main(sys.argv[1:]))
