"""What PCIe traffic between GPUs passes on bare metal: an IOMMU that translates, switches that send it to the root.

Sources: the kernel's ABI/testing/sysfs-kernel-iommu_groups and include/uapi/linux/pci_regs.h.
"""

import re
from collections import Counter
from pathlib import Path

from tunedoctor.facts import Absent, Host, PciBus, PeerPaths, Unknown
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import line, read, start


@probe(PeerPaths)
def peer_paths(pci: PciBus, host: Host, *, root: Path = Path("/")) -> PeerPaths | Absent | Unknown:
    """Look at the groups of the IOMMU and at the ports above the GPUs."""
    bus = root / "sys/bus/pci/devices"
    # the IOMMU is there for those that a virtual machine gets
    cards = [c for c in (*pci.of("10de"), *pci.of("1002")) if "vfio" not in (c.driver or "")]
    places = [bus / c.slot for c in cards if sum(c.device == d.device for d in cards) > 1]
    if not places or host.machine != "x86_64":
        return Absent(why="no two GPUs of a kind on an x86_64 machine")
    if "hypervisor" in (read(root / "proc/cpuinfo", 4096) or "").split():
        return Absent(why="a virtual machine: its host decides on IOMMU and ACS, and needs them")
    groups = ((one.name, one / "iommu_group") for one in places)
    types = {name: line(group / "type")[:20] for name, group in groups if group.exists()}
    adapters = (root / "sys/class/infiniband").glob("*/device")
    ends, slot = [str(one.resolve()) for one in (*places, *adapters)], r"\w{4,}:\w\w:\w\w\.\d"
    paths = [re.findall(slot, end) for end in ends]
    # a switch has a port that leads up and some that lead down; AMD's cards have one inside, with one of each
    switch = {path[n]: path[n - 1] for path in paths for n in range(2, len(path) - 1, 2)}
    meets, ours = Counter(switch.values()), {up for path in paths[: len(places)] for up in path}
    ports = [down for down, up in switch.items() if meets[up] > 1 and up in ours]
    acs = {port: acs_control(start(bus / port / "config", 4096) or b"") for port in ports}
    translated = tuple(f"{name} ({kind})" for name, kind in types.items() if "DMA" in kind)
    redirecting = tuple(port for port, control in acs.items() if (control or 0) & 0b1100)
    if None in acs.values() and not (translated or redirecting):
        return Unknown(why="only root can read how PCIe switches are set")
    if "" in types.values() and not redirecting:
        return Unknown(why="this kernel does not tell how its IOMMU is set")
    return PeerPaths(translated=translated, redirecting=redirecting)


def acs_control(config: bytes) -> int | None:
    """Return the control of ACS, its bits 2 and 3 for requests and completions; None where only root can read it."""
    at = 256
    for _ in range(64):
        head = int.from_bytes(config[at : at + 4], "little")
        if head & 0xFFFF == 0x0D:
            return int.from_bytes(config[at + 6 : at + 8], "little")
        at = head >> 20 or len(config)
    return 0 if len(config) > 256 else None
