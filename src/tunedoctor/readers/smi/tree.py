"""`nvidia-smi -q`, as text and as XML: a tree of names and values."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tunedoctor.facts import GpuProcess, NvidiaGpu
from tunedoctor.lazy import pattern
from tunedoctor.readers.smi.words import (
    Seen,
    count,
    driver_model,
    fabric,
    program,
    recovery,
    size,
    slot,
    switch,
    told,
    version,
)

Leaf = tuple[tuple[str, ...], str]
"""Names on the way down, in lower case with underscores, and the value."""

_LONGEST = 500
_GPU = pattern(r"GPU ([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])\s*")
_TAG = pattern(r"<(/?)([A-Za-z_][\w.-]{0,80})([^<>]{0,200})>([^<]{0,2000})")
_DEEPEST = 30
_SECTIONS = ("Remapped Rows",)
"""Headings under which a few lines of one GPU say by themselves what is wrong with it."""
_SECTION = 12
_VALUE = pattern(r"\s+(?:Correctable|Uncorrectable) Error\s{1,60}: \d")
_REASONS = {
    "hw_slowdown": "hw-slowdown",
    "sw_thermal_slowdown": "sw-thermal",
    "hw_thermal_slowdown": "hw-thermal",
    "hw_power_brake_slowdown": "power-brake",
}


def queries(lines: Sequence[str]) -> list[Seen]:
    """Return every -q output; each begins with its NVSMI LOG line. A section alone is of one GPU."""
    starts = [n for n, line in enumerate(lines) if "=NVSMI LOG=" in line]
    if not starts:
        piece = next((n for n, line in enumerate(lines) if line.strip() in _SECTIONS), None)
        after = lines[piece + 1 : piece + 2] if piece is not None else ()
        if piece is not None and after and _VALUE.match(after[0][:_LONGEST]):
            return [_query(lines[piece : piece + _SECTION], inside=True)]
    return [
        _query(lines[start + 1 : end])
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=False)
    ]


def xml_logs(text: str) -> list[Seen]:
    """Return every XML output. It is scanned, not parsed: a cut paste is read as far as it goes."""
    parts = text.split("<nvidia_smi_log>")[1:]
    return [_xml(part.partition("</nvidia_smi_log>")[0]) for part in parts]


def _query(lines: Sequence[str], *, inside: bool = False) -> Seen:
    """Read one output; `inside`: it begins below the line that names the GPU."""
    head: dict[str, str] = {}
    gpus: list[list[Leaf]] = [[(("product_name",), "NVIDIA GPU")]] if inside else []
    above: list[tuple[int, str]] = []
    for whole in lines:
        line = whole[:_LONGEST].rstrip()
        text = line.strip()
        if not text:
            continue
        if gpu := _GPU.fullmatch(text):
            gpus.append([(("pci", "bus_id"), gpu[1])])
            above = []
            continue
        key, colon, value = line.partition(" : ")
        name = _name(key)
        if not gpus:
            if colon:
                head.setdefault(name, value)
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0 and not colon and "|" in line:
            break  # another output follows
        while above and above[-1][0] >= depth and (depth or not colon):
            above.pop()  # where a paste lost its indents, the last heading stays
        path = (*(one for _, one in above), name)
        if colon:
            gpus[-1].append((path, value.strip()))
        elif len(above) < _DEEPEST:
            above.append((depth, name))
            gpus[-1].append((path, ""))
    return Seen(
        driver=version(head.get("kmd_version", "")) or version(head.get("driver_version", "")),
        cuda=version(head.get("cuda_umd_version", "")) or version(head.get("cuda_version", "")),
        gpus=tuple(_gpu(index, leaves) for index, leaves in enumerate(gpus)),
    )


def _xml(text: str) -> Seen:
    head: dict[str, str] = {}
    gpus: list[list[Leaf]] = []
    above: list[str] = []
    for tag in _TAG.finditer(text):
        closes, name, attributes, value = tag[1], tag[2].lower(), tag[3], tag[4].strip()
        if closes:
            if name in above[-3:]:  # tolerate a tag whose end was lost
                del above[len(above) - 1 - above[::-1].index(name) :]
            continue
        if name == "gpu":
            gpus.append([(("pci", "bus_id"), attributes)])
            above = ["gpu"]
            continue
        if attributes.rstrip().endswith("/"):
            continue
        if not above and not gpus:
            head.setdefault(name, value)
        elif gpus:
            gpus[-1].append(((*above[1:], name), value))
        if len(above) < _DEEPEST:
            above.append(name)
    return Seen(
        driver=version(head.get("kmd_version", "")) or version(head.get("driver_version", "")),
        cuda=version(head.get("cuda_umd_version", "")) or version(head.get("cuda_version", "")),
        gpus=tuple(_gpu(index, leaves) for index, leaves in enumerate(gpus)),
    )


def _name(key: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", key.strip().lower()).strip("_")


def _gpu(index: int, leaves: Iterable[Leaf]) -> NvidiaGpu:
    """Make a GPU of its leaves; text and XML name a few of them differently."""
    leaves = list(leaves)
    mig = sum(path[-2:] == ("mig_device", "index") for path, _ in leaves)
    flat: dict[tuple[str, ...], str] = {}
    for path, value in leaves:
        if "mig_device" not in path:
            flat.setdefault(path, value)

    # a paste that lost its indents has single values under the wrong heading
    by_name: dict[str, str] = {}
    for path, value in flat.items():
        by_name.setdefault(path[-1], value)

    def get(*paths: tuple[str, ...]) -> str:
        for path in paths:
            value = flat.get(path) or (by_name.get(path[0]) if len(path) == 1 else "")
            if value:
                return value
        return ""

    found: dict[str, Any] = {
        "index": index,
        "name": told(get(("product_name",))),
        "uuid": told(get(("gpu_uuid",), ("uuid",))),
        "slot": slot(get(("pci", "bus_id"), ("pci", "pci_bus_id"))),
        "memory_total": size(get(("fb_memory_usage", "total"))),
        "memory_free": size(get(("fb_memory_usage", "free"))),
        "mig": switch(get(("mig_mode", "current"), ("mig_mode", "current_mig"))),
        "mig_instances": mig,
        "ecc_uncorrected": _uncorrected(flat),
        "remap_pending": get(
            ("remapped_rows", "pending"), ("remapped_rows", "remapped_row_pending")
        ).lower()
        == "yes",
        "remap_failed": get(
            ("remapped_rows", "remapping_failure_occurred"),
            ("remapped_rows", "remapped_row_failure"),
        ).lower()
        == "yes",
        "recovery_action": recovery(get(("gpu_recovery_action",))),
        "throttle": _throttle(flat),
        "fabric_state": fabric(get(("fabric", "state"))),
        "fabric_status": fabric(get(("fabric", "status"))),
        "driver_model": driver_model(
            get(("driver_model", "current"), ("driver_model", "current_dm"))
        ),
        "processes": tuple(_processes(leaves)),
    }
    return NvidiaGpu(**found)


def _uncorrected(flat: dict[tuple[str, ...], str]) -> int | None:
    """Add up the uncorrectable errors since the driver was loaded; None where none is counted."""
    counts = [
        number
        for path, value in flat.items()
        if path[:2] == ("ecc_errors", "volatile")
        and ("uncorrectable" in path[-1] or path[2:] == ("double_bit", "total"))
        and (number := count(value)) is not None
    ]
    return sum(counts) if counts else None


def _throttle(flat: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    active = {
        path[-1].removeprefix("clocks_event_reason_").removeprefix("clocks_throttle_reason_")
        for path, value in flat.items()
        if path[0] in ("clocks_event_reasons", "clocks_throttle_reasons") and value == "Active"
    }
    return tuple(word for reason, word in _REASONS.items() if reason in active)


def _processes(leaves: Iterable[Leaf]) -> Iterable[GpuProcess]:
    pid: int | None = None
    name, memory = "", None
    for path, value in leaves:
        if path[0] != "processes":
            continue
        if path[-1] in ("process_id", "pid"):
            if pid is not None:
                yield GpuProcess(pid=pid, name=name, memory=memory)
            pid, name, memory = count(value), "", None
        elif path[-1] in ("name", "process_name"):
            name = program(told(value))
        elif path[-1] in ("used_gpu_memory", "used_memory"):
            memory = size(value)
    if pid is not None:
        yield GpuProcess(pid=pid, name=name, memory=memory)
