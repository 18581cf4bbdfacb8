"""GPU models, from gpus.json, and cards for training, from cards.json.

If rows with the same name or id in gpus.json differ, no value is returned. Values that their row marks as unverified
are never returned, and neither are memory sizes: one name covers boards of several sizes, so the driver is asked.
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
"""Notes of rows whose numbers were not read from a source."""


class NvidiaModel(msgspec.Struct, frozen=True):
    """The common properties of all boards with one name or PCI id; empty strings and None if unknown."""

    name: str = ""
    """Name of the first row, as the driver spells it."""
    compute_capability: str = ""
    module: Module = ""
    """Kernel module that supports it; "either" is valid up to driver branch 615, 620 is only open."""
    last_branch: str = ""
    """Last driver branch for it, such as "580"; empty if support has not ended."""
    unified: bool | None = None


def nvidia_by_name(name: str) -> NvidiaModel | None:
    """Return the model for a name from NVML, with or without "NVIDIA " in front; None: unknown."""
    return _model(_by("nvidia", "names").get(_key(name), ()))


def nvidia_cut(start: str) -> str:
    """Return the compute capability of all models whose names have this start, as cut by an old nvidia-smi."""
    key = _key(start).strip()
    rows_by_name = _by("nvidia", "names").items()
    return _only(
        [r for name, rows in rows_by_name if key and name.startswith(key) for r in rows], "cc"
    )


def nvidia_like(words: str) -> tuple[NvidiaModel, ...]:
    """Return the models with these words in their names, such as "4090" or "A100"; only exact matches, if any."""
    models = [m for rows in _like(_by("nvidia", "names"), words) if (m := _model(rows)) is not None]
    return tuple(m for m in models if m.compute_capability)


def amd_like(words: str) -> dict[str, str]:
    """Return name -> gfx name of the products with these words in their names; only exact matches, if any."""
    names = [rows[0]["names"][0] for rows in _like(_by("amd", "names"), words)]
    return {name: gfx for name in names if (gfx := amd_gfx_by_name(name))}


def nvidia_by_pci(device: str) -> NvidiaModel | None:
    """Return the model for a PCI device id (four hex digits); None: unknown."""
    return _model(_by("nvidia", "pci").get(device.lower(), ()))


def amd_gfx(device: str) -> str:
    """Return the gfx name for a PCI device id (four hex digits); "": unknown, or several."""
    return _only(_by("amd", "pci").get(device.lower(), ()), "gfx")


def amd_gfx_by_name(name: str) -> str:
    """Return the gfx name for a product name such as "Radeon RX 7900 XTX"; "": unknown, or several."""
    return _only(_by("amd", "names").get(_key(name), ()), "gfx")


@lru_cache(maxsize=1024)
def named_as(shape: str, name: str) -> bool:
    """Return whether a name or gfx target matches one of `name_shapes` in gpus.json, a group of GPUs."""
    return bool(re.search(table("gpus")["name_shapes"][shape], name))


@lru_cache(maxsize=1024)
def vendor_named(name: str) -> str:
    """Return nvidia, amd or intel, by the words of a name; "" if it has none of theirs."""
    vendors: dict[str, str] = table("gpus")["name_shapes"]["vendors"]
    return next((vendor for vendor, words in vendors.items() if re.search(words, name)), "")


def _model(rows: Iterable[Row]) -> NvidiaModel | None:
    some = tuple(rows)
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
    """Return the value that all rows have; "" if they differ, or have none."""
    values = {str(row[column] or "") for row in rows}
    return values.pop() if len(values) == 1 else ""


def _key(name: str) -> str:
    """Return a name without its maker, which old drivers leave out, and the MIG profile, which torch adds."""
    name = name.strip()[:200].partition(" MIG ")[0]
    return name.removeprefix("NVIDIA ").removeprefix("AMD ")


def _model_of(name: str) -> str:
    """Return the name without its family, in lower case."""
    family, _, rest = name.partition(" ")
    has_family = rest and family in ("GeForce", "Tesla", "Quadro", "Radeon", "Instinct")
    return (rest if has_family else name).lower()


def _like(index: dict[str, list[Row]], words: str) -> list[list[Row]]:
    model_name = _model_of(_key(words))
    if not model_name:
        return []
    whole = pattern(rf"(?<![a-z0-9]){re.escape(model_name)}(?![a-z0-9])")
    hit = {name: rows for name, rows in index.items() if whole.search(name.lower())}
    exact = [rows for name, rows in hit.items() if _model_of(name) == model_name]
    return exact or list(hit.values())


@cache
def _by(vendor: Literal["nvidia", "amd"], column: Literal["names", "pci"]) -> dict[str, list[Row]]:
    """Return name or PCI device id -> its rows, without those that were not read from a source."""
    result: dict[str, list[Row]] = {}
    for row in table("gpus")[vendor]:
        read = not any(note.startswith(_NOTHING_READ) for note in row["unverified"])
        doubted = row.get("doubted", ())
        for identifier in (i for i in row[column] if i not in doubted) if read else ():
            # PCI probes find the device: rows of NVIDIA may also name its subsystem, those of AMD name the vendor
            key = _key(identifier) if column == "names" else identifier.split(":")[vendor == "amd"]
            if row not in (same := result.setdefault(key, [])):
                same.append(row)
    return result


class Card(msgspec.Struct, frozen=True):
    """One card. None: unknown."""

    vendor: Literal["nvidia", "amd", "apple"]
    name: str
    memory_gib: float
    nominal_gb: float
    """The advertised size."""
    bandwidth_gb_s: float | None = None
    tflops: float | None = None
    """Dense, bf16 or else fp16, with fp32 accumulation; 10^12 operations per second."""
    bf16: bool = True
    watts: float | None = None
    arch: str = ""
    unified: bool = False
    variant: str = ""
    rocm: str | None = None
    """ROCm releases that support it; None for other vendors, or if none does."""


def cards() -> tuple[Card, ...]:
    """Return all cards in the table."""
    return rows("cards", "cards", Card)


def worth_having() -> tuple[Card, ...]:
    """Return the cards worth having for training, one for each size, sorted by memory."""
    worth, by_size = table("cards")["worth"], sorted(cards(), key=lambda card: card.memory_gib)
    largest = {card.name: card for card in by_size if card.name in worth}
    return tuple(card for card in by_size if card is largest.get(card.name))


def cards_like(words: str) -> tuple[Card, ...]:
    """Return the cards with all these words in name, variant or size, as "A100 80GB"; only exact names, if any."""
    wanted_words = {*_words(words)}
    named_cards = (
        (card, f"{card.name} {card.variant} {card.nominal_gb:.0f}GB") for card in cards()
    )
    hits = [card for card, name in named_cards if wanted_words and wanted_words <= {*_words(name)}]
    return tuple([card for card in hits if {*_words(card.name)} <= wanted_words] or hits)


def _words(text: str) -> list[str]:
    spaced = text.lower()[:120]
    for shape, spelt in table("cards")["spellings"]:
        spaced = re.sub(shape, spelt, spaced)
    return [
        word for word in re.findall(r"[a-z0-9]+", spaced) if word not in table("cards")["brands"]
    ]


def plain(name: str) -> str:
    """Return the letters and digits of a name without its maker, for comparing spellings."""
    letters = re.sub(r"[^a-z0-9]+", "", name.lower()[:80])
    for maker in table("cards")["makers"]:
        letters = letters.replace(maker, "")
    return letters


def same_name(name: str) -> Card | None:
    """Return the card with this driver name; None: unknown, or several with different speeds."""
    key = _words(name)
    matching = [card for card in cards() if _words(card.name) == key]
    speeds = {(card.tflops, card.bandwidth_gb_s) for card in matching}
    return matching[0] if len(speeds) == 1 else None


def amd_rows(device: str) -> list[Row]:
    """Return the rows for a PCI device id (four hex digits); several products can share it."""
    return [row for row in table("gpus")["amd"] if f"1002:{device}" in row["pci"]]


def amd_name(device: str, memory: int) -> str:
    """Return the name for a PCI device id; if several share it (1002:744c), those with the nearest memory size."""

    def distance(row: Row) -> float:
        return abs((row["vram_gb"] or 0) * 2**30 - memory) if memory else 0

    rows = amd_rows(device)
    nearest = min(map(distance, rows), default=0)
    return " or ".join(row["names"][0] for row in rows if distance(row) == nearest)


def _intel_family(device: str) -> str:
    """Return the device's family if XPU builds support it; "" for other devices."""
    rows = table("probes")["xpu_devices"].items()
    families_of_device = (
        f for f, (first, last) in rows if len(device) == 4 and first <= device <= last
    )
    return str(next(families_of_device, "")).partition(",")[0]


def is_intel_supported(device: str) -> bool:
    """Return whether XPU builds of PyTorch support the device with this id (four hex digits)."""
    return bool(_intel_family(device))


def intel_name(device: str) -> str:
    """Return the product name from the table of GPUs, else the family, else a name with the id."""
    rows = (row for row in table("gpus")["intel"] if f"8086:{device}" in row["pci"])
    product_name = next((str(row["names"][0]) for row in rows), "")
    return product_name or f"Intel {_intel_family(device) or 'graphics'} {device}"
