"""RAM, shared memory, disks and limits: free, /proc/meminfo, df, ulimit."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Disk, Disks, Fact, FileLimit, Memory, SharedMemory
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST, Shown

_UNITS = {"": 1, "b": 1, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_NUMBER = r"\d{1,15}(?:[.,]\d{1,3})?(?:[KMGTP]i?B?|B)?"
_FREE = pattern(
    r"^\W{0,8}(?:Mem|Mém|Mem\.|Speicher|Speich|Память|内存|記憶體|メモリ)\s?\.?\s?:\s{0,20}("
    + _NUMBER
    + r"(?:\s{1,20}"
    + _NUMBER
    + r"){2,5})\s*$"
)
_SWAP = pattern(
    r"^\W{0,8}(?:Swap|Auslager\w*|Échange|Подкачка|交换|スワップ)\w*\s?\.?\s?:\s{0,20}("
    + _NUMBER
    + r"(?:\s{1,20}"
    + _NUMBER
    + r"){2})\s*$"
)
_KIB = pattern(r"^\W{0,4}(MemTotal|MemAvailable|MemFree|SwapTotal|SwapFree):\s{1,40}(\d{1,12}) kB")
_DF = pattern(
    r"^[\s>|*-]{0,4}(\S{1,80})\s{1,60}("
    + _NUMBER
    + r")\s{1,20}("
    + _NUMBER
    + r")\s{1,20}("
    + _NUMBER
    + r")\s{1,10}(\d{1,3})%\s{1,10}(/\S{0,120})\s*$"
)
_FILES = pattern(
    r"^\W{0,4}open files\s{1,40}(?:\(-n\)|\(-n, .{0,20}\))?\s{0,4}(\d{1,10}|unlimited)\s*$"
)
_WINDOWS_RAM = pattern(r"^\W{0,4}Total Physical Memory:\s{1,20}([\d.,\u00a0]{1,12}) MB")
_WINDOWS_FREE = pattern(r"^\W{0,4}Available Physical Memory:\s{1,20}([\d.,\u00a0]{1,12}) MB")
_WINDOWS_COMMIT = pattern(r"^\W{0,4}Virtual Memory: Max Size:\s{1,20}([\d.,\u00a0]{1,12}) MB")
_COMMIT_FREE = pattern(r"^\W{0,4}Virtual Memory: Available:\s{1,20}([\d.,\u00a0]{1,12}) MB")
_LARGEST = 1 << 60


def memory(lines: Sequence[str], shown: Sequence[Shown]) -> list[Fact]:
    """Return Memory, SharedMemory, Disks and FileLimit, as far as they are told. Sizes are bytes."""
    facts: list[Fact] = []
    ram = _meminfo(lines) or _free(lines, shown) or _windows(lines)
    if ram:
        facts.append(ram)
    facts += _disks(lines, shown)
    limit = next((found[1] for line in lines if (found := _FILES.match(line[:LONGEST]))), "")
    limit = limit or _answer(shown, "ulimit -n")
    if limit:
        hard = _answer(shown, "ulimit -Hn")
        facts.append(FileLimit(soft=_limit(limit), hard=_limit(hard or "unlimited")))
    return facts


def _answer(shown: Sequence[Shown], command: str) -> str:
    """Return the number that a command printed, "" where it was not typed."""
    said = (one.output[0].strip() for one in shown if one.command == command and one.output)
    return next((one for one in said if re.fullmatch(r"\d{1,10}|unlimited", one)), "")


def _limit(text: str) -> int:
    return -1 if text == "unlimited" else int(text)


def size(text: str, unit: int = 0) -> int:
    """Return the bytes of "31Gi", "31G", "1,5T", or of a bare number in units of 2**`unit`."""
    found = re.fullmatch(r"(\d{1,15})(?:[.,](\d{1,3}))?([KMGTP]?)i?B?", text, re.IGNORECASE)
    if not found:
        return 0
    shift = _UNITS[found[3].lower()] if found[3] else unit
    factor = 1 << shift if shift > 1 else 1
    return min(int(float(f"{found[1]}.{found[2] or 0}") * factor), _LARGEST)


def _meminfo(lines: Sequence[str]) -> Memory | None:
    kib: dict[str, int] = {}
    for line in lines:
        if "kB" in line and (found := _KIB.match(line[:LONGEST])):
            kib.setdefault(found[1], int(found[2]) << 10)
    total = kib.get("MemTotal", 0)
    if not total:
        return None
    return Memory(
        total=total,
        available=min(kib.get("MemAvailable", kib.get("MemFree", total)), total),
        swap_total=kib.get("SwapTotal", 0),
        swap_free=kib.get("SwapFree", 0),
    )


def _free(lines: Sequence[str], shown: Sequence[Shown]) -> Memory | None:
    row = next((f[1].split() for line in lines if (f := _FREE.match(line[:LONGEST]))), None)
    if row is None:
        return None
    unit = _unit(row[0], " ".join(one.command for one in shown if one.command.startswith("free")))
    total = size(row[0], unit)
    if not total:
        return None
    swap = next(
        (f[1].split() for line in lines if (f := _SWAP.match(line[:LONGEST]))), ["0", "0", "0"]
    )
    return Memory(
        total=total,
        available=min(size(row[5] if len(row) == 6 else row[2], unit), total),
        swap_total=size(swap[0], unit),
        swap_free=size(swap[2], unit),
    )


def _unit(number: str, command: str) -> int:
    """Return the power of two of a bare number: as the option says, else as its size has it.

    free counts KiB; -m and -g make numbers that would be too small for a machine in KiB.
    """
    for option, power in (("m", 20), ("g", 30), ("b", 0), ("k", 10)):
        if re.search(rf"\s-\w*{option}\b|--{option}", command):
            return power
    digits = len(re.split("[.,]", number)[0])
    return 10 if digits >= 7 else 20 if digits >= 4 else 30


def _windows(lines: Sequence[str]) -> Memory | None:
    def told(pattern: re.Pattern[str]) -> int:
        found = (pattern.match(line[:LONGEST]) for line in lines if "Memory" in line)
        digits = next((re.sub(r"\D", "", one[1]) for one in found if one), "")
        return int(digits) << 20 if digits else 0

    total = told(_WINDOWS_RAM)
    if not total:
        return None
    return Memory(
        total=total,
        available=min(told(_WINDOWS_FREE), total) or None,
        commit_total=told(_WINDOWS_COMMIT) or None,
        commit_free=told(_COMMIT_FREE) or None,
    )


def _disks(lines: Sequence[str], shown: Sequence[Shown]) -> list[Fact]:
    rows: dict[str, tuple[str, int, int]] = {}
    command = " ".join(one.command for one in shown if one.command.startswith("df"))
    unit = 20 if re.search(r"\s-\w*m", command) else 10
    for line in lines:
        if "%" in line and (row := _DF.match(line[:LONGEST])):
            rows.setdefault(row[6], (row[1], size(row[2], unit), size(row[4], unit)))
    facts: list[Fact] = []
    if "/dev/shm" in rows:  # noqa: S108  named, not written to
        _, total, free = rows.pop("/dev/shm")  # noqa: S108
        if total:
            facts.append(SharedMemory(total=total, free=min(free, total)))
    disks = _uses({mount: row for mount, row in rows.items() if row[1]})
    return [*facts, Disks(disks=disks)] if disks else facts


def _uses(rows: dict[str, tuple[str, int, int]]) -> tuple[Disk, ...]:
    """Name the file systems that hold the temporary folder, the home folder and model caches."""
    found: list[Disk] = []
    for mount, (device, total, free) in rows.items():
        if re.search(r"huggingface|/\.cache|/hub\b", mount):
            found.append(Disk(use="hf-cache", path=mount, free=free, total=total, device=device))
    tmp = "/tmp" if "/tmp" in rows else "/"  # noqa: S108
    if tmp in rows:
        device, total, free = rows[tmp]
        found.append(Disk(use="tmp", path="/tmp", free=free, total=total, device=device))  # noqa: S108
    places = ("/home", "/root", "/workspace", *(["/"] if tmp != "/" else []))
    home = next((one for one in places if one in rows), "")
    if home:
        device, total, free = rows[home]
        found.append(Disk(use="work", path=home, free=free, total=total, device=device))
    return tuple(found)
