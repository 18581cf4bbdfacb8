"""What is known of GPU models, over gpus.json, and of cards to train on, over cards.json.

Where rows of one name or id of gpus.json differ, nothing is said. A value that its row marks as not verified is never
given out. Memory sizes are not given out at all: one name covers boards of several sizes, so they come from the driver.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, Literal

import msgspec

from tunedoctor.model.lazy import pattern
from tunedoctor.tables.load import rows, table

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
    module: Module = ""
    """Kernel module that runs it; "either" holds up to driver branch 615, 620 is open only."""
    last_branch: str = ""
    """Last driver branch for it, as in "580"; empty where none ended it yet."""
    unified: bool | None = None


def nvidia_by_name(name: str) -> NvidiaModel | None:
    """Return the model of a name as NVML gives it, with or without "NVIDIA " in front; None: not known."""
    return _model(_by("nvidia", "names").get(_key(name), ()))


def nvidia_cut(start: str) -> str:
    """Return the compute capability that all models share whose names begin so, as the old nvidia-smi cuts them."""
    key = _key(start).strip()
    named = _by("nvidia", "names").items()
    return _only([r for name, rows in named if key and name.startswith(key) for r in rows], "cc")


def nvidia_like(words: str) -> tuple[NvidiaModel, ...]:
    """Return the models that have these words in their names, as "4090" or "A100"; exact ones alone, if any."""
    found = [m for rows in _like(_by("nvidia", "names"), words) if (m := _model(rows)) is not None]
    return tuple(m for m in found if m.compute_capability)


def amd_like(words: str) -> dict[str, str]:
    """Return name -> gfx name of the products that have these words in their names; exact ones alone, if any."""
    names = [rows[0]["names"][0] for rows in _like(_by("amd", "names"), words)]
    return {name: gfx for name in names if (gfx := amd_gfx_by_name(name))}


def nvidia_by_pci(device: str) -> NvidiaModel | None:
    """Return the model of a PCI device id, four hex digits; None: not known."""
    return _model(_by("nvidia", "pci").get(device.lower(), ()))


def amd_gfx(device: str) -> str:
    """Return the gfx name of a PCI device id, four hex digits; "": not known, or several."""
    return _only(_by("amd", "pci").get(device.lower(), ()), "gfx")


def amd_gfx_by_name(name: str) -> str:
    """Return the gfx name of a product name such as "Radeon RX 7900 XTX"; "": not known, or several."""
    return _only(_by("amd", "names").get(_key(name), ()), "gfx")


@lru_cache(maxsize=1024)
def named_as(shape: str, name: str) -> bool:
    """Tell whether a name, or a gfx target, is one of a kind of GPU; the kinds are `name_shapes` of gpus.json."""
    return bool(re.search(table("gpus")["name_shapes"][shape], name))


@lru_cache(maxsize=1024)
def vendor_named(name: str) -> str:
    """Return nvidia, amd or intel by the words of a name; "" where it has none of theirs."""
    vendors: dict[str, str] = table("gpus")["name_shapes"]["vendors"]
    return next((vendor for vendor, words in vendors.items() if re.search(words, name)), "")


def _model(found: Iterable[Row]) -> NvidiaModel | None:
    some = tuple(found)
    if not some:
        return None
    unified = {bool(row["unified"]) for row in some}
    return NvidiaModel(
        name=some[0]["names"][0],
        compute_capability=_only(some, "cc"),
        module=_MODULES.get(_only(some, "open_module"), ""),
        last_branch=_only(some, "driver_last"),
        unified=unified.pop() if len(unified) == 1 else None,
    )


def _only(rows: Iterable[Row], column: str) -> str:
    """Return what all rows say alike; "" where they differ, or say nothing."""
    said = {str(row[column] or "") for row in rows}
    return said.pop() if len(said) == 1 else ""


def _key(name: str) -> str:
    """Old drivers leave "NVIDIA " or "AMD " out; torch adds the profile of a MIG device."""
    name = name.strip()[:200].partition(" MIG ")[0]
    return name.removeprefix("NVIDIA ").removeprefix("AMD ")


def _model_of(name: str) -> str:
    """Return the name without its family, in small letters."""
    family, _, rest = name.partition(" ")
    known = rest and family in ("GeForce", "Tesla", "Quadro", "Radeon", "Instinct")
    return (rest if known else name).lower()


def _like(index: dict[str, list[Row]], words: str) -> list[list[Row]]:
    wanted = _model_of(_key(words))
    if not wanted:
        return []
    whole = pattern(rf"(?<![a-z0-9]){re.escape(wanted)}(?![a-z0-9])")
    hit = {name: rows for name, rows in index.items() if whole.search(name.lower())}
    exact = [rows for name, rows in hit.items() if _model_of(name) == wanted]
    return exact or list(hit.values())


@cache
def _by(vendor: Literal["nvidia", "amd"], column: Literal["names", "pci"]) -> dict[str, list[Row]]:
    """Return name or PCI device id -> the rows that have it, without those that nobody read."""
    found: dict[str, list[Row]] = {}
    for row in table("gpus")[vendor]:
        read = not any(note.startswith(_NOTHING_READ) for note in row["unverified"])
        doubted = row.get("doubted", ())
        for one in (i for i in row[column] if i not in doubted) if read else ():
            # PCI probes see the device: rows of NVIDIA may name its subsystem too, those of AMD name the vendor
            key = _key(one) if column == "names" else one.split(":")[vendor == "amd"]
            if row not in (same := found.setdefault(key, [])):
                same.append(row)
    return found


class Card(msgspec.Struct, frozen=True):
    """One card. None where nobody could say."""

    vendor: Literal["nvidia", "amd", "apple"]
    name: str
    memory_gib: float
    nominal_gb: float
    """What it is sold as."""
    bandwidth_gb_s: float | None = None
    tflops: float | None = None
    """Dense, bf16 or else fp16, fp32 accumulation; 10^12 operations a second."""
    bf16: bool = True
    watts: float | None = None
    arch: str = ""
    unified: bool = False
    variant: str = ""
    rocm: str | None = None
    """ROCm releases that name it; None for other vendors, or where none does."""


def cards() -> tuple[Card, ...]:
    """Return all cards of the table."""
    return rows("cards", "cards", Card)


def worth_having() -> tuple[Card, ...]:
    """Return the cards worth having for training, one for each size, by memory."""
    worth, by_size = table("cards")["worth"], sorted(cards(), key=lambda card: card.memory_gib)
    largest = {card.name: card for card in by_size if card.name in worth}
    return tuple(card for card in by_size if card is largest.get(card.name))


def cards_like(words: str) -> tuple[Card, ...]:
    """Return the cards with all these words in name, variant or size, as "A100 80GB"; exact names alone, if any."""
    wanted = {*_words(words)}
    named = ((one, f"{one.name} {one.variant} {one.nominal_gb:.0f}GB") for one in cards())
    hits = [card for card, name in named if wanted and wanted <= {*_words(name)}]
    return tuple([card for card in hits if {*_words(card.name)} <= wanted] or hits)


def _words(text: str) -> list[str]:
    spaced = text.lower()[:120]
    for shape, spelt in table("cards")["spellings"]:
        spaced = re.sub(shape, spelt, spaced)
    return [one for one in re.findall(r"[a-z0-9]+", spaced) if one not in table("cards")["brands"]]


def plain(name: str) -> str:
    """Return the letters and digits of a name, without its maker: what two spellings of one have in common."""
    found = re.sub(r"[^a-z0-9]+", "", name.lower()[:80])
    for maker in table("cards")["makers"]:
        found = found.replace(maker, "")
    return found


def same_name(name: str) -> Card | None:
    """Return the card that a driver calls so; None: not known, or several differ in speed."""
    key = _words(name)
    found = [one for one in cards() if _words(one.name) == key]
    speeds = {(one.tflops, one.bandwidth_gb_s) for one in found}
    return found[0] if len(speeds) == 1 else None
