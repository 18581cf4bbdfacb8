"""What the driver measures of an AMD GPU: gpu_metrics of sysfs, whose head names its layout, a row of `node.json`."""

import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tunedoctor.facts import AmdGpu
from tunedoctor.system.reading import line, start
from tunedoctor.tables.load import table


def measured(root: Path, gpus: list[AmdGpu]) -> tuple[AmdGpu, ...]:
    """Return the GPUs with what slows their clocks now, and how many of their links are up."""
    end = time.monotonic() + 2  # a sick card answers late
    slots = dict.fromkeys(gpu.slot for gpu in gpus)  # partitions of a card share one
    before = {slot: _table(root, slot, end) for slot in slots}
    now = before
    if any("counted" in _layout(one) for one in before.values()):
        time.sleep(0.1)  # as amd-smi does
        now = {slot: _table(root, slot, end) for slot in slots}
    return tuple(_with(gpu, before[gpu.slot], now[gpu.slot]) for gpu in gpus)


def _table(root: Path, slot: str, end: float) -> bytes:
    device = root / "sys/bus/pci/devices" / slot
    asleep = line(device / "power/runtime_status") == "suspended"  # asking would wake it
    return b"" if asleep or time.monotonic() > end else start(device / "gpu_metrics", 4096) or b""


def _layout(data: bytes) -> dict[str, Any]:
    """Return the row of a table's layout; an empty one where it is not known or the table is cut off."""
    row: dict[str, Any] = table("node")["amd_metrics"]["layouts"].get(data[2:4].hex(), {})
    return row if row and len(data) >= row["size"] else {}


def _with(gpu: AmdGpu, before: bytes, now: bytes) -> AmdGpu:
    row, words = _layout(now), table("node")["amd_metrics"]["bits"]
    status = now[row["status"] :][:8] if "status" in row else b""
    bits = 0 if status == b"\xff" * 8 else int.from_bytes(status, "little")
    warm = [_number(now, at) for at in row.get("temperatures", ()) if _number(now, at) < 0xFFFF]
    bits &= ~row["heat"] if warm and max(warm) < row["cool"] else -1
    counted = row.get("counted", {}) if _layout(before) == row else {}
    reasons = [words[bit] for bit in words if bits >> int(bit) & 1]
    reasons += [why for why, at in counted.items() if _number(now, at, 4) > _number(before, at, 4)]
    links = [_number(now, at) for at in row.get("links", ()) if _number(now, at) < 0xFFFF]
    up = links.count(1) if links else None
    return replace(gpu, throttle=tuple(dict.fromkeys(reasons)), xgmi_active=up)


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "little")
