"""RAM, shared memory, disks and limits: free, /proc/meminfo, systeminfo, df, ulimit."""

import re

from tunedoctor.facts import Disk, Disks, Fact, FileLimit, Memory, SharedMemory
from tunedoctor.probes.limits import MemoryLimit, from_meminfo
from tunedoctor.readers.paste import Paste

_UNITS = {"": 1, "b": 1, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_LARGEST = 1 << 60
_SHM = "/dev/shm"  # noqa: S108  named, not written to
_TMP = "/tmp"  # noqa: S108  as above


def memory(paste: Paste) -> list[Fact]:
    """Return Memory, SharedMemory, Disks and FileLimit, as far as they are told. Sizes are bytes."""
    told = paste.told("memory")
    ram = _meminfo(paste) or _free(told, _command(paste, "free")) or _windows(told)
    facts: list[Fact] = [ram] if ram else []
    facts += _disks(paste)
    if limit := told.get("files") or _answer(paste, "ulimit -n"):
        hard = _answer(paste, "ulimit -Hn") or "unlimited"
        facts.append(FileLimit(soft=_limit(limit), hard=_limit(hard)))
    return facts


def _command(paste: Paste, name: str) -> str:
    return " ".join(one.command for one in paste.shown if one.command.startswith(name))


def _answer(paste: Paste, command: str) -> str:
    """Return the number that a command printed, "" where it was not typed."""
    said = (one.output[0].strip() for one in paste.shown if one.command == command and one.output)
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


def _meminfo(paste: Paste) -> Memory | None:
    kib: dict[str, str] = {}
    for found in paste.all("meminfo"):
        kib.setdefault(found[1], found[2])
    if not int(kib.get("MemTotal", 0)):
        return None
    kib.setdefault("MemAvailable", kib.get("MemFree", kib["MemTotal"]))
    text = "\n".join(f"{name}: {number}" for name, number in kib.items())
    fact = from_meminfo(text, MemoryLimit(limit=None, used=0, place="", oom_kills=0))
    return fact if isinstance(fact, Memory) else None


def _free(told: dict[str, str], command: str) -> Memory | None:
    row, swap = told.get("ram", "0").split(), told.get("swap", "0 0 0").split()
    unit = _unit(row[0], command)
    total = size(row[0], unit)
    if not total:
        return None
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


def _windows(told: dict[str, str]) -> Memory | None:
    def mib(name: str) -> int:
        return int(re.sub(r"\D", "", told.get(name, "")) or 0) << 20

    if not mib("total"):
        return None
    return Memory(
        total=mib("total"),
        available=min(mib("available"), mib("total")) or None,
        commit_total=mib("commit_total") or None,
        commit_free=mib("commit_free") or None,
    )


def _disks(paste: Paste) -> list[Fact]:
    """Return the shared memory, and the file systems of the temporary folder, the home folder and model caches."""
    unit = 20 if re.search(r"\s-\w*m", _command(paste, "df")) else 10
    rows: dict[str, tuple[int, int, str]] = {}
    for row in paste.all("df"):
        sizes = size(row["free"], unit), size(row["total"], unit)
        rows.setdefault(row["mount"], (*sizes, row["device"]))
    rows = {mount: row for mount, row in rows.items() if row[1]}
    facts: list[Fact] = []
    if shm := rows.pop(_SHM, None):
        facts.append(SharedMemory(total=shm[1], free=min(shm[:2])))
    disks = [
        Disk("hf-cache", mount, *row)
        for mount, row in rows.items()
        if re.search(r"huggingface|/\.cache|/hub\b", mount)
    ]
    tmp = _TMP if _TMP in rows else "/"
    if tmp in rows:
        disks.append(Disk("tmp", _TMP, *rows[tmp]))
    places = ("/home", "/root", "/workspace", *(["/"] if tmp != "/" else []))
    if home := next((one for one in places if one in rows), ""):
        disks.append(Disk("work", home, *rows[home]))
    return [*facts, Disks(disks=tuple(disks))] if disks else facts
