"""Node health besides GPUs: InfiniBand and RoCE ports, hanging processes, and the PCIe paths between GPUs.

Sources: the kernel's ABI/stable/sysfs-class-infiniband, sysfs-kernel-iommu_groups and pci_regs.h, proc_pid_stat(5).
"""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tunedoctor.facts import Absent, Host, PciBus, PeerPaths, Processes, Rdma, RdmaPort, Unknown
from tunedoctor.model.snapshot import Lack
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import fields, line, listed, number, read, start

_MOST_PORTS, _MOST_STUCK = 64, 64
_MOST = 4096
"""Most processes to examine, at 10 microseconds each."""
_BETWEEN = 0.5
"""Seconds between two looks at a process that waits in the kernel; every disk access waits briefly."""
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD of the kernel's include/linux/sched.h."""
_VFORK = ("kernel_clone", "_do_fork", "wait_for_vfork_done")
"""Where a parent waits, for any time, until its child of vfork(2) has ended or started another program."""
_VENDORS = ("10de", "1002")


@probe(Rdma)
def rdma(*, root: Path = Path("/")) -> Rdma | Absent:
    """Read the state, rate and link failures of each port."""
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
    """Count the processes and look twice at those that wait in the kernel, if a GPU is on the bus."""
    if sys.platform != "linux" or not isinstance(pci, PciBus) or not any(map(pci.of, _VENDORS)):
        return Absent(why="this machine has no NVIDIA or AMD GPU")
    proc = root / "proc"
    pids = [int(name) for name in listed(proc) if re.fullmatch("[0-9]{1,9}", name)]
    states = {pid: state_and_name for pid in pids[:_MOST] if (state_and_name := _state(proc, pid))}
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
    """Return the letter of the state and the name; None for a kernel thread, or if it can't be read."""
    text = (start(f"{proc}/{pid}/stat", 512) or b"").decode("utf-8", "replace")
    name, closed, rest = text.partition(" (")[2].rpartition(")")
    words = rest.split(maxsplit=7)
    if not closed or len(words) < 7 or not words[6].isdecimal():
        return None
    return None if int(words[6]) & _KERNEL_THREAD else (words[0], name)


def _switches(proc: Path, pid: int) -> int | None:
    """Return how often it gave up a processor; the number of a hanging task stays the same."""
    return fields(read(proc / str(pid) / "status") or "").get("voluntary_ctxt_switches")


@probe(PeerPaths)
def peer_paths(pci: PciBus, host: Host, *, root: Path = Path("/")) -> PeerPaths | Lack:
    """Examine the IOMMU groups and the PCIe ports above the GPUs."""
    bus = root / "sys/bus/pci/devices"
    # cards that are passed to a virtual machine need the IOMMU
    cards = [c for c in (*pci.of("10de"), *pci.of("1002")) if "vfio" not in (c.driver or "")]
    places = [bus / c.slot for c in cards if sum(c.device == d.device for d in cards) > 1]
    if not places or host.machine != "x86_64":
        return Absent(why="not an x86_64 machine with two GPUs of the same model")
    if "hypervisor" in (read(root / "proc/cpuinfo", 4096) or "").split():
        return Absent(why="a virtual machine: its host needs IOMMU and ACS, and controls them")
    groups = ((place.name, place / "iommu_group") for place in places)
    types = {name: line(group / "type")[:20] for name, group in groups if group.exists()}
    adapters = (root / "sys/class/infiniband").glob("*/device")
    ends, slot = [str(place.resolve()) for place in (*places, *adapters)], r"\w{4,}:\w\w:\w\w\.\d"
    paths = [re.findall(slot, end) for end in ends]
    # a switch has one port that leads up and some that lead down; AMD's cards contain a switch with one of each
    switch = {path[n]: path[n - 1] for path in paths for n in range(2, len(path) - 1, 2)}
    meets, ours = Counter(switch.values()), {up for path in paths[: len(places)] for up in path}
    ports = [down for down, up in switch.items() if meets[up] > 1 and up in ours]
    acs = {port: acs_control(start(bus / port / "config", 4096) or b"") for port in ports}
    translated = tuple(f"{name} ({kind})" for name, kind in types.items() if "DMA" in kind)
    redirecting = tuple(port for port, control in acs.items() if (control or 0) & 0b1100)
    if None in acs.values() and not (translated or redirecting):
        return Unknown(why="only root can read the settings of PCIe switches")
    if "" in types.values() and not redirecting:
        return Unknown(why="this kernel does not report the mode of its IOMMU")
    return PeerPaths(translated=translated, redirecting=redirecting)


def acs_control(config: bytes) -> int | None:
    """Return the ACS control register (bits 2 and 3: redirection); None if only root can read it."""
    at = 256
    for _ in range(64):
        head = int.from_bytes(config[at : at + 4], "little")
        if head & 0xFFFF == 0x0D:
            return int.from_bytes(config[at + 6 : at + 8], "little")
        at = head >> 20 or len(config)
    return 0 if len(config) > 256 else None
