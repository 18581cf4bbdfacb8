"""The table behind the notes of doctor check is what memory/ reckons."""

import msgspec

from tunedoctor.memory.tiers import tiers
from tunedoctor.tables.load import table


def test_the_table_is_what_is_reckoned() -> None:
    """`python tools/regenerate_fits.py` writes it anew."""
    assert table("what_fits")["tiers"] == list(msgspec.to_builtins(tiers()))
