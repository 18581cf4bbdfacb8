"""Processors, RAM, shared memory and open files, and what control groups of version 1 and 2 leave of them.

Source: the kernel's admin-guide/cgroup-v1/memory and admin-guide/cgroup-v2.
"""

import os
import sys
from pathlib import Path

import msgspec

from tunedoctor.facts import Absent, Cpu, FileLimit, Memory, SharedMemory, Unknown
from tunedoctor.probes.disks import size_of
from tunedoctor.probes.small_file import fields, line, number, read
from tunedoctor.probing import probe

NO_LIMIT = 2**60
"""Version 1 has no word for "no limit": it states 2**63 rounded down to a page."""


class MemoryLimit(msgspec.Struct, frozen=True):
    """The smallest memory limit of the chain; sizes in bytes."""

    limit: int | None
    used: int
    """What counts against it, without page cache that the kernel can drop."""
    place: str
    """File that states it."""
    oom_kills: int


def folders(root: Path, controller: str) -> tuple[Path, ...]:
    """Return the folders of this process's group and of its parents, own first, in both versions.

    Some may not exist: in a container the path can be the host's, and only the mount is there.
    """
    mount = root / "sys/fs/cgroup"
    found: list[Path] = []
    for names, own in own_groups(read(root / "proc/self/cgroup") or ""):
        if names == "":
            found += chain(mount, own)
            found += chain(mount / "unified", own)
        elif controller in names.split(","):
            found += chain(mount / names, own)
            if names != controller:
                found += chain(mount / controller, own)
    return tuple(found)


def own_groups(text: str) -> list[tuple[str, str]]:
    """Read /proc/self/cgroup: (controllers, path) of each line, controllers empty for version 2."""
    split = (one.split(":", 2) for one in text.splitlines())
    return [(parts[1], parts[2]) for parts in split if len(parts) == 3]


def chain(mount: Path, own: str) -> list[Path]:
    """Return the folder of group `own` below `mount` and of every parent up to `mount`."""
    parts = [part for part in own.split("/") if part not in ("", ".")]
    if ".." in parts:  # the group lies outside of what this namespace shows
        parts = []
    return [mount.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def memory_limit(root: Path) -> MemoryLimit:
    """Find the smallest memory limit in the chain."""
    groups = folders(root, "memory")
    limits = [found for group in groups for found in _limits(group)]
    group, place, limit = min(limits, key=lambda found: found[2], default=(None, None, None))
    return MemoryLimit(
        limit=limit,
        used=_used(group) if group else 0,
        place=str(place) if place else "",
        oom_kills=_oom_kills(groups, group),
    )


def _limits(group: Path) -> list[tuple[Path, Path, int]]:
    found: list[tuple[Path, Path, int]] = []
    for name in ("memory.max", "memory.limit_in_bytes"):
        limit = number(group / name)
        if limit is not None and limit < NO_LIMIT:
            found.append((group, group / name, limit))
    return found


def _used(group: Path) -> int:
    used = number(group / "memory.current")
    cache = "inactive_file"
    if used is None:
        used, cache = number(group / "memory.usage_in_bytes") or 0, "total_inactive_file"
    return max(used - fields(read(group / "memory.stat") or "").get(cache, 0), 0)


def _oom_kills(groups: tuple[Path, ...], limiting: Path | None) -> int:
    """Kills in the own group or, as the limit may lie above, in the group that has it."""
    for group in groups:
        own = _kills_in(group)
        if own is not None:
            return max(own, (_kills_in(limiting) or 0) if limiting else 0)
    return 0


def group_kills(root: Path) -> int | None:
    """Return how many processes of this process's group were killed for memory; None where no file tells."""
    told = (_kills_in(group) for group in folders(root, "memory"))
    return next((kills for kills in told if kills is not None), None)


def _kills_in(group: Path) -> int | None:
    for name in ("memory.events", "memory.oom_control"):
        text = read(group / name)
        if text is not None:
            return fields(text).get("oom_kill", 0)
    return None


def cpu_quota(root: Path) -> float | None:
    """Return how many processors' worth of time the chain grants; None without a limit."""
    quotas = [quota for group in folders(root, "cpu") if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def _quota(group: Path) -> float | None:
    granted = line(group / "cpu.max").split()
    if len(granted) != 2:
        granted = [line(group / "cpu.cfs_quota_us"), line(group / "cpu.cfs_period_us")]
    if not all(word.isascii() and word.isdigit() and len(word) < 20 for word in granted):
        return None
    quota, period = map(int, granted)
    return quota / period if quota and period else None


@probe(Cpu)
def cpu() -> Cpu:
    """Count processors and read what affinity and control groups leave of them."""
    count = os.cpu_count() or 1
    if sys.platform == "linux":
        root = Path("/")
        usable = len(os.sched_getaffinity(0))
        text = read(root / "proc/cpuinfo", 4096) or ""  # the first processor is enough
        return Cpu(count=count, usable=usable, quota=cpu_quota(root), model=model_in(text))
    return Cpu(count=count, usable=count, model=_model())


def model_in(cpuinfo: str) -> str:
    """Return the model that /proc/cpuinfo names; "" where it names none, as on ARM."""
    for one in cpuinfo.splitlines():
        name, colon, value = one.partition(":")
        if colon and name.strip() == "model name":
            return " ".join(value.split())
    return ""


def _model() -> str:
    if sys.platform == "darwin":
        from tunedoctor.probes.apple import sysctl_text  # noqa: PLC0415  ctypes

        return sysctl_text("machdep.cpu.brand_string") or ""
    return os.environ.get("PROCESSOR_IDENTIFIER", "")


@probe(Memory)
def memory() -> Memory | Unknown:
    """Ask the system how much RAM there is and how much this process can have."""
    if sys.platform == "linux":
        return linux_memory(Path("/"))
    if sys.platform == "win32":
        return _windows_memory()
    return _other_memory()


def linux_memory(root: Path) -> Memory | Unknown:
    """Read /proc/meminfo and the control groups below `root`."""
    text = read(root / "proc/meminfo")
    if text is None:
        return Unknown(why="/proc/meminfo cannot be read")
    return from_meminfo(text, memory_limit(root))


def from_meminfo(text: str, limit: MemoryLimit) -> Memory | Unknown:
    """Make the fact of the text of /proc/meminfo, whose numbers are KiB."""
    kib = fields(text)
    total = kib.get("MemTotal")
    if not total:
        return Unknown(why="/proc/meminfo states no MemTotal")
    # kernels before 3.14 do not state what is available
    available = kib.get("MemAvailable", kib.get("MemFree", 0) + kib.get("Cached", 0))
    return Memory(
        total=total << 10,
        available=min(available, total) << 10,
        swap_total=kib.get("SwapTotal", 0) << 10,
        swap_free=kib.get("SwapFree", 0) << 10,
        limit=limit.limit,
        limit_used=limit.used,
        limit_place=limit.place,
        oom_kills=limit.oom_kills,
    )


def windows_memory(
    total: int, available: int, commit_total: int, commit_free: int
) -> Memory | Unknown:
    """Make the fact of what Windows tells: the commit limit is RAM and page files together."""
    if not total:
        return Unknown(why="Windows told no size of RAM")
    swap = max(commit_total - total, 0)
    return Memory(
        total=total,
        available=available,
        swap_total=swap,
        swap_free=min(swap, max(commit_free - available, 0)),
        commit_total=commit_total,
        commit_free=commit_free,
    )


def _windows_memory() -> Memory | Unknown:
    import ctypes  # noqa: PLC0415  3 ms that Linux does not need

    # MEMORYSTATUSEX: two 32-bit fields, then seven sizes
    status = (ctypes.c_uint64 * 8)()
    ctypes.memmove(status, (64).to_bytes(4, "little"), 4)
    kernel32 = getattr(ctypes, "windll").kernel32  # noqa: B009  other systems' ctypes has none
    if not kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return Unknown(why="GlobalMemoryStatusEx failed")
    _, total, available, commit_total, commit_free, *_ = (int(one) for one in status)
    return windows_memory(total, available, commit_total, commit_free)


def _other_memory() -> Memory | Unknown:
    import psutil  # noqa: PLC0415  11 ms that Linux does not need

    ram = psutil.virtual_memory()
    swap = psutil.swap_memory()
    return Memory(
        total=ram.total, available=ram.available, swap_total=swap.total, swap_free=swap.free
    )


@probe(SharedMemory)
def shared_memory() -> SharedMemory | Absent | Unknown:
    """Measure /dev/shm."""
    if sys.platform == "linux":
        return measure(Path("/dev/shm"))  # noqa: S108  it is measured, not written to
    return Absent(why="this system has no /dev/shm")


def measure(folder: Path) -> SharedMemory | Absent | Unknown:
    """Ask the file system that `folder` lies on for its size."""
    try:
        free, total, _ = size_of(str(folder))
    except FileNotFoundError:
        return Absent(why=f"there is no {folder}")
    except OSError as error:
        return Unknown(why=f"{folder} cannot be asked: {error.strerror}")
    return SharedMemory(total=total, free=free)


@probe(FileLimit)
def file_limit() -> FileLimit | Absent:
    """Read RLIMIT_NOFILE."""
    if sys.platform == "win32":
        return Absent(why="Windows sets no such limit for a process")
    import resource  # noqa: PLC0415  Windows has no such module

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return from_limits(soft, hard, resource.RLIM_INFINITY)


def from_limits(soft: int, hard: int, infinity: int) -> FileLimit:
    """Make the fact; `infinity` is the number by which the system says "no limit"."""
    return FileLimit(soft=-1 if soft == infinity else soft, hard=-1 if hard == infinity else hard)
