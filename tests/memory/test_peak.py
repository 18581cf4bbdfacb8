"""The peak of a step for any model and run; hours and prices; the table behind the notes of doctor check."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typed import tool

from tunedoctor.memory.band import Device, band, fit, need
from tunedoctor.memory.catalogue import find_model
from tunedoctor.memory.host import Prices, costs, speed
from tunedoctor.memory.overview import SIZES, device_of, fits_well, largest, smallest
from tunedoctor.memory.parameters import OPTIMIZERS
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import STACKS, Run
from tunedoctor.tables.gpus import cards_like
from tunedoctor.tables.load import table
from tunedoctor.tables.small import models

GIB = 1 << 30
NAMES = [row.name for row in models()]
SOME = {
    "method": ["lora", "qlora", "full"], "accum": [1, 4], "optimizer": sorted(OPTIMIZERS), "gpus": [1, 2, 8],
    "attention": ["sdpa", "eager", "flash"], "stack": list(STACKS.values()), "precision": ["bf16", "mixed", "fp32"],
    "quantisation": ["nf4-dq", "nf4", "int8"], "sharding": ["ddp", "zero1", "zero2", "zero3", "fsdp"],
    **dict.fromkeys(("dora", "checkpointing", "embeddings", "padded"), (False, True)),
}  # fmt: skip
MOST = {"rank": 256, "seq": 8192, "batch": 16}
RUNS = st.builds(
    Run,
    **{k: st.sampled_from(v) for k, v in SOME.items()},
    **{k: st.integers(1, v) for k, v in MOST.items()},
)


@settings(max_examples=200)
@given(st.sampled_from(NAMES), RUNS)
def test_terms_sum_to_the_peak_and_the_peak_is_the_highest_phase(name, run):
    found = peak(find_model(name), run)
    assert sum(found.terms.values()) == found.total == max(found.phases.values())
    assert found.phases[found.phase] == found.total
    assert all(value > 0 for value in found.terms.values())


@settings(max_examples=200)
@given(
    st.sampled_from(NAMES), RUNS, st.sampled_from(["rank", "seq", "batch"]), st.integers(1, 4096)
)
def test_more_of_anything_never_needs_less(name, run, what, more):
    larger = msgspec.structs.replace(run, **{what: getattr(run, what) + more})
    assert peak(find_model(name), larger).total >= peak(find_model(name), run).total


@settings(max_examples=100)
@given(st.sampled_from(NAMES), RUNS)
def test_the_band_holds_its_middle_and_an_unknown_stack_the_known_ones(name, run):
    shape = find_model(name)
    found = band(shape, run)
    assert found.low <= found.middle <= found.high
    other = band(shape, msgspec.structs.replace(run, stack=STACKS["other"]))
    hf = peak(shape, msgspec.structs.replace(run, stack=STACKS["hf"])).total / GIB
    assert other.low <= hf <= other.high


@pytest.mark.parametrize(
    ("name", "run", "gib"),
    [
        ("meta-llama/Llama-3.2-1B", {"method": "qlora", "prepared": False}, 4.66),
        ("Qwen/Qwen3-4B", {"method": "qlora", "prepared": False}, 7.28),
        ("google/gemma-3-4b-it", {"method": "qlora", "prepared": False}, 10.49),
        ("meta-llama/Llama-3.1-8B", {"method": "qlora", "prepared": False}, 9.75),
        ("meta-llama/Llama-3.1-8B", {"method": "lora", "prepared": None}, 19.4),
    ],
)
def test_traced_peaks(name, run, gib):
    """By the real model classes under torch's fake tensors, with Hugging Face's loss, 2048 tokens and rank 16."""
    found = peak(find_model(name), Run(**run, stack=STACKS["hf"])).total
    assert found / GIB == pytest.approx(gib, rel=0.005)


@pytest.mark.parametrize(
    ("name", "method", "size"),
    [*itertools.product(SIZES, ["lora", "qlora", "full"], [8, 16, 24, 80])],
)
def test_advice_fits_and_the_largest_run_is_the_last_that_does(name, method, size):
    shape, device = find_model(name), Device("card", "nvidia", size)
    run = Run(method=method, seq=4096, batch=4, checkpointing=False, stack=STACKS["hf"])
    changes = smallest(shape, run, device)
    if changes:
        assert fits_well(shape, changes[-1].run, device)
    most = largest(shape, run, device)
    if most.seq:
        assert fits_well(shape, msgspec.structs.replace(run, seq=most.seq), device)
        assert not fits_well(shape, msgspec.structs.replace(run, seq=most.seq + 128), device)
    if most.batch:
        assert not fits_well(shape, msgspec.structs.replace(run, batch=most.batch + 1), device)


def test_what_lacks_memory_is_never_said_to_fit():
    shape = find_model("Llama-3.1-8B")
    for size in (4.0, 8.0, 12.0, 16.0, 24.0, 48.0, 80.0):
        found = fit(shape, Run(), Device("card", "nvidia", size))
        assert (found.margin_gib < 0) == (found.verdict == "doesn't fit")
        if found.verdict == "fits":
            assert need(band(shape, Run())).safe <= 0.97 * size


def test_a_card_that_others_use_has_only_what_is_free():
    shape = find_model("Llama-3.1-8B")
    assert fit(shape, Run(), Device("card", "nvidia", 24.0)).verdict == "fits"
    assert fit(shape, Run(), Device("card", "nvidia", 24.0, 12.0)).verdict == "doesn't fit"


SHAPE = find_model("Llama-3.1-8B")
RUN = Run(method="qlora")
OWN = device_of(cards_like("RTX 4090")[0])
RENTED = device_of(cards_like("H100 80GB HBM3")[0])
PRICES = Prices(tokens=50_000_000, per_hour=2.5, rented=RENTED, card=1800.0, power=0.3, watts=450.0)


def test_hours_are_tokens_by_speed_and_money_is_hours_by_price():
    found = costs(SHAPE, RUN, OWN, PRICES)
    rate = speed(SHAPE, RUN, OWN.tflops, OWN.bandwidth_gb_s)
    assert found.own.hours == pytest.approx(50_000_000 / rate.tokens_per_second / 3600)
    assert found.own.cost == pytest.approx(found.own.hours * 0.45 * 0.3)
    assert found.rented.hours is not None
    assert found.rented.cost == pytest.approx(found.rented.hours * 2.5)
    assert found.even_trainings == pytest.approx(1800 / (found.rented.cost - found.own.cost))


def test_the_table_is_what_is_reckoned():
    """`python tools/regenerate_fits.py` writes it anew."""
    assert table("what_fits")["tiers"] == list(msgspec.to_builtins(tool("regenerate_fits").tiers()))
