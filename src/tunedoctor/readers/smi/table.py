"""The default table of nvidia-smi: every width, Linux, Windows, WSL, MIG, old and new words."""

import re
from collections.abc import Sequence
from typing import Any

from tunedoctor.facts import GpuProcess, NvidiaGpu
from tunedoctor.lazy import pattern
from tunedoctor.readers.smi.words import Seen, count, driver_model, program, size, slot, version

_HEADER = pattern(
    r"NVIDIA-SMI\s{1,40}(\d[\d.]{0,20})"
    r"[\s|]{1,80}(?:Driver|KMD) Version\s{0,4}:\s{0,4}(\d[\d.]{0,20}|N/A)"
    r"(?:[\s|]{1,80}CUDA(?: UMD)? Version\s{0,4}:\s{0,4}(\d{1,3}\.\d{1,3})?)?"
)
_MEMORY = pattern(r"(\d{1,9})MiB\s{0,9}/\s{0,9}(\d{1,9})MiB")
_LONGEST = 300
"""Characters of a line; the widest table has 91."""
_AFTER_NAME = ("On", "Off", "WDDM", "TCC", "MCDM", "N/A", "ERR!", "Enabled", "Disabled")
_BUS = pattern(r"(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]|N/A")


def tables(lines: Sequence[str]) -> list[Seen]:
    """Return every table, in order; a header alone counts as one without GPUs."""
    found: list[Seen] = []
    start: tuple[int, int, re.Match[str]] | None = None
    for number, line in enumerate(lines):
        header = _HEADER.search(line[:_LONGEST]) if "NVIDIA-SMI" in line else None
        if header:
            if start:
                found.append(_table(start[2], lines[start[0] + 1 : number], start[1]))
            start = (number, _margin(line, header.start()), header)
    if start:
        found.append(_table(start[2], lines[start[0] + 1 :], start[1]))
    return found


def _margin(line: str, word: int) -> int:
    """Return how many characters a log put in front of the table's own left edge."""
    return max(line.rfind("|", 0, word), 0)


def _table(header: re.Match[str], lines: Sequence[str], margin: int) -> Seen:
    gpus: dict[int, dict[str, Any]] = {}
    processes: dict[int, list[GpuProcess]] = {}
    last: dict[str, Any] | None = None
    edged = "|" in header.string[: header.start()]
    for line in lines:
        cells = _cells(line[margin : margin + _LONGEST], edged=edged)
        if not cells:
            continue
        if gpu := _first_row(cells):
            # a second list of the same GPUs belongs to another output
            last = gpu if gpus.setdefault(gpu["index"], gpu) is gpu else None
        elif (index := _mig_row(cells)) is not None:
            last = None
            if index in gpus:
                gpus[index]["mig_instances"] += 1
        elif last and len(cells) == 3:
            _more(last, cells)
        elif len(cells) == 1 and (process := _process(cells[0])):
            last = None
            processes.setdefault(process[0], []).append(process[1])
    return Seen(
        driver=version(header[2]),
        library=version(header[1]),
        cuda=header[3] or "",
        gpus=tuple(
            NvidiaGpu(**gpu, processes=tuple(processes.get(index, ())))
            for index, gpu in gpus.items()
        ),
    )


def _cells(line: str, *, edged: bool) -> list[str]:
    """Return the columns of a row, [] for a rule or a line that is no row.

    Where the head of the table lost its left edge, so did the rows.
    """
    edge = line.find("|")
    if edge < 0:
        return []
    lost = not edged and line[:edge].strip()
    body = (line if lost else line[edge + 1 :]).rstrip()
    return body.removesuffix("|").split("|")


def _first_row(cells: list[str]) -> dict[str, Any] | None:
    """Read "0  NVIDIA H100 80GB HBM3  On | 00000000:00:09.0 Off | 0"."""
    if len(cells) != 3:
        return None
    name, bus, ecc = (cell.split() for cell in cells)
    if len(name) < 2 or not bus or not _BUS.fullmatch(bus[0]):
        return None
    index = count(name[0])
    if index is None:
        return None
    mode = name.pop() if name[-1] in _AFTER_NAME and len(name) > 2 else ""
    return {
        "index": index,
        "name": " ".join(name[1:]),
        "slot": slot(bus[0]),
        "driver_model": driver_model(mode),
        "ecc_uncorrected": count(ecc[0]) if ecc else None,
        "mig_instances": 0,
    }


def _more(gpu: dict[str, Any], cells: list[str]) -> None:
    """Read the rows below: memory, then the MIG mode."""
    if memory := _MEMORY.search(cells[1]):
        used, total = size(memory[1]), size(memory[2])
        gpu["memory_total"] = total
        # the driver's own reserve is not shown: a few hundred MiB less are free
        gpu["memory_free"] = max((total or 0) - (used or 0), 0)
    words = cells[2].split()
    if len(words) == 1 and words[0] in ("Enabled", "Disabled"):
        gpu["mig"] = words[0] == "Enabled"


def _mig_row(cells: list[str]) -> int | None:
    """Read "0    2   0   0 | 26MiB / 40448MiB | …" of the MIG devices; returns the GPU."""
    if len(cells) < 3 or not _MEMORY.search(cells[1]):
        return None
    numbers = cells[0].split()
    if len(numbers) != 4 or not all(one.isdecimal() for one in numbers):
        return None
    return count(numbers[0])


def _process(cell: str) -> tuple[int, GpuProcess] | None:
    """Read "0   N/A  N/A   11327   C   /root/tools/memhog   2566MiB", with or without GI and CI."""
    words = cell.split()
    kind = next((n for n, word in enumerate(words[:5]) if word in ("C", "G", "C+G", "M+C")), 0)
    if kind not in (2, 4) or len(words) < kind + 3:
        return None
    gpu, pid = count(words[0]), count(words[kind - 1])
    if gpu is None or pid is None:
        return None
    name = program(" ".join(words[kind + 1 : -1]))
    return gpu, GpuProcess(pid=pid, name=name, memory=size(words[-1]))
