"""uv, asked for real over an index on loopback."""

import os
import sys

import pytest
from libraries.catalogue import release
from libraries.fixtures import resolve
from libraries.server import Index, filename

from tunedoctor.installers.sources import Sources, own
from tunedoctor.installers.uv import (
    Failed,
    NoSolution,
    Pin,
    Question,
    Solved,
    pins_of,
    said,
)
from tunedoctor.installers.uv import resolve as asked

ASK = Question(requirements=("transformers",), python="3.12", platform="x86_64-manylinux_2_28")


def test_a_solution_has_pins_and_who_wants_them(index: Index) -> None:
    answer = resolve(ASK)
    assert isinstance(answer, Solved)
    pins = {pin.name: pin for pin in answer.pins}
    assert pins["transformers"] == Pin("transformers", "5.24.0", ())
    assert pins["tokenizers"] == Pin("tokenizers", "0.23.3", ("transformers",))
    assert set(pins["huggingface-hub"].via) == {"tokenizers", "transformers"}


def test_constraints_and_preferred_pins_hold(index: Index) -> None:
    answer = resolve(
        ASK._replace(constraints=("numpy<2",), preferred=("transformers==5.13.1", "safetensors==9"))
    )
    assert isinstance(answer, Solved)
    pins = {pin.name: pin.version for pin in answer.pins}
    assert pins["numpy"] == "1.26.4"
    assert pins["transformers"] == "5.13.1"
    assert pins["safetensors"] == "0.8.0"


@pytest.mark.parametrize(
    ("question", "word"),
    [
        (
            ASK._replace(constraints=(f"{ASK.requirements[0]}==4.57.6", "huggingface-hub==1.5.0")),
            "huggingface-hub",
        ),
        (ASK._replace(requirements=("no-such-library",)), "no-such-library"),
        (
            ASK._replace(
                requirements=("bitsandbytes",), platform="aarch64-apple-darwin", macos="14.0"
            ),
            "no wheels",
        ),
    ],
)
def test_no_solution_comes_with_the_words_of_uv(
    index: Index, question: Question, word: str
) -> None:
    answer = resolve(question)
    assert isinstance(answer, NoSolution)
    assert word in answer.text
    assert "warning" not in answer.text


def test_what_is_excluded_is_taken_for_met(index: Index) -> None:
    answer = resolve(ASK._replace(excluded=("tokenizers", "numpy")))
    assert isinstance(answer, Solved)
    names = {pin.name for pin in answer.pins}
    assert "transformers" in names
    assert not names & {"tokenizers", "numpy"}


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


def test_one_spoiled_release_fails_loudly_or_gives_way(index: Index) -> None:
    index.spoiled.add(filename(release("transformers", "5.24.0")))
    answer = resolve(ASK)
    if isinstance(answer, Solved):
        assert Pin("transformers", "5.24.0", ()) not in answer.pins
    else:
        assert "transformers" in answer.text


@pytest.mark.parametrize("uv", ["", "gone", sys.executable])
def test_a_program_that_is_not_uv_is_no_answer(uv: str) -> None:
    answer = asked(ASK, Sources(), uv=uv)
    assert isinstance(answer, Failed)
    assert answer.why == ("uv" if uv else "no uv")


def test_pins_and_who_wants_them() -> None:
    text = "A_x==1   # via b, c\nb==2 ; python_version > '3'  # via -r in.txt, a\nc==3+cpu \\\n    --hash=sha256:0\n# d==4\n"
    assert pins_of(text) == (Pin("a-x", "1", ("b", "c")), Pin("b", "2"), Pin("c", "3+cpu"))


def test_warnings_and_escapes_are_not_said() -> None:
    text = "warning: no Python 3.12\n  cause: x\nerror: \x1b[31mNo solution\x1b[0m\n  cause: y\n"
    assert said(text) == "error: No solution\n  cause: y"
