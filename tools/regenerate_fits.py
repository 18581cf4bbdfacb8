"""Regenerate tables/what_fits.json: `python tools/regenerate_fits.py`."""

import json
from pathlib import Path

import msgspec

from tunedoctor.memory.band import ROOM, band, need
from tunedoctor.memory.catalogue import find_model
from tunedoctor.memory.host import ram
from tunedoctor.memory.overview import METHODS, SIZES
from tunedoctor.memory.run import STACKS, Run

SEQ = 1024
"""Tokens: doctor train's default max_length."""
TABLE = Path(__file__).parents[1] / "src" / "tunedoctor" / "tables" / "what_fits.json"
ABOUT = (
    f"GiB of the smallest card, empty, and of RAM for models of each size, as memory/overview.py estimates: {SEQ} "
    "tokens, batch 1, rank 16 on all linear modules, checkpointing, doctor train's loss. By tools/regenerate_fits.py"
)


class Tier(msgspec.Struct, frozen=True):
    """Models of one size; GiB."""

    size: str
    """Such as "8B"."""
    qlora: float
    """Size of the smallest empty card for one sample of SEQ tokens at a time, rank 16, with checkpointing."""
    lora: float
    full: float
    merging: float
    """RAM while peft merges an adapter into 16-bit weights; doctor train merges in fp32, which needs twice as much."""


def tiers() -> tuple[Tier, ...]:
    """Return a tier for each size, small to large."""
    return tuple(_tier(name) for name in SIZES)


def _tier(name: str) -> Tier:
    shape = find_model(name)
    runs = (Run(method=method, seq=SEQ, optimizer="adamw_fused") for method in METHODS)
    cards = (need(band(shape, run)).safe / ROOM for run in runs)
    merging = ram(shape, Run(seq=SEQ, stack=STACKS["hf"])).merging_gib
    size = next(part for part in name.split("-") if part[0].isdigit() and part.endswith("B"))
    return Tier(size, *(round(one, 1) for one in (*cards, merging)))


def main() -> None:
    """Write the table."""
    found = {"about": ABOUT, "seq": SEQ, "tiers": msgspec.to_builtins(tiers())}
    TABLE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
