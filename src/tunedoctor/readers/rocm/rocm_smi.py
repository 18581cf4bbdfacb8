"""rocm-smi: its lists of every age, its JSON, and the table since 6.0, which has device ids."""

import re
from collections.abc import Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.rocm.words import GFX, LONGEST, Part, hexadecimal, size, slot, value

_ROW = pattern(r"GPU\s?\[(\d{1,3})\]\s{0,8}:\s{0,8}([^:\t]{2,60}?)\s{0,4}:\s{0,12}(\S.{0,120})$")
_CARD = pattern(r"\"(?:card|gpu)_?(\d{1,3})\"\s{0,4}:\s{0,4}\{")
_FIELD = pattern(r"\"([^\"\n]{1,80})\"\s{0,4}:\s{0,4}\"([^\"\n]{0,160})\"")
_DEVICE = pattern(r"^\W{0,4}(\d{1,3})\s{1,12}\d{1,3}\s{1,12}(0x[0-9a-f]{4}),\s{1,12}\d{1,8}\b")
_HARDWARE = pattern(
    r"^\W{0,4}(\d{1,3})\s{1,12}\d{1,3}\s{1,12}(0x[0-9a-f]{4})\s{1,12}\d{1,8}\s{1,12}(gfx[0-9a-f]{3,5})\b"
)
"""A row of --showhw."""
_MODEL = pattern(r"^\W{0,4}(\d{1,3})\s{1,12}\[0x[0-9a-f]{4} : 0x[0-9a-f]{2}\]\s")
"""A row of 5.7, whose name stands on the next line; the numbers are those of the board, not of the chip."""
_NAME = pattern(r"^\s{4,12}([A-Z][\w\[\] ()./-]{2,40}?)(?:\s{2,}|\s*$)")
_MOST = 256


def rocm_smi(lines: Sequence[str]) -> dict[int, Part]:
    """Return GPU number -> what is said of it; {} where there is no such output."""
    found: dict[int, Part] = {}
    card: Part | None = None
    board: int | None = None
    for whole in lines:
        line = whole[:40_000]
        if board is not None and (named := _NAME.match(line[:LONGEST])):
            _at(found, board).name = named[1]
        row = _MODEL.match(line[:LONGEST]) if "[0x" in line else None
        board = int(row[1]) if row else None
        if "GPU" in line and "[" in line and (row := _ROW.search(line[:LONGEST])):
            _put(_at(found, int(row[1])), row[2], row[3])
        elif "0x" in line and (row := _DEVICE.match(line)):
            _at(found, int(row[1])).device = hexadecimal(row[2])
        elif "0x" in line and (row := _HARDWARE.match(line)):
            part = _at(found, int(row[1]))
            part.device, part.gfx = hexadecimal(row[2]), row[3]
        elif '"' in line:
            card = _json(found, card, line)
    return {n: part for n, part in found.items() if part != Part()}


def _json(found: dict[int, Part], card: Part | None, line: str) -> Part | None:
    """Read a line of JSON, or all of it where it stands on one line."""
    marks = list(_CARD.finditer(line))
    starts = [0, *(one.start() for one in marks)]
    for at, start in enumerate(starts):
        if at:
            card = _at(found, int(marks[at - 1][1]))
        end = starts[at + 1] if at + 1 < len(starts) else len(line)
        if card is not None:
            for name, said in _FIELD.findall(line[start:end]):
                _put(card, name, said)
    return card


def _at(found: dict[int, Part], number: int) -> Part:
    if number not in found and len(found) >= _MOST:
        return Part()
    return found.setdefault(number, Part())


def _put(part: Part, name: str, text: str) -> None:
    """Fill in what a label says; the labels changed their spelling with the releases."""
    key, said = name.strip().lower(), value(text)
    if not said:
        return
    if key in ("device name", "card series", "product name", "market_name", "card model"):
        if hexadecimal(said):
            part.device = hexadecimal(said)
        elif not part.name or key == "card series":
            part.name = said
    elif key in ("gpu id", "device id"):
        part.device = part.device or hexadecimal(said)
    elif key in ("gfx version", "target graphics version"):
        gfx = GFX.match(said)
        part.gfx = gfx[0] if gfx else part.gfx
    elif key == "pci bus":
        part.slot = slot(said)
    elif total := re.fullmatch(r"vram total memory \((b|mb|mib)\)", key):
        number = re.match(r"\d{1,16}", said)
        part.memory = size(number[0], total[1]) if number else part.memory
