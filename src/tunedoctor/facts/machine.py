"""Facts about the machine: system, container, processor, memory, disks; and the age of doctor's knowledge."""

from typing import Literal

from tunedoctor.facts.base import Bytes, Count, Fact, Part

OsFamily = Literal["linux", "windows", "macos", "other"]


class Host(Fact, frozen=True):
    """The operating system and the machine below it."""

    os: OsFamily
    name: str
    """As people call it: "Ubuntu 24.04", "Windows 11", "macOS 15.1"."""
    distro: str = ""
    """ID of /etc/os-release: ubuntu, debian, rhel …"""
    distro_version: str = ""
    kernel: str = ""
    machine: str = ""
    """Architecture of the machine, as uname spells it: x86_64, aarch64, arm64, AMD64."""
    libc: Literal["glibc", "musl", ""] = ""
    libc_version: str = ""
    wsl: Literal[0, 1, 2] = 0
    """Windows Subsystem for Linux: its version, or 0."""
    model: str = ""
    """Board or product name where it decides something: "NVIDIA Jetson AGX Orin", "NVIDIA DGX Spark"."""
    macos_version: str = ""
    """Real product version of macOS, never the compatibility name 10.16."""
    rosetta: bool = False
    """An x86_64 process on an Apple processor."""

    @property
    def windows_driver(self) -> bool:
        """Return whether the GPU driver is the Windows driver, which has different version numbers."""
        return self.os == "windows" or self.wsl == 2


class Node(Fact, frozen=True):
    """The identity of the machine, by which its report is found among many."""

    host: str
    name: str = ""
    """What the cluster calls it; "" outside of one."""
    cluster: str = ""
    """Who calls it so: Slurm, Kubernetes."""
    boot: str = ""
    """A hash of the kernel's boot id, another after each start of the machine; Linux alone."""


class Container(Fact, frozen=True):
    """The container that doctor runs in. Absent: not in a container."""

    kind: str
    """docker, podman, kubernetes, lxc, apptainer, enroot, systemd-nspawn, or "container"."""
    evidence: str = ""
    gpu_asked: bool | None = None
    """The command or file that starts it asks for a GPU; None where a report does not show it."""


class Cpu(Fact, frozen=True):
    """Processors that this process may use."""

    count: Count
    usable: Count
    """Those that the affinity mask leaves."""
    quota: float | None = None
    """Processors' worth of time that the control group grants; None without a limit."""
    model: str = ""


class Memory(Fact, frozen=True):
    """RAM and swap, in bytes."""

    total: Bytes
    available: Bytes | None
    """None where a report does not tell."""
    swap_total: Bytes = 0
    swap_free: Bytes = 0
    limit: Bytes | None = None
    """Smallest limit in the chain of control groups; None without one."""
    limit_used: Bytes = 0
    """What counts against that limit now, page cache subtracted."""
    limit_place: str = ""
    commit_total: Bytes | None = None
    """Windows: commit limit, RAM and page file together."""
    commit_free: Bytes | None = None
    oom_kills: Count = 0
    """Processes that the kernel killed in this control group."""

    @property
    def usable(self) -> int:
        """Bytes that a process here can have at most."""
        return min(self.total, self.limit) if self.limit is not None else self.total


class SharedMemory(Fact, frozen=True):
    """The shared memory file system at /dev/shm. Absent: it does not exist."""

    total: Bytes
    free: Bytes | None
    """None where a report does not tell."""


class FileLimit(Fact, frozen=True):
    """Open file descriptors: soft and hard limit of this process, -1 for none."""

    soft: int
    hard: int


class Disk(Part, frozen=True):
    """The file system of a folder that training libraries write to."""

    use: Literal["hf-cache", "tmp", "target", "work"]
    path: str
    free: Bytes
    total: Bytes
    device: str = ""
    """Identifies the file system: equal for places that share one."""
    writable: bool = True
    exists: bool = True
    """False where the folder is still to be made; the figures are then its nearest parent's."""
    hint: str = ""
    """The variable that moves this place, as in HF_HOME."""


class Disks(Fact, frozen=True):
    """One Disk for each use."""

    disks: tuple[Disk, ...]


class RdmaPort(Part, frozen=True):
    """A port of an InfiniBand or RoCE adapter."""

    device: str
    port: Count
    layer: str = ""
    kind: str = ""
    """Type of the adapter: MT4129."""
    state: str = ""
    physical: str = ""
    """ACTIVE, DOWN, INIT; LinkUp, Polling, Disabled."""
    rate: Count | None = None
    """Gb/s now."""
    link_downed: Count | None = None
    """Times that the link went down, since the driver was loaded; many adapters count to 255."""

    @property
    def works(self) -> bool:
        """Return whether the link is active, so that data can pass."""
        return self.state == "ACTIVE"


class Rdma(Fact, frozen=True):
    """InfiniBand and RoCE adapters. Absent: none."""

    ports: tuple[RdmaPort, ...]
    uptime: Count | None = None
    """Seconds since boot, within which the counters counted."""


class Processes(Fact, frozen=True):
    """All processes that this user sees. Absent: no GPU whose work they could delay."""

    count: Count
    zombies: Count = 0
    stuck: tuple[str, ...] = ()
    """In state D, where no signal reaches, at two looks, and not run between them: "nvidia-smi (935)"."""


FRESH = 60
"""Days: the span of one minor release of PyTorch."""


class Knowledge(Fact, frozen=True):
    """The age of the wheel table that doctor uses."""

    date: str
    """What the table says was seen on that day: 2026-11-24."""
    days: Count
    """Days from then to the examination."""
    source: Literal["shipped", "updated"]
    """With the doctor, or by `doctor update`."""
    problem: str = ""
    """Why an updated table that is there is not used."""

    @property
    def old(self) -> bool:
        """Releases have come since that it does not know."""
        return self.days > FRESH
