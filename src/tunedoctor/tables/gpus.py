"""What is known of GPU models, over gpus.json. Where rows of one name or id differ, nothing is said.

A value that its row marks as not verified is never given out. Memory sizes are not given out at all: one name
covers boards of several sizes, so they come from the driver.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any, Literal, TypeVar

import msgspec

from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table

T = TypeVar("T")
Row = dict[str, Any]
Module = Literal["open", "proprietary", "either", ""]

_MODULES: dict[str, Module] = {"required": "open", "false": "proprietary", "optional": "either"}
_NOTHING_READ = ("announced", "all figures but the name")
"""Notes of rows whose figures were recalled, not read."""


class NvidiaModel(msgspec.Struct, frozen=True):
    """What is common to all boards of one name or PCI id; empty strings and None where not known."""

    name: str = ""
    """Name of the first row, as the driver spells it."""
    compute_capability: str = ""
    arch: str = ""
    module: Module = ""
    """Kernel module that runs it; "either" holds up to driver branch 615, 620 is open only."""
    last_branch: str = ""
    """Last driver branch for it, as in "580"; empty where none ended it yet."""
    unified: bool | None = None
    """It shares the machine's RAM."""


def nvidia_by_name(name: str) -> NvidiaModel | None:
    """Return the model of a name as NVML gives it, with or without "NVIDIA " in front; None: not known."""
    return _model(_by("nvidia", "names").get(_key(name), ()))


def nvidia_cut(start: str) -> str:
    """Return the compute capability that all models share whose names begin so, as the old nvidia-smi cuts them."""
    key = _key(start).strip()
    found = {
        str(row["cc"])
        for name, rows in _by("nvidia", "names").items()
        if name.startswith(key)
        for row in rows
    }
    return found.pop() if key and len(found) == 1 else ""


def nvidia_like(words: str) -> tuple[NvidiaModel, ...]:
    """Return the models that have these words in their names, as "4090" or "A100"; exact ones alone, if any."""
    found = [m for rows in _like(_by("nvidia", "names"), words) if (m := _model(rows)) is not None]
    return tuple(m for m in found if m.compute_capability)


def amd_like(words: str) -> dict[str, str]:
    """Return name -> gfx name of the products that have these words in their names; exact ones alone, if any."""
    found = _like(_by("amd", "names"), words)
    return {
        rows[0]["names"][0]: gfx for rows in found if (gfx := amd_gfx_by_name(rows[0]["names"][0]))
    }


def nvidia_by_pci(device: str) -> NvidiaModel | None:
    """Return the model of a PCI device id, four hex digits; None: not known."""
    return _model(_by("nvidia", "pci").get(device.lower(), ()))


def amd_gfx(device: str) -> str:
    """Return the gfx name of a PCI device id, four hex digits; "": not known, or several."""
    return _only(_by("amd", "pci").get(device.lower(), ()), lambda row: str(row["gfx"])) or ""


def amd_gfx_by_name(name: str) -> str:
    """Return the gfx name of a product name such as "Radeon RX 7900 XTX"; "": not known, or several."""
    return _only(_by("amd", "names").get(_key(name), ()), lambda row: str(row["gfx"])) or ""


def amd_integrated(gfx: str) -> bool:
    """Tell whether a target is only ever part of a processor."""
    return named_as("amd_integrated", gfx)


@lru_cache(maxsize=1024)
def named_as(shape: str, name: str) -> bool:
    """Tell whether a name, or a gfx target, is one of a kind of GPU; the kinds are `name_shapes` of gpus.json."""
    return bool(re.search(table("gpus")["name_shapes"][shape], name))


@lru_cache(maxsize=1024)
def vendor_named(name: str) -> str:
    """Return nvidia, amd or intel by the words of a name; "" where it has none of theirs."""
    vendors: dict[str, str] = table("gpus")["name_shapes"]["vendors"]
    return next((vendor for vendor, words in vendors.items() if re.search(words, name)), "")


def _model(rows: Iterable[Row]) -> NvidiaModel | None:
    rows = tuple(rows)
    if not rows:
        return None
    return NvidiaModel(
        name=rows[0]["names"][0],
        compute_capability=_only(rows, lambda row: str(row["cc"])) or "",
        arch=_only(rows, lambda row: str(row["arch"])) or "",
        module=_MODULES.get(_only(rows, lambda row: str(row["open_module"])) or "", ""),
        last_branch=_only(rows, lambda row: str(row["driver_last"] or "")) or "",
        unified=_only(rows, lambda row: bool(row["unified"])),
    )


def _only(rows: Iterable[Row], get: Callable[[Row], T]) -> T | None:
    """Return what all rows say alike."""
    said = {get(row) for row in rows}
    return said.pop() if len(said) == 1 else None


def _key(name: str) -> str:
    """Old drivers leave "NVIDIA " or "AMD " out; torch adds the profile of a MIG device."""
    name = re.sub(r" MIG \d+[cg]\..*$", "", name.strip()[:200])
    return re.sub(r"^(?:NVIDIA|AMD) ", "", name)


_FAMILY = pattern(r"^(?:GeForce|Tesla|Quadro|Radeon|Instinct) ")


def _like(index: dict[str, list[Row]], words: str) -> list[list[Row]]:
    wanted = _FAMILY.sub("", _key(words)).lower()
    if not wanted:
        return []
    whole = pattern(rf"(?<![a-z0-9]){re.escape(wanted)}(?![a-z0-9])")
    hit = {name: rows for name, rows in index.items() if whole.search(name.lower())}
    exact = [rows for name, rows in hit.items() if _FAMILY.sub("", name).lower() == wanted]
    return exact or list(hit.values())


@cache
def _by(vendor: Literal["nvidia", "amd"], column: Literal["names", "pci"]) -> dict[str, list[Row]]:
    """Return name or PCI device id -> the rows that have it, without those that nobody read."""
    found: dict[str, list[Row]] = {}
    rows: list[Row] = table("gpus")[vendor]
    for row in rows:
        if any(note.startswith(_NOTHING_READ) for note in row["unverified"]):
            continue
        for one in row[column]:
            # PCI probes see the device: rows of NVIDIA may name its subsystem too, those of AMD name the vendor
            key = _key(one) if column == "names" else one.split(":")[vendor == "amd"]
            if row not in (same := found.setdefault(key, [])):
                same.append(row)
    if column == "pci":
        _NEWER[vendor](found)
    return found


def _named_later(ids: dict[str, list[Row]]) -> None:
    """Add the ids that came after the rows, where one has their name."""
    for new in table("gpus")["pci_newer"]:
        brand, _, device = new["id"].partition(":")
        named = _by("nvidia", "names").get(_key(new["name"].partition(" ")[2]))
        if brand == "10de" and device not in ids and named:
            ids[device] = named


def _without_doubted(ids: dict[str, list[Row]]) -> None:
    """Take out what a note such as "gfx of 1902 parts" doubts: one id of a row, not the row."""
    notes = (note for row in table("gpus")["amd"] for note in row["unverified"])
    for id_ in re.findall(r"gfx of (\w{4}) parts", "\n".join(notes)):
        ids.pop(id_, None)


_NEWER = {"nvidia": _named_later, "amd": _without_doubted}
