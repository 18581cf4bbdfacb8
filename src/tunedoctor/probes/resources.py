"""Processors, RAM, shared memory, open files and disks, and the limits that control groups (v1 and v2) set on them.

Source: the kernel's admin-guide/cgroup-v1/memory and admin-guide/cgroup-v2.
"""
# paths stay strings: pathlib takes longer than the calls themselves
# ruff: noqa: PTH112, PTH113, PTH118, PTH120

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from tunedoctor import facts as kinds
from tunedoctor.model.snapshot import Lack
from tunedoctor.probes.probing import probe
from tunedoctor.probes.system import mac_processor
from tunedoctor.system.reading import fields, line, number, read
from tunedoctor.system.weight import Limit

NO_LIMIT = 2**60
"""Version 1 has no value for "no limit": it reports 2**63 rounded down to a page."""


def group_folders(root: Path, controller: str) -> tuple[Path, ...]:
    """Return the folders of this process's group and its parents, own first, in both versions; some may not exist."""
    mount = root / "sys/fs/cgroup"
    folders: list[Path] = []
    for row in (read(root / "proc/self/cgroup") or "").splitlines():
        _, _, rest = row.partition(":")
        names, colon, own = rest.partition(":")
        if colon and names == "":  # version 2
            folders += (*_chain(mount, own), *_chain(mount / "unified", own))
        elif controller in names.split(","):
            folders += _chain(mount / names, own)
            folders += _chain(mount / controller, own) if names != controller else []
    return tuple(folders)


def _chain(mount: Path, own: str) -> list[Path]:
    """Return the folder of group `own` below `mount` and of each parent up to `mount`."""
    parts = [part for part in own.split("/") if part not in ("", ".")]
    if ".." in parts:  # the group is outside of what this namespace shows
        parts = []
    return [mount.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def memory_limit(root: Path) -> dict[str, Any]:
    """Return the fields of the fact Memory for the smallest memory limit in the chain."""
    groups = group_folders(root, "memory")
    names = ("memory.max", "memory.limit_in_bytes")
    stated = {group / name: number(group / name) for group in groups for name in names}
    limits = {p: limit for p, limit in stated.items() if limit is not None and limit < NO_LIMIT}
    place = min(limits, key=limits.__getitem__, default=None)
    # kills in this group, or in the group that has the limit, which may be a parent
    kills = group_kills(root) or 0
    if place is None:
        return {"oom_kills": kills}
    if (used := number(place.parent / "memory.current")) is not None:
        cache = "inactive_file"  # the kernel can free it
    else:
        used, cache = number(place.parent / "memory.usage_in_bytes") or 0, "total_inactive_file"
    used -= fields(read(place.parent / "memory.stat") or "").get(cache, 0)
    return {
        "limit": limits[place],
        "limit_used": max(used, 0),
        "limit_place": str(place),
        "oom_kills": max(kills, _kills_in(place.parent) or 0),
    }


def group_kills(root: Path) -> int | None:
    """Return how many processes of this process's group were killed for memory; None if no file says it."""
    counts = (_kills_in(group) for group in group_folders(root, "memory"))
    return next((kills for kills in counts if kills is not None), None)


def _kills_in(group: Path) -> int | None:
    texts = (read(group / name) for name in ("memory.events", "memory.oom_control"))
    return next((fields(text).get("oom_kill", 0) for text in texts if text is not None), None)


def cpu_quota(root: Path) -> float | None:
    """Return the processor time that the chain grants, as a number of processors; None without a limit."""
    quotas: list[float] = []
    for group in group_folders(root, "cpu"):
        granted = line(group / "cpu.max").split()
        if len(granted) != 2:
            granted = [line(group / "cpu.cfs_quota_us"), line(group / "cpu.cfs_period_us")]
        if all(word.isascii() and word.isdigit() and len(word) < 20 for word in granted):
            quota, period = map(int, granted)
            quotas += [quota / period] if quota and period else []
    return min(quotas, default=None)


def processors() -> int:
    """Return how many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@probe(kinds.Cpu)
def cpu() -> kinds.Cpu:
    """Count the processors, and those that affinity and control groups allow."""
    count = os.cpu_count() or 1
    if sys.platform != "linux":
        model = mac_processor() or os.environ.get("PROCESSOR_IDENTIFIER", "")
        return kinds.Cpu(count=count, usable=count, model=model)
    text = read("/proc/cpuinfo", 4096) or ""  # the first processor is enough
    quota = cpu_quota(Path("/"))
    return kinds.Cpu(count=count, usable=processors(), quota=quota, model=model_in(text))


def model_in(cpuinfo: str) -> str:
    """Return the model in /proc/cpuinfo; "" if it has none, as on ARM."""
    pairs = (one.partition(":") for one in cpuinfo.splitlines())
    return next((" ".join(v.split()) for name, _, v in pairs if name.strip() == "model name"), "")


@probe(kinds.Memory)
def memory() -> kinds.Memory | kinds.Unknown:
    """Return how much RAM the system has and how much this process can use."""
    if sys.platform == "linux":
        return from_meminfo(read("/proc/meminfo") or "", memory_limit(Path("/")))
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  3 ms that Linux does not need

        # psutil does not report the commit limit. MEMORYSTATUSEX: two 32-bit fields, then seven sizes
        status = (ctypes.c_uint64 * 8)()
        ctypes.memmove(status, (64).to_bytes(4, "little"), 4)
        getattr(ctypes, "windll").kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # noqa: B009
        return windows_memory(*map(int, status[1:5]))
    import psutil  # noqa: PLC0415  11 ms that Linux does not need

    ram, swap = psutil.virtual_memory(), psutil.swap_memory()
    return kinds.Memory(
        ram.total, available=ram.available, swap_total=swap.total, swap_free=swap.free
    )


_RESERVE = 256 << 20
"""Bytes that a child leaves free for the rest of the machine; on a small one a fiftieth of the RAM."""


def memory_left() -> int | None:
    """Return the bytes that processes can still allocate, swap included; None if the system does not say."""
    ram = memory()
    if not isinstance(ram, kinds.Memory) or ram.available is None:
        return None
    left = ram.available + (ram.swap_free or 0)
    if ram.limit:
        left = min(left, ram.limit - (ram.limit_used or 0))
    return left


def child_limit(most: int = 0) -> Limit:
    """Return the limit of a child that reads a model: `most` bytes, or what the machine has minus a reserve."""
    ram = memory()
    total = ram.total if isinstance(ram, kinds.Memory) else 0
    reserve = min(_RESERVE, total // 50)
    if most and total:
        most = min(most, total * 9 // 10)
    return Limit(most, memory_left if reserve else None, reserve)


def from_meminfo(text: str, limit: Mapping[str, Any]) -> kinds.Memory | kinds.Unknown:
    """Return the fact from the text of /proc/meminfo, whose numbers are KiB, and from `memory_limit`."""
    kib = fields(text)
    total = kib.get("MemTotal")
    if not total:
        return kinds.Unknown(why="/proc/meminfo has no MemTotal")
    return kinds.Memory(
        total=total << 10,
        available=min(kib.get("MemAvailable", kib.get("MemFree", 0)), total) << 10,
        swap_total=kib.get("SwapTotal", 0) << 10,
        swap_free=kib.get("SwapFree", 0) << 10,
        **limit,
    )


def windows_memory(
    total: int, available: int, commit_total: int, commit_free: int
) -> kinds.Memory | kinds.Unknown:
    """Return the fact from the values that Windows reports: the commit limit is RAM plus page files."""
    if not total:
        return kinds.Unknown(why="Windows did not report the size of the RAM")
    swap = max(commit_total - total, 0)
    return kinds.Memory(
        total=total,
        available=available,
        swap_total=swap,
        swap_free=min(swap, max(commit_free - available, 0)),
        commit_total=commit_total,
        commit_free=commit_free,
    )


@probe(kinds.SharedMemory)
def shared_memory(*, folder: str = "/dev/shm") -> kinds.SharedMemory | Lack:  # noqa: S108  it is measured alone
    """Return the size of shared memory, as its file system reports it."""
    if sys.platform != "linux":
        return kinds.Absent(why="this system has no /dev/shm")
    try:
        free, total, _ = size_of(folder)
    except FileNotFoundError:
        return kinds.Absent(why=f"{folder} does not exist")
    except OSError as error:
        return kinds.Unknown(why=f"the size of {folder} is unknown: {error.strerror}")
    return kinds.SharedMemory(total=total, free=free)


@probe(kinds.FileLimit)
def file_limit() -> kinds.FileLimit | kinds.Absent:
    """Return RLIMIT_NOFILE."""
    if sys.platform == "win32":
        return kinds.Absent(why="Windows has no such limit for a process")
    import resource  # noqa: PLC0415  Windows has no such module

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (-1 if limit == resource.RLIM_INFINITY else limit for limit in limits)
    return kinds.FileLimit(soft=soft, hard=hard)


@probe(kinds.Disks)
def disks(
    target: kinds.Target | kinds.Unknown | None,
    interpreter: kinds.Interpreter | kinds.Unknown | None,
) -> kinds.Disks:
    """Measure the file system below each folder."""
    if sys.platform == "win32":
        folders = (_full("~", "AppData", "Local", "Temp"), "C:\\TEMP", "C:\\TMP")
    else:
        folders = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108  measured, not written to
    cache, hint = hub_cache(os.environ)
    tmp = measure("tmp", temporary(os.environ, folders), "TMPDIR")
    measured = [measure("hf-cache", cache, hint), tmp]
    requested = target.asked if isinstance(target, kinds.Target) else ""
    folder = os.path.dirname(requested) if os.path.isfile(requested) else requested
    if isinstance(interpreter, kinds.Interpreter) and interpreter.prefix:
        folder = interpreter.prefix
    measured += [measure("target", folder)] if folder else []
    with suppress(OSError):  # the folder was removed
        measured.append(measure("work", os.getcwd()))  # noqa: PTH109  Path.cwd is the same, dearer
    return kinds.Disks(disks=tuple(filter(None, measured)))


def hub_cache(variables: Mapping[str, str]) -> tuple[str, str]:
    """Return the folder in which huggingface_hub stores models, and the documented variable that moves it."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if variables.get(name):
            return _full(variables[name]), name
    home = variables.get("HF_HOME")
    home = home or os.path.join(variables.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return _full(home, "hub"), "HF_HOME"


def temporary(variables: Mapping[str, str], folders: tuple[str, ...]) -> str:
    """Return Python's folder for temporary files: the first writable of the variables' and `folders`."""
    from_variables = [_full(v) for n in ("TMPDIR", "TEMP", "TMP") if (v := variables.get(n))]
    candidates = [*from_variables, *folders]
    usable = (c for c in candidates if os.path.isdir(c) and os.access(c, os.W_OK | os.X_OK))
    return next(usable, candidates[0])


def measure(
    use: Literal["hf-cache", "tmp", "target", "work"], path: str, hint: str = ""
) -> kinds.Disk | None:
    """Return the size of the file system of a folder or its nearest parent; None if none can be measured."""
    parent = path
    while not os.path.isdir(parent) and (above := os.path.dirname(parent)) != parent:
        parent = above
    try:
        free, total, device = size_of(parent)
    except OSError:
        return None
    writable, exists = os.access(parent, os.W_OK | os.X_OK), parent == path
    return kinds.Disk(use, path, free, total, device, writable=writable, exists=exists, hint=hint)


def size_of(folder: str) -> tuple[int, int, str]:
    """Return what this user may still write to the file system of `folder`, its size in bytes, and its device.

    User quotas are not included: systems do not report them this way. Raises OSError if it cannot be measured.
    """
    device = str(os.stat(folder).st_dev)  # noqa: PTH116
    if sys.platform == "win32":
        from shutil import disk_usage  # noqa: PLC0415  other systems do without it

        usage = disk_usage(folder)
        return usage.free, usage.total, device
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize, stats.f_blocks * stats.f_frsize, device


def _full(path: str, *below: str) -> str:
    """Return the absolute path of `path`, with ~ and variables expanded."""
    expanded = os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111
    return os.path.abspath(os.path.join(expanded, *below))  # noqa: PTH100
