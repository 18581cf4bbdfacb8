"""amd-smi: list, static and metric as text, JSON or CSV, monitor, and the table that is its default since 7.0."""

import re
from collections.abc import Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.rocm.words import GFX, LONGEST, Part, hexadecimal, size, slot, value

_GPU = pattern(r"^\s{0,8}GPU:\s{0,4}(\d{1,3})\s*$")
_JSON_GPU = pattern(r"\"gpu\"\s{0,4}:\s{0,4}(\d{1,3})\b")
_KEYED = pattern(
    r"\"?\b(BDF|MARKET_NAME|DEVICE_ID|TARGET_GRAPHICS_VERSION|TOTAL_VRAM|VRAM_TOTAL)\"?\s{0,4}:\s{0,4}"
    r"\"?([^\"\n]{1,120})",
    re.IGNORECASE,
)
_HEAD = pattern(r"AMD-SMI\s{1,4}\S{3,40}\s{1,20}amdgpu version")
_MODEL = pattern(
    r"^\W{0,4}([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\s{1,20}(\S[^|]{2,80}?)\s{0,20}\|"
)
_BELOW = pattern(r"^\W{0,6}(\d{1,3})\s{1,12}.{0,120}?\d/(\d{1,9})\s{0,3}(MB|GB)\b")
_MONITOR = pattern(r"^\s*GPU\s.{0,200}\bVRAM_TOTAL\s*$")
_TOTAL = pattern(r"^\s*(\d{1,3})\s(?:.{0,200}\s)?(\d{1,9}(?:\.\d{1,3})?) (MB|GB)\s*$")


def amd_smi(lines: Sequence[str]) -> dict[int, Part]:
    """Return GPU number -> what is said of it; {} where there is no such output."""
    if not any("GPU" in line or "gpu" in line for line in lines):
        return {}
    found: dict[int, Part] = {}
    for way in (_keyed, _table, _monitor, _csv):
        way(lines, found)
    return {n: part for n, part in found.items() if part != Part()}


def _at(found: dict[int, Part], number: str) -> Part:
    return found.setdefault(int(number), Part())


def _keyed(lines: Sequence[str], found: dict[int, Part]) -> None:
    """Read "GPU: 0" and indented names below it, and the same as JSON."""
    current: Part | None = None
    for line in lines:
        if gpu := _GPU.match(line[:LONGEST]) or _JSON_GPU.search(line[:LONGEST]):
            current = _at(found, gpu[1])
        if current is not None and (keyed := _KEYED.search(line[:LONGEST])):
            _put(current, keyed[1].lower(), keyed[2])


def _table(lines: Sequence[str], found: dict[int, Part]) -> None:
    """Read the table that `amd-smi` alone prints: two rows a GPU."""
    if not any(_HEAD.search(line[:LONGEST]) for line in lines):
        return
    waiting: re.Match[str] | None = None
    for line in lines:
        if model := _MODEL.match(line[:LONGEST]):
            waiting = model
        elif waiting and (below := _BELOW.match(line[:LONGEST])):
            part = _at(found, below[1])
            part.slot, part.name = slot(waiting[1]), value(waiting[2])
            part.memory = size(below[2], below[3])
            waiting = None


def _monitor(lines: Sequence[str], found: dict[int, Part]) -> None:
    """Read the last column of `amd-smi monitor -v`."""
    inside = False
    for line in lines:
        if _MONITOR.match(line[:LONGEST]):
            inside = True
        elif inside and (total := _TOTAL.match(line[:LONGEST])):
            _at(found, total[1]).memory = size(total[2], total[3])
        else:
            inside = False


def _csv(lines: Sequence[str], found: dict[int, Part]) -> None:
    columns: list[str] = []
    for line in lines:
        if header := _csv_header(line[:LONGEST]):
            columns = header
        elif columns and "," in line:
            _csv_row(found, columns, line[:LONGEST])


def _put(part: Part, key: str, text: str) -> None:
    said = value(text)
    if key == "bdf":
        part.slot = slot(said) or part.slot
    elif key == "market_name" and not part.name:
        part.name = value(said.rstrip(","))
    elif key == "device_id":
        part.device = hexadecimal(said) or part.device
    elif key == "target_graphics_version" and (gfx := GFX.match(said)):
        part.gfx = gfx[0]
    elif key in ("total_vram", "vram_total") and (
        number := re.match(r"(\d{1,9}) ?(MB|GB|MiB|GiB)", said)
    ):
        part.memory = size(number[1], number[2])


def _csv_header(line: str) -> list[str]:
    columns = [one.strip().lower() for one in line.split(",")]
    known = {"gpu_bdf", "bdf", "market_name", "device_id", "target_graphics_version", "vram_total"}
    return columns if columns[0] == "gpu" and known & set(columns) else []


def _csv_row(found: dict[int, Part], columns: list[str], line: str) -> None:
    cells = [one.strip() for one in line.split(",")]
    if len(cells) != len(columns) or not cells[0].isdecimal() or len(cells[0]) > 3:
        return
    part = found.setdefault(int(cells[0]), Part())
    for column, cell in zip(columns, cells, strict=True):
        if column == "vram_total" and cell.isdecimal():
            part.memory = size(cell[:12], "MB")
        else:
            _put(part, column.removeprefix("gpu_"), cell)
