"""File systems and shared memory, as df lists them."""

import re

from tunedoctor.facts import Disk, Disks, Fact, SharedMemory
from tunedoctor.readers.paste import Paste

_UNITS = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_LARGEST = 1 << 60
_SHM = "/dev/shm"  # noqa: S108  named, not written to
_TMP = "/tmp"  # noqa: S108  as above
_HOMES = ("/home", "/root", "/workspace", "/")


def disks(paste: Paste) -> list[Fact]:
    """Return the shared memory, and the file systems of the temporary folder and the home folder."""
    rows: dict[str, tuple[int, int, str]] = {}
    for row in paste.all("df"):
        if total := size(row["total"]):
            rows.setdefault(row["mount"], (size(row["free"]), total, row["device"]))
    shm = rows.pop(_SHM, None)
    facts: list[Fact] = [SharedMemory(total=shm[1], free=min(shm[:2]))] if shm else []
    tmp = next((one for one in (_TMP, "/") if one in rows), "")
    found = [Disk("tmp", _TMP, *rows[tmp])] if tmp else []
    home = next((one for one in _HOMES if one in rows and one != tmp), "")
    found += [Disk("work", home, *rows[home])] if home else []
    return [*facts, Disks(disks=tuple(found))] if found else facts


def size(text: str) -> int:
    """Return the bytes of "31Gi", "31G", "1,5T", or of a bare number of KiB; 0 where it is none."""
    found = re.fullmatch(r"(\d{1,15}(?:[.,]\d{1,3})?)([KMGTP]?)i?B?", text, re.IGNORECASE)
    if not found:
        return 0
    power = _UNITS[found[2].lower() or "k"]
    return min(int(float(found[1].replace(",", ".")) * (1 << power)), _LARGEST)
