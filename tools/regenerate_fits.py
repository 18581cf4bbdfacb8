"""Write tables/what_fits.json anew: `python tools/regenerate_fits.py`."""

import json
from pathlib import Path

import msgspec

from tunedoctor.memory.overview import SEQ, tiers

TABLE = Path(__file__).parents[1] / "src" / "tunedoctor" / "tables" / "what_fits.json"
ABOUT = (
    f"GiB of the smallest card, empty, and of RAM for models of each size, as memory/overview.py reckons: {SEQ} "
    "tokens, batch 1, rank 16 on all linear modules, checkpointing, doctor train's loss. By tools/regenerate_fits.py"
)


def main() -> None:
    """Write the table."""
    found = {"about": ABOUT, "seq": SEQ, "tiers": msgspec.to_builtins(tiers())}
    TABLE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
