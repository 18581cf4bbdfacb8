"""Loss, masks, packing and order of the trainer, each against a plain way to get the same."""

import tomllib
from pathlib import Path

import pytest
from trainers import done

TOLD = tomllib.loads(Path(__file__).with_name("proofs.toml").read_text("utf-8"))


@pytest.mark.parametrize("proof", TOLD["proofs"])
def test_that(train, tiny_model, proof):
    done(train(code=f"folder = {tiny_model!r}\n{TOLD['rows']}{TOLD['proofs'][proof]}"))


LEAKY = """
load = trainer.load_model
def leaky(*arguments):  # as transformers whose attention looks at no positions
    model = load(*arguments)
    forward = model.forward
    model.forward = lambda *a, position_ids=None, **k: forward(*a, **k)
    return model
trainer.load_model = leaky
"""


def test_packing_where_samples_would_see_each_other_is_refused(runs):
    told = ("packed samples see each other",)
    runs("--packing=true", "--method=full", code=LEAKY, status=2, says=told)
