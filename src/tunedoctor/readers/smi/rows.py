"""`nvidia-smi --query-gpu=… --format=csv` and --query-compute-apps, found by their header line."""

import re
from collections.abc import Mapping, Sequence
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
    throttle,
    told,
    version,
)

_LONGEST = 40_000
_FIELD = pattern(r"[A-Za-z][\w.]{0,80}(?: \[[\w%/]{1,8}\])?")
_NAMES = {"name", "gpu_name", "uuid", "gpu_uuid"}
"""A header must have one of these …"""
_SURE = (".", "_", "uuid", "[")
"""… and a field that only nvidia-smi spells so."""
_QUERY = pattern(r"--query-gpu[= ]([\w.,]{2,2000})")
_FIELDS_LEAST = 2


def csv_outputs(lines: Sequence[str]) -> list[Seen]:
    """Return what every csv output with a header says, in order."""
    found: list[Seen] = []
    number = 0
    while number < len(lines):
        fields = header_of(lines[number]) or _asked(lines, number)
        number += 1
        if not fields:
            continue
        rows: list[dict[str, str]] = []
        while number < len(lines) and (row := row_of(fields, lines[number])):
            rows.append(row)
            number += 1
        found.append(seen(rows))
    return found


def header_of(line: str) -> tuple[str, ...]:
    """Return the fields that a header line names, without units; () where it is none."""
    if "," not in line or len(line) > _LONGEST or ("uuid" not in line and "name" not in line):
        return ()
    parts = [one.strip() for one in line.split(",")]
    if len(parts) < _FIELDS_LEAST or not all(map(_FIELD.fullmatch, parts)):
        return ()
    fields = tuple(one.partition(" ")[0] for one in parts)
    if _NAMES.isdisjoint(fields) or not any(mark in one for one in parts for mark in _SURE):
        return ()
    return fields


def _asked(lines: Sequence[str], number: int) -> tuple[str, ...]:
    """Return the fields that a command asks for whose answer has no header."""
    found = _QUERY.search(lines[number][:_LONGEST]) if "--query-gpu" in lines[number] else None
    if not found or number + 1 >= len(lines):
        return _one(lines, number)
    fields = tuple(one.strip() for one in found[1].split(",") if one.strip())
    return () if header_of(lines[number + 1]) or lines[number + 1].strip() in fields else fields


def _one(lines: Sequence[str], number: int) -> tuple[str, ...]:
    """Return the field of a header that has one alone, as in "driver_version" above 550.54.15."""
    field = lines[number].strip() if len(lines[number]) < 60 else ""
    return (field,) if field == "driver_version" else ()


def row_of(fields: Sequence[str], line: str) -> dict[str, str]:
    """Return the values of a line by field; {} where it has not as many."""
    if not line.strip() or len(line) > _LONGEST:
        return {}
    parts = [one.strip() for one in line.strip().split(", ")]
    if len(parts) != len(fields) or header_of(line):
        return {}
    row = dict(zip(fields, parts, strict=True))
    if "driver_version" in row and not re.fullmatch(
        r"\d[\d.]{2,20}|\[?\w[\w /]{0,30}\]?", row["driver_version"]
    ):
        return {}
    if not told(row.get("name", "") or row.get("gpu_name", "") or row.get("uuid", "-")):
        return {}
    return row


def seen(rows: Sequence[Mapping[str, str]]) -> Seen:
    """Make GPUs of rows; rows of one uuid and slot are one GPU, as in lists of processes."""
    gpus: dict[tuple[str, str, str], dict[str, Any]] = {}
    driver = cuda = ""
    for row in rows:
        driver = (
            driver or version(row.get("kmd_version", "")) or version(row.get("driver_version", ""))
        )
        cuda = (
            cuda or version(row.get("cuda_umd_version", "")) or version(row.get("cuda_version", ""))
        )
        uuid = told(row.get("uuid", "") or row.get("gpu_uuid", ""))
        place = slot(row.get("pci.bus_id", "") or row.get("gpu_bus_id", ""))
        by_process = "pid" in row or "retired_pages.cause" in row
        key = (uuid, place, "" if by_process else str(len(gpus)))
        gpu = gpus.setdefault(key, _gpu(row, len(gpus), uuid, place))
        pid = count(row.get("pid", ""))
        if pid is not None:
            name = program(told(row.get("process_name", "") or row.get("name", "")))
            used = row.get("used_gpu_memory", "") or row.get("used_memory", "")
            gpu["processes"] += (GpuProcess(pid=pid, name=name, memory=size(used)),)
    named = (gpu for gpu in gpus.values() if gpu["name"] or gpu["uuid"])
    return Seen(driver=driver, cuda=cuda, gpus=tuple(NvidiaGpu(**gpu) for gpu in named))


def _gpu(row: Mapping[str, str], position: int, uuid: str, place: str) -> dict[str, Any]:
    def get(*names: str) -> str:
        return told(next((row[name] for name in names if row.get(name)), ""))

    index = count(get("index", "gpu_index"))
    reasons = get("clocks_event_reasons.active", "clocks_throttle_reasons.active")
    hexadecimal = re.fullmatch(r"0x([0-9A-Fa-f]{1,16})", reasons)
    capability = get("compute_cap")
    return {
        "index": position if index is None else index,
        "name": get("gpu_name") if "pid" in row else get("name", "gpu_name"),
        "uuid": uuid,
        "slot": place,
        "memory_total": size(get("memory.total")),
        "memory_free": size(get("memory.free")),
        "compute_capability": capability if re.fullmatch(r"\d{1,2}\.\d", capability) else "",
        "mig": switch(get("mig.mode.current")),
        "ecc_uncorrected": count(get("ecc.errors.uncorrected.volatile.total")),
        "remap_pending": get("remapped_rows.pending").lower() in ("yes", "1"),
        "remap_failed": get("remapped_rows.failure").lower() in ("yes", "1"),
        "recovery_action": recovery(get("gpu_recovery_action")),
        "throttle": throttle(int(hexadecimal[1], 16)) if hexadecimal else (),
        "fabric_state": fabric(row.get("fabric.state", "")),
        "fabric_status": fabric(row.get("fabric.status", "")),
        "driver_model": driver_model(get("driver_model.current")),
        "processes": (),
    }
