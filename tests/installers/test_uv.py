"""uv, asked for real over an index on loopback; what it and pip say is shortened and never put into other words."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries.fixtures import resolve
from libraries.server import Index

from tunedoctor.installers.sources import Sources, own
from tunedoctor.installers.uv import (
    LONGEST,
    Failed,
    NoSolution,
    Question,
    Solved,
)
from tunedoctor.installers.uv import resolve as asked
from tunedoctor.model.plan import Pin

ASK = Question(requirements=("transformers",), python="3.12", platform="x86_64-manylinux_2_28")


def test_a_solution_has_pins_and_who_wants_them(index: Index) -> None:
    answer = resolve(ASK)
    assert isinstance(answer, Solved)
    pins = {pin.name: pin for pin in answer.pins}
    assert pins["transformers"] == Pin(name="transformers", version="5.24.0")
    assert pins["tokenizers"] == Pin(name="tokenizers", version="0.23.3", via=("transformers",))
    assert set(pins["huggingface-hub"].via) == {"tokenizers", "transformers"}


PAIR = ("transformers==4.57.6", "huggingface-hub==1.5.0")


@pytest.mark.parametrize(("question", "word"), [
    (ASK._replace(constraints=PAIR), "huggingface-hub"),
    (ASK._replace(requirements=("no-such-library",)), "no-such-library"),
    (ASK._replace(requirements=("bitsandbytes",), platform="aarch64-apple-darwin", macos="14.0"), "no wheels"),
])  # fmt: skip
def test_no_solution_comes_with_the_words_of_uv(
    index: Index, question: Question, word: str
) -> None:
    answer = resolve(question)
    assert isinstance(answer, NoSolution)
    assert word in answer.text
    assert "warning" not in answer.text


def test_an_index_that_is_down_is_no_answer(index: Index) -> None:
    index.close()
    answer = resolve(ASK)
    assert isinstance(answer, Failed)
    assert answer.why == "network"


def test_an_index_that_stalls_ends_with_the_time(index: Index) -> None:
    index.stalled.set()
    answer = asked(ASK, own(os.environ), seconds=1.0)
    assert isinstance(answer, Failed)
    assert answer.why == "time"


@pytest.mark.parametrize("uv", ["", "gone", sys.executable])
def test_a_program_that_is_not_uv_is_no_answer(uv: str) -> None:
    answer = asked(ASK, Sources(), uv=uv)
    assert isinstance(answer, Failed)
    assert answer.why == ("uv" if uv else "no uv")


_WORDS = st.sampled_from([
    "Because", "And because", "depends on", "you require", "and", "a==1", "b>=2,<3", "b", "all of:", "we can conclude that", "\n", "(",
    "has no usable wheels", "cause: ",
])  # fmt: skip


@given(st.one_of(st.text(), st.lists(_WORDS).map(" ".join)))
def test_any_text_gives_one_line(text: str) -> None:
    answer = NoSolution(text)
    told = answer.why()
    assert told
    assert len(told) <= LONGEST + 2
    assert "\n" not in told
    assert all(name == name.lower() for name in answer.lacked)
    if "did not say why" not in told:
        assert all(word.strip(" ;,.") in text for word in told.removesuffix("…").split())
