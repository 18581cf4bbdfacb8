"""`nvidia-smi --query-gpu=… --format=csv` and --query-compute-apps, found by their header line or the command."""

import re
from collections.abc import Sequence
from typing import Any

from tunedoctor.facts import NvidiaGpu
from tunedoctor.readers.paste import Paste, search
from tunedoctor.readers.smi.words import (
    Seen,
    Values,
    count,
    fields_of,
    of_driver,
    process,
    told,
)

_LONGEST = 40_000
_NAMES = {"name", "gpu_name", "uuid", "gpu_uuid"}
"""A header must have one of these …"""
_SURE = (".", "_", "uuid", "[")
"""… and a field that only nvidia-smi spells so."""


def csv_outputs(paste: Paste) -> list[Seen]:
    """Return what every csv output says, in order."""
    if "uuid" not in paste.text and "name" not in paste.text and "driver_v" not in paste.text:
        return []
    found: list[Seen] = []
    fields: Sequence[str] = ()
    rows: list[dict[str, str]] = []
    asked: Sequence[str] = ()
    for line in paste.lines:
        row = row_of(fields or asked, line)
        header = () if row and fields else header_of(line)
        if header:
            row, fields, asked = {}, header, ()
        elif row and not fields:
            fields = asked
        if not row and rows:
            found.append(seen(rows))
            rows, fields = [], header
        asked = () if header or row else _asked(line)
        rows += [row] if row else []
    return [*found, seen(rows)] if rows else found


def header_of(line: str) -> tuple[str, ...]:
    """Return the fields that a header line names, without units; () where it is none."""
    if line.strip() == "driver_version":
        return ("driver_version",)
    if "," not in line or len(line) > _LONGEST or ("uuid" not in line and "name" not in line):
        return ()
    parts = [one.strip() for one in line.split(",")]
    if not all(re.fullmatch(r"[A-Za-z][\w.]{0,80}(?: \[[\w%/]{1,8}\])?", one) for one in parts):
        return ()
    fields = tuple(one.partition(" ")[0] for one in parts)
    sure = any(mark in one for one in parts for mark in _SURE)
    return fields if sure and not _NAMES.isdisjoint(fields) else ()


def _asked(line: str) -> tuple[str, ...]:
    """Return the fields that a command asks for; its answer can lack a header."""
    found = search("nvidia_smi.query", line[:_LONGEST])
    return tuple(one.strip() for one in found[1].split(",") if one.strip()) if found else ()


def row_of(fields: Sequence[str], line: str) -> dict[str, str]:
    """Return the values of a line by field; {} where it has not as many."""
    if not fields or not line.strip() or len(line) > _LONGEST:
        return {}
    parts = [one.strip() for one in line.strip().split(", ")]
    if len(parts) != len(fields) or header_of(line):
        return {}
    row = dict(zip(fields, parts, strict=True))
    driver = row.get("driver_version", "0.0.0")
    if not re.fullmatch(r"\d[\d.]{2,20}|\[?\w[\w /]{0,30}\]?", driver):
        return {}
    named = row.get("name", "") or row.get("gpu_name", "") or row.get("uuid", "-")
    return row if told(named) else {}


def seen(rows: Sequence[Values]) -> Seen:
    """Make GPUs of rows; rows of one uuid and slot are one GPU, as in lists of processes."""
    gpus: dict[tuple[str, str, str], dict[str, Any]] = {}
    driver = cuda = ""
    for row in rows:
        versions = of_driver(row)
        driver, cuda = driver or versions.driver, cuda or versions.cuda
        by_process = "pid" in row or "retired_pages.cause" in row
        of_gpu = {name: value for name, value in row.items() if not by_process or name != "name"}
        fields = fields_of(of_gpu)
        key = (fields["uuid"], fields["slot"], "" if by_process else str(len(gpus)))
        index = count(row.get("index", "") or row.get("gpu_index", ""))
        fields |= {"index": len(gpus) if index is None else index, "processes": ()}
        gpu = gpus.setdefault(key, fields)
        name = row.get("process_name", "") or row.get("name", "")
        used = row.get("used_gpu_memory", "") or row.get("used_memory", "")
        if one := process(row.get("pid", ""), name, used):
            gpu["processes"] += (one,)
    named = (gpu for gpu in gpus.values() if gpu["name"] or gpu["uuid"])
    return Seen(driver=driver, cuda=cuda, gpus=tuple(NvidiaGpu(**gpu) for gpu in named))
