"""Errors about a name or keyword that one library asks of another, known to be theirs or only likely so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.advice.told import compares, given_up, misfits
from tunedoctor.facts import Errors, ErrorText, Frame

SITE = "/opt/env/lib/python3.11/site-packages"
SIX = "ModuleNotFoundError: No module named 'torch._six'"
ADAM = "ImportError: cannot import name 'AdamW' from 'transformers'"


def _error(text: str, *files: str) -> Errors:
    kind = text.partition(":")[0]
    frames = tuple(Frame(file=file) for file in files)
    return Errors((ErrorText(text=text, type=kind if " " not in kind else "", frames=frames),))


@pytest.mark.parametrize(
    ("text", "files", "pair"),
    [
        (
            f"ImportError: cannot import name '_gone' from 'torchmetrics.utilities' ({SITE}/torchmetrics/utilities.py)",
            ["/home/user/a.py", f"{SITE}/pytorch_lightning/trainer.py"],
            ["pytorch-lightning", "torchmetrics"],
        ),
        (
            "TypeError: Accelerator.__init__() got an unexpected keyword argument 'dispatch_batches'",
            ["C:\\envs\\a\\lib\\site-packages\\transformers\\trainer.py"],
            ["transformers", "accelerate"],
        ),
        (ADAM, ["/home/user/train.py"], []),
        (ADAM, [f"{SITE}/trl/a.py", "/home/user/train.py"], []),
        ("ValueError: 3", [f"{SITE}/trl/a.py"], []),
        ("ImportError: cannot import name 'x' from 'torch'", [], []),
    ],
)
def test_owner_and_other_are_told(text: str, files: list[str], pair: list[str]) -> None:
    assert [
        side for one in misfits(_error(text, *files)) for side in (one.owner, one.other)
    ] == pair


@pytest.mark.parametrize(
    ("text", "library"),
    [
        (f"ImportError: cannot import name 'Old' from 'trl' ({SITE}/trl/__init__.py)", ["trl"]),
        ("ModuleNotFoundError: No module named 'peft.tuners.newest'", ["peft"]),
        ("AttributeError: module 'huggingface_hub' has no attribute 'gone'", ["huggingface-hub"]),
        ("ImportError: cannot import name 'Mine' from 'trl' (/home/me/trl.py)", []),
        ("ModuleNotFoundError: No module named 'pyarrow.lib'", []),
        ("TypeError: MyModel.__init__() got an unexpected keyword argument 'width'", []),
        ("FutureWarning: module 'transformers' has no attribute 'x'", []),
        ("ImportError: cannot import name 'load' from 'datasets' (unknown location)", []),
    ],
)
def test_where_nothing_tells_who_asked_the_library_is_named(text: str, library: list[str]) -> None:
    assert [one.other for one in misfits(_error(text), loosely=True)] == library


@pytest.mark.parametrize(
    ("text", "file", "torch", "told"),
    [
        (SIX, f"{SITE}/deepspeed/a.py", "", ("deepspeed", "2.0")),
        (SIX, "/home/me/a.py", "2.6.0", ("", "2.0")),
        (SIX, "/home/me/a.py", "1.13.1", None),
    ],
)
def test_a_name_that_torch_gave_up(
    text: str, file: str, torch: str, told: tuple[str, str] | None
) -> None:
    one = given_up(_error(text, file), torch)
    assert (one and (one.owner, one.since)) == told


@given(st.text(), st.lists(st.text(max_size=60), max_size=4))
def test_any_text_is_taken(text: str, files: list[str]) -> None:
    errors = _error(text, *files)
    assert all(one.owner != one.other for one in misfits(errors))
    list(misfits(errors, loosely=True))
    compares(errors)
