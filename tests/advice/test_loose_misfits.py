"""Names and keywords that an installed library does not have, where nothing tells who asked for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.advice.misfits import compares, misfits
from tunedoctor.facts import Errors, ErrorText


def _errors(text: str) -> Errors:
    kind = text.partition(":")[0]
    return Errors(
        errors=(ErrorText(text=text, where="line 1", type=kind if " " not in kind else ""),)
    )


@pytest.mark.parametrize(
    ("text", "library"),
    [
        (
            "ImportError: cannot import name 'Old' from 'trl' (/v/lib/python3.12/site-packages/trl/__init__.py)",
            "trl",
        ),
        ("ModuleNotFoundError: No module named 'peft.tuners.newest'", "peft"),
        ("AttributeError: module 'huggingface_hub' has no attribute 'gone'", "huggingface-hub"),
        ("TypeError: KTOConfig.__init__() got an unexpected keyword argument 'x'", "trl"),
        ("Exception: data did not match any variant of untagged enum ModelWrapper", "tokenizers"),
    ],
)
def test_the_library_is_named(text: str, library: str) -> None:
    assert [one.other for one in misfits(_errors(text), loosely=True)] == [library]


@pytest.mark.parametrize(
    "text",
    [
        "ImportError: cannot import name 'Mine' from 'trl' (/home/me/trl.py)",
        "ModuleNotFoundError: No module named 'pyarrow.lib'",
        "TypeError: MyModel.__init__() got an unexpected keyword argument 'width'",
        "FutureWarning: module 'transformers' has no attribute 'x'",
        "ImportError: cannot import name 'load_dataset' from 'datasets' (unknown location)",
    ],
)
def test_what_is_no_matter_of_versions_gives_nothing(text: str) -> None:
    assert list(misfits(_errors(text), loosely=True)) == []


def test_a_library_that_compares_versions_is_quoted() -> None:
    one = compares(_errors("ImportError: Numba needs NumPy 2.0 or less. Got NumPy 2.1."))
    assert one is not None
    assert (one.owner, one.name) == ("Numba", "numpy")
    assert compares(_errors("ImportError: torch>=2 is required for a normal functioning")) is None


@given(st.text(max_size=400))
def test_no_text_makes_them_fall(text: str) -> None:
    list(misfits(_errors(text), loosely=True))
    compares(_errors(text))
