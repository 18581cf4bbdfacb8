"""The table behind the notes of doctor check is what memory/ reckons."""

import itertools

import msgspec

from tunedoctor.memory.tiers import tiers
from tunedoctor.tables.load import table


def test_the_table_is_what_is_reckoned() -> None:
    """`python tools/regenerate_fits.py` writes it anew."""
    assert table("what_fits")["tiers"] == list(msgspec.to_builtins(tiers()))


def test_larger_models_need_more_and_full_fine_tunes_most() -> None:
    found = tiers()
    for small, large in itertools.pairwise(found):
        assert small.qlora < large.qlora
        assert small.merging < large.merging
    assert all(one.qlora < one.lora < one.full for one in found)
    assert all(one.loading <= one.merging for one in found)
