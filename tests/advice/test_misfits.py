"""Errors in the code of one library about a name or keyword of another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.advice.misfits import misfits
from tunedoctor.facts import Errors, ErrorText, Frame

SITE = "/opt/env/lib/python3.11/site-packages"


def _error(text: str, *files: str) -> Errors:
    return Errors(errors=(ErrorText(text=text, frames=tuple(Frame(file=f) for f in files)),))


@pytest.mark.parametrize(
    ("text", "files", "pair"),
    [
        (
            f"ImportError: cannot import name '_gone' from 'torchmetrics.utilities' ({SITE}/torchmetrics/utilities.py)",
            ["/home/user/a.py", f"{SITE}/pytorch_lightning/trainer.py"],
            ("pytorch-lightning", "torchmetrics"),
        ),
        (
            "TypeError: Accelerator.__init__() got an unexpected keyword argument 'dispatch_batches'",
            ["C:\\envs\\a\\lib\\site-packages\\transformers\\trainer.py"],
            ("transformers", "accelerate"),
        ),
        (
            "TypeError: Trainer.__init__() got an unexpected keyword argument 'processing_class'",
            [f"{SITE}/trl/trainer/sft_trainer.py", f"{SITE}/transformers/utils/deprecation.py"],
            ("trl", "transformers"),
        ),
        (
            "AttributeError: module 'pyarrow' has no attribute 'PyExtensionType'",
            [f"{SITE}/datasets/features/features.py"],
            ("datasets", "pyarrow"),
        ),
        (
            "pydantic.errors.PydanticUserError: If you use `@root_validator` with pre=False",
            [f"{SITE}/deepspeed/runtime/config_utils.py", f"{SITE}/pydantic/deprecated/tools.py"],
            ("deepspeed", "pydantic"),
        ),
    ],
)
def test_owner_and_other_are_told(text: str, files: list[str], pair: tuple[str, str]) -> None:
    (found,) = misfits(_error(text, *files))
    assert (found.owner, found.other) == pair


@pytest.mark.parametrize(
    ("text", "files"),
    [
        # the user's own code asks
        ("ImportError: cannot import name 'AdamW' from 'transformers'", ["/home/user/train.py"]),
        (
            "ImportError: cannot import name 'AdamW' from 'transformers'",
            [f"{SITE}/trl/a.py", "/home/user/train.py"],
        ),
        # a part of itself
        ("ImportError: cannot import name '_c' from 'numpy.core'", [f"{SITE}/numpy/__init__.py"]),
        # another file than the installed one
        (
            "ImportError: cannot import name 'x' from 'datasets' (/home/user/datasets/__init__.py)",
            [f"{SITE}/evaluate/a.py"],
        ),
        (
            "ImportError: cannot import name 'x' from partially initialized module 'torch'",
            [f"{SITE}/trl/a.py"],
        ),
        ("ValueError: 3", [f"{SITE}/trl/a.py"]),
        ("ImportError: cannot import name 'x' from 'torch'", []),
    ],
)
def test_what_is_none(text: str, files: list[str]) -> None:
    assert not list(misfits(_error(text, *files)))


@given(st.text(), st.lists(st.text(max_size=60), max_size=4))
def test_any_text_is_taken(text: str, files: list[str]) -> None:
    assert all(one.owner != one.other for one in misfits(_error(text, *files)))


def test_no_errors_no_misfit() -> None:
    assert not list(misfits(None))
