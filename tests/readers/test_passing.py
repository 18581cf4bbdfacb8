"""Versions that somebody names in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.readers.lists.passing import in_passing


@pytest.mark.parametrize(
    "line",
    [
        "Mine is huggingface_hub==0.17.3, tokenizers==0.14.0,transformers ==4.35.0",
        "my versions are huggingface-hub==0.17.3 and `tokenizers==0.14.0` with transformers == 4.35.0.",
        "I use huggingface_hub===0.17.3, tokenizers==0.14.0; transformers==4.35.0",
    ],
)
def test_own_versions_in_a_sentence_are_weak_entries(line: str) -> None:
    told = in_passing(["first", line]).entries
    assert {(e.name, e.version) for e in told} == {
        ("huggingface-hub", "0.17.3"),
        ("tokenizers", "0.14.0"),
        ("transformers", "4.35.0"),
    }
    assert all(e.weak and e.line == 1 for e in told)


@pytest.mark.parametrize(
    "line",
    [
        "OSX, venv, pip installed torch (v. 1.10.1) and numpy(1.21.4).",
        "I have torch (version 1.10.1) with numpy (1.21.4) here",
        "My torch (1.10.1), my numpy (v1.21.4)",
    ],
)
def test_own_versions_in_brackets(line: str) -> None:
    told = in_passing([line]).entries
    assert {(e.name, e.version) for e in told} == {("torch", "1.10.1"), ("numpy", "1.21.4")}


@pytest.mark.parametrize(
    "line",
    [
        "I use torch.device(0.5) and numpy.float32(1.0)",
        "I have transformers (4.35) and peft (see 2)",
        "my model(1.5) of torch(2.1.0)",
        "torch (2.1.0) needs my numpy (1.21.4)",
    ],
)
def test_numbers_in_brackets_that_are_no_versions_of_two_packages(line: str) -> None:
    assert not in_passing([line]).entries


@pytest.mark.parametrize(
    "line",
    [
        "my setup: pip install transformers==4.35.0 tokenizers==0.14.0",
        "using transformers==4.35.0 and peft==0.5.0 solved it",
        "my transformers requires tokenizers==0.14.0 and huggingface-hub==0.17.3",
        "the versions have to be transformers==4.35.0 or peft==0.4.0 works too",
        "my torch==2.1.0 is fine",
        "I have transformers==4.35.0, transformers==4.36.0",
        "my models a==1.0, b==2.0",
        "if version == 4 and peft == 5:",
        "transformers==4.35.0, peft==0.5.0",
        "I use transformers==4.*, peft==0.*",
    ],
)
def test_what_helped_or_is_asked_for_is_not_there(line: str) -> None:
    assert in_passing([line]).entries == ()


@given(st.lists(st.text(alphabet="my =.torchpeft12<>,*\n", max_size=300), max_size=5))
def test_any_text_gives_weak_entries_with_versions(lines: list[str]) -> None:
    assert all(e.weak and e.version[0].isdigit() for e in in_passing(lines).entries)
