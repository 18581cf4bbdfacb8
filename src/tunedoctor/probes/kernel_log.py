"""GPU faults, refusals and out-of-memory kills in the kernel log."""

import os
import re
import sys
from collections import Counter
from pathlib import Path

from tunedoctor.facts import Absent, KernelLog, PciBus, Unknown, Xid
from tunedoctor.lazy import pattern
from tunedoctor.probes.small_file import number
from tunedoctor.probing import probe

_LONGEST = 500
"""Characters of a line that are kept."""
_MOST = 200
"""Lines of each sort that are kept, the newest."""
_ALIKE = 3
"""Xid lines of one number and one GPU that are kept: a sick GPU writes thousands."""
_RECORDS = 50_000
_SECONDS = 3.0

_XID = pattern(r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F:.]{4,20})\): (\d{1,5})(?:, ?(.*))?")
_KFD = pattern(
    r"\bkfd\b.{0,120}?(?:reject|not supported|unsupported|skipped|not added|is missing|fail|error)",
    re.IGNORECASE,
)
_KILL = pattern(r"(?:memory cgroup )?out of memory: kill(?:ed)? process .*", re.IGNORECASE)
_STAMP = pattern(r"^(?:<\d+>)?\[ *\d+\.\d+|^\[\w{3} \w{3}|^\d{4}-\d\d-\d\dT", re.MULTILINE)
"""Times of dmesg, of dmesg -T and of --time-format iso."""
_NOT_READABLE = Absent(why="kernel log not readable by this user")


@probe(KernelLog, seconds=6.0)
def kernel_log(pci: PciBus | Unknown | None) -> KernelLog | Absent | Unknown:
    """Read the log of this boot, where a GPU is on the bus that may have written to it."""
    if not isinstance(pci, PciBus) or not (pci.of("10de") or pci.of("1002")):
        return Absent(why="no NVIDIA or AMD GPU on the PCI bus")
    text = _kmsg(Path("/dev/kmsg")) or _dmesg(Path("/proc/sys/kernel/dmesg_restrict"))
    if isinstance(text, Unknown):
        return text
    return parse_kernel_log(text) if text else _NOT_READABLE


def parse_kernel_log(text: str) -> KernelLog:
    """Return the GPU lines of a kernel log as /dev/kmsg, dmesg or journalctl write it."""
    xids: list[Xid] = []
    kfd: list[str] = []
    kills: list[str] = []
    seen: Counter[tuple[int, str]] = Counter()
    fell = False
    for line in text.splitlines():
        line = line[:2000].rstrip()  # noqa: PLW2901  a cut line is all that is used
        if "NVRM" in line and (xid := _XID.search(line)):
            one = Xid(number=int(xid[2]), slot=_slot(xid[1]), text=(xid[3] or "")[:_LONGEST])
            seen[one.number, one.slot] += 1
            if seen[one.number, one.slot] <= _ALIKE:
                xids.append(one)
        # newer drivers spread this message over lines without an Xid
        if "fallen off the bus" in line:
            fell = True
        if "kfd" in line and (found := _KFD.search(line)):
            kfd.append(line[found.start() :][:_LONGEST])
        if "rocess" in line and (found := _KILL.search(line)):
            kills.append(found[0][:_LONGEST])
    return KernelLog(
        xids=tuple(xids[-_MOST:]),
        fell_off_bus=fell,
        kfd=tuple(dict.fromkeys(kfd))[-_MOST:],
        oom_kills=tuple(kills[-_MOST:]),
    )


def _slot(text: str) -> str:
    """Return a slot as sysfs has it: "0000:9B:00" -> "0000:9b:00.0"; other texts as they are."""
    found = re.fullmatch(
        r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-9a-f]))?", text.lower()
    )
    return f"{found[1][-4:]}:{found[2]}:{found[3]}.{found[4] or 0}" if found else text.lower()


def _kmsg(device: Path) -> str:
    """Return what /dev/kmsg holds now, "" where this user may not read it. Never waits."""
    if sys.platform == "win32":
        return ""
    try:
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    parts: list[bytes] = []
    try:
        for _ in range(_RECORDS):
            try:
                record = os.read(handle, 8192)
            except BrokenPipeError:
                continue  # the record was overwritten; the next read goes on
            except OSError:
                break  # EAGAIN: that was the last
            if not record:
                break
            parts.append(record if record.endswith(b"\n") else record + b"\n")
    finally:
        os.close(handle)
    return b"".join(parts).decode("utf-8", "replace")


def _dmesg(restrict: Path) -> str | Unknown:
    """Ask dmesg, which needs no device file, where the kernel lets every user read its log."""
    from tunedoctor.child import run  # noqa: PLC0415  seldom needed

    if number(restrict) != 0:
        return ""
    ended = run(["dmesg"], timeout=_SECONDS)
    if ended.how not in ("exit", "not started") or (ended.ok and not _STAMP.search(ended.out)):
        return Unknown(why=f"dmesg: {'no kernel log' if ended.ok else ended.death}")
    return ended.out if ended.ok else ""
