"""Limits of the control groups that this process is in, version 1 and 2.

Source: the kernel's admin-guide/cgroup-v1/memory and admin-guide/cgroup-v2.
"""

from pathlib import Path

import msgspec

from tunedoctor.probes.small_file import fields, line, number, read

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
