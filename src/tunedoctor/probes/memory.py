"""RAM, swap and the limits on them."""

import sys
from pathlib import Path

from tunedoctor.facts import Memory, Unknown
from tunedoctor.probes.cgroup import MemoryLimit, memory_limit
from tunedoctor.probes.small_file import fields, read
from tunedoctor.probing import probe


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
