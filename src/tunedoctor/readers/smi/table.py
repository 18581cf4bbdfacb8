"""The default table of nvidia-smi: every width, Linux, Windows, WSL, MIG, old and new words."""

import re
from collections.abc import Sequence
from typing import Any

from tunedoctor.facts import GpuProcess, NvidiaGpu
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.smi.words import Seen, count, driver_model, of_driver, process, size, slot

_MEMORY = re.compile(r"(\d{1,9})MiB\s{0,9}/\s{0,9}(\d{1,9})MiB")
_LONGEST = 300
"""Characters of a line; the widest table has 91."""
_AFTER_NAME = ("On", "Off", "WDDM", "TCC", "MCDM", "N/A", "ERR!", "Enabled", "Disabled")
_BUS = re.compile(r"(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]|N/A")


def tables(paste: Paste) -> list[Seen]:
    """Return every table, in order; a header alone counts as one without GPUs."""
    heads = paste.each("nvidia_smi.head", longest=_LONGEST)
    ends = [*(hit.line for hit in heads[1:]), len(paste.lines)]
    return [
        _table(hit.found, paste.lines[hit.line + 1 : end])
        for hit, end in zip(heads, ends, strict=bool(heads))
    ]


def _table(head: re.Match[str], lines: Sequence[str]) -> Seen:
    # a log can put characters in front of the table's own left edge
    margin = max(head.string.rfind("|", 0, head.start()), 0)
    gpus: dict[int, dict[str, Any]] = {}
    processes: dict[int, list[GpuProcess]] = {}
    last: dict[str, Any] | None = None
    edged = "|" in head.string[: head.start()]
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
        elif len(cells) == 1 and (found := _process(cells[0])):
            last = None
            processes.setdefault(found[0], []).append(found[1])
    told = (
        NvidiaGpu(**gpu, processes=tuple(processes.get(index, ()))) for index, gpu in gpus.items()
    )
    return of_driver({k: v or "" for k, v in head.groupdict().items()})._replace(gpus=tuple(told))


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
    gpu = count(words[0])
    found = process(words[kind - 1], " ".join(words[kind + 1 : -1]), words[-1])
    return None if gpu is None or found is None else (gpu, found)
