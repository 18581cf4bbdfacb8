"""What a configuration of doctor train takes."""

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import tunedoctor
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.fits import Device
from tunedoctor.memory.forecast import forecast, refusal, run_of
from tunedoctor.memory.shape import MemoryModelError

SHAPE = named("Llama-3.1-8B")
SMALL = (Device("card", "nvidia", 12.0),)
LARGE = (Device("card", "nvidia", 80.0),)
KEYS = ["method", "rank", "targets", "dora", "dropout", "max_length", "micro_batch", "batch", "optimizer",
        "precision", "attention", "checkpointing", "chunk", "shard"]  # fmt: skip


def test_defaults_are_those_of_the_trainer() -> None:
    source = (Path(tunedoctor.__file__).parent / "target" / "train_input.py").read_text()
    said = dict(re.findall(r'^    (\w+): \w+ = (".*?"|\S+)', source, re.MULTILINE))
    values = {key: said[key].strip('"').lower() for key in KEYS if key in said}
    assert {"method", "rank", "max_length", "micro_batch", "batch", "optimizer"} <= set(values)
    assert run_of(values) == run_of({})


def test_what_can_not_fit_is_refused_with_what_would() -> None:
    why = refusal({"method": "lora", "max_length": 2048}, SHAPE, SMALL)
    assert "GiB" in why
    assert "method = 'qlora'" in why
    assert "--no-check" in why
    assert refusal({"method": "lora", "max_length": 2048}, SHAPE, LARGE) == ""
    assert refusal({"method": "full"}, SHAPE, ()) == ""


def test_a_micro_batch_that_the_trainer_halves_is_no_reason() -> None:
    config = {"method": "qlora", "micro_batch": 16, "max_length": 4096}
    assert forecast(config, SHAPE, SMALL).verdict == "doesn't fit"
    assert refusal({**config, "max_length": 1024, "checkpointing": True}, SHAPE, SMALL) == ""


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.text())
)


@given(st.dictionaries(st.sampled_from(KEYS), LEAVES))
def test_any_configuration_is_read_or_refused_in_a_sentence(config: dict[str, Any]) -> None:
    try:
        run = run_of(config)
    except MemoryModelError as error:
        assert str(error)
        return
    assert run.tokens >= 1
