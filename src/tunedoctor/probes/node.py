"""What a machine of a fleet is watched for beside its GPUs: InfiniBand and RoCE ports, and processes that hang.

Sources: the kernel's ABI/stable/sysfs-class-infiniband, proc_pid_stat(5).
"""

import re
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tunedoctor.facts import Absent, PciBus, Processes, Rdma, RdmaPort, Unknown
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import fields, line, listed, number, read, start

_MOST_PORTS, _MOST_STUCK = 64, 64
_MOST = 4096
"""Processes that are looked at: 10 microseconds each."""
_BETWEEN = 0.5
"""Seconds between two looks at a process that waits in the kernel; every disk access does for a moment."""
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD of the kernel's include/linux/sched.h."""
_VFORK = ("kernel_clone", "_do_fork", "wait_for_vfork_done")
"""What a parent waits in, as long as it likes, until its child of vfork(2) has ended or is another program."""
_VENDORS = ("10de", "1002")


@probe(Rdma)
def rdma(*, root: Path = Path("/")) -> Rdma | Absent:
    """Read state, rate and flaps of each port."""
    ports = tuple(islice(_ports(root / "sys/class/infiniband"), _MOST_PORTS))
    if not ports:
        return Absent(why="no InfiniBand or RoCE adapter")
    since = line(root / "proc/uptime").split(".")[0]
    return Rdma(ports=ports, uptime=int(since) if re.fullmatch("[0-9]{1,9}", since) else None)


def _ports(adapters: Path) -> Iterator[RdmaPort]:
    for device in listed(adapters):
        kind = _words(adapters / device / "hca_type")
        for port in filter(re.compile("[0-9]{1,3}").fullmatch, listed(adapters / device / "ports")):
            place = adapters / device / "ports" / port
            rate = re.match(r"([0-9]{1,6})(?:\.[0-9]+)? Gb/sec", line(place / "rate"))
            downed = number(place / "counters/link_downed")
            yield RdmaPort(
                device=device,
                port=int(port),
                layer=_words(place / "link_layer"),
                kind=kind,
                state=_words(place / "state").partition(": ")[2],  # "4: ACTIVE"
                physical=_words(place / "phys_state").partition(": ")[2],
                rate=int(rate[1]) if rate else None,
                link_downed=None if downed is None else min(downed, 1 << 31),
            )


def _words(file: Path) -> str:
    return " ".join(line(file).split())[:60]


@probe(Processes)
def processes(
    pci: PciBus | Unknown | None, *, root: Path = Path("/"), between: float = _BETWEEN
) -> Processes | Absent:
    """Count the processes and look twice at those that wait in the kernel, where a GPU is on the bus."""
    if sys.platform != "linux" or not isinstance(pci, PciBus) or not any(map(pci.of, _VENDORS)):
        return Absent(why="no NVIDIA or AMD GPU is on the PCI bus here")
    proc = root / "proc"
    pids = [int(name) for name in listed(proc) if re.fullmatch("[0-9]{1,9}", name)]
    states = {pid: one for pid in pids[:_MOST] if (one := _state(proc, pid))}
    waiting = {pid: _switches(proc, pid) for pid, (state, _) in states.items() if state == "D"}
    if waiting:
        time.sleep(between)
    still = (
        pid
        for pid, then in waiting.items()
        if then is not None and _switches(proc, pid) == then and _state(proc, pid) == states[pid]
        if line(proc / str(pid) / "wchan") not in _VFORK
    )
    return Processes(
        count=len(pids),
        zombies=sum(state == "Z" for state, _ in states.values()),
        stuck=tuple(f"{states[pid][1]} ({pid})" for pid in islice(still, _MOST_STUCK)),
    )


def _state(proc: Path, pid: int) -> tuple[str, str] | None:
    """Return the letter of the state and the name; None for a thread of the kernel, or where nothing is told."""
    text = (start(f"{proc}/{pid}/stat", 512) or b"").decode("utf-8", "replace")
    name, closed, rest = text.partition(" (")[2].rpartition(")")
    words = rest.split(maxsplit=7)
    if not closed or len(words) < 7 or not words[6].isdecimal():
        return None
    return None if int(words[6]) & _KERNEL_THREAD else (words[0], name)


def _switches(proc: Path, pid: int) -> int | None:
    """Return how often it gave up a processor, which a task that hangs does no more."""
    return fields(read(proc / str(pid) / "status") or "").get("voluntary_ctxt_switches")
