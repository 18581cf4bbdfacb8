"""uv, asked for real over an index on loopback; what it and pip say is shortened and never put into other words."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries.catalogue import release
from libraries.fixtures import resolve
from libraries.server import Index, filename

from tunedoctor.installers.sources import Sources, own
from tunedoctor.installers.uv import (
    LONGEST,
    Failed,
    NoSolution,
    Question,
    Solved,
    pins_of,
    said,
    why,
)
from tunedoctor.installers.uv import resolve as asked
from tunedoctor.plan import Pin

ASK = Question(requirements=("transformers",), python="3.12", platform="x86_64-manylinux_2_28")


def test_a_solution_has_pins_and_who_wants_them(index: Index) -> None:
    answer = resolve(ASK)
    assert isinstance(answer, Solved)
    pins = {pin.name: pin for pin in answer.pins}
    assert pins["transformers"] == Pin(name="transformers", version="5.24.0")
    assert pins["tokenizers"] == Pin(name="tokenizers", version="0.23.3", via=("transformers",))
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
        assert Pin(name="transformers", version="5.24.0") not in answer.pins
    else:
        assert "transformers" in answer.text


@pytest.mark.parametrize("uv", ["", "gone", sys.executable])
def test_a_program_that_is_not_uv_is_no_answer(uv: str) -> None:
    answer = asked(ASK, Sources(), uv=uv)
    assert isinstance(answer, Failed)
    assert answer.why == ("uv" if uv else "no uv")


def test_pins_and_who_wants_them() -> None:
    text = "A_x==1   # via b, c\nb==2 ; python_version > '3'  # via -r in.txt, a\nc==3+cpu \\\n    --hash=sha256:0\n# d==4\n"
    assert pins_of(text) == (
        Pin(name="a-x", version="1", via=("b", "c")),
        Pin(name="b", version="2"),
        Pin(name="c", version="3+cpu"),
    )


def test_warnings_and_escapes_are_not_said() -> None:
    text = "warning: no Python 3.12\n  cause: x\nerror: \x1b[31mNo solution\x1b[0m\n  cause: y\n"
    assert said(text) == "error: No solution\n  cause: y"


HEAD = "error: No solution found when resolving dependencies\n"
PAIR = f"""{HEAD}  cause: Because transformers==4.57.6 depends on huggingface-hub>=0.34.0,<1.0 and \
huggingface-hub==1.5.0, we can conclude that transformers==4.57.6 cannot be used.
         And because you require transformers==4.57.6, we can conclude that your requirements are unsatisfiable.

hint: something else
"""
OLD_FORM = """  × No solution found when resolving dependencies:
  ╰─▶ Because only unsloth-zoo<=2026.10.9 is available and unsloth-zoo>=2026.8.16 depends on
      torchao>=0.13.0, we can conclude that unsloth-zoo>=2026.8.16 depends on torchao>=0.13.0.
      And because unsloth==2026.10.9 depends on unsloth-zoo>=2026.10.9 and you require torchao<0.12, we can
      conclude that unsloth==2026.10.9 cannot be used.
"""
PYTHON = f"""{HEAD}  cause: Because the requested Python version (>=3.9) does not satisfy Python>=3.11.0 and all of:
             transformers==5.23.0
             transformers==5.24.0
         depend on Python>=3.11.0, we can conclude that transformers>=5.23 cannot be used. (1)
         Because we know from (1) that transformers>=5.23,<6 cannot be used and you require transformers, we can \
conclude that your requirements are unsatisfiable.
"""
NO_WHEEL = f"""{HEAD}  cause: Because all versions of flash-attn have no usable wheels and you require flash-attn, \
we can conclude that your requirements are unsatisfiable.
"""
TAGS = f"""{HEAD}  cause: Because bitsandbytes>=0.45.0 has no wheels with a matching platform tag (e.g., `x_64`) and you \
require bitsandbytes>=0.45, we can conclude that your requirements are unsatisfiable.
"""
MARKED = f"""{HEAD}  cause: Because mlx{{sys_platform == 'darwin'}}==0.32.1 has no wheels with a matching platform tag and \
zoo>=2,<=3 depends on mlx{{sys_platform == 'darwin'}}==0.32.1, we can conclude that zoo>=2 cannot be used.
"""
ABSENT = f"""{HEAD}  cause: Because there is no version of peft==77 and a was not found in the package registry, we \
can conclude that your requirements are unsatisfiable.
"""


@pytest.mark.parametrize(
    ("text", "told", "lacked"),
    [
        (PAIR, "Because transformers==4.57.6 depends on huggingface-hub>=0.34.0,<1.0 and hu", ""),
        (OLD_FORM, "Because only unsloth-zoo<=2026.10.9 is available and unsloth-z", "unsloth-zoo"),
        (
            PYTHON,
            "Because the requested Python version (>=3.9) does not satisfy Python>=3.11.0",
            "",
        ),
        (NO_WHEEL, "Because all versions of flash-attn have no usable wheels", "flash-attn"),
        (TAGS, "Because bitsandbytes>=0.45.0 has no wheels", "bitsandbytes"),
        (MARKED, "Because mlx{sys_platform", "mlx"),
        (ABSENT, "Because there is no version of peft==77", "peft a"),
        ("", "uv found no solution and did not say why", ""),
    ],
)
def test_an_explanation_keeps_its_words(text: str, told: str, lacked: str) -> None:
    answer = NoSolution(text)
    assert answer.why().startswith(told)
    assert answer.lacked == tuple(lacked.split())


def test_it_tells_of_whom_it_speaks() -> None:
    known = ("hub", "huggingface-hub", "transformers", "torch")
    assert NoSolution(PAIR).names(known) == ["huggingface-hub", "transformers"]


_WORDS = st.sampled_from(
    [
        "Because",
        "And because",
        "depends on",
        "you require",
        "and",
        "a==1",
        "b>=2,<3",
        "b",
        "all of:",
        "we can conclude that",
        "\n",
        "(",
        "has no usable wheels",
        "cause: ",
    ]
)


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            (
                "Using CPython 3.11.7 interpreter at: env/bin/python\nResolved 1 package in 10ms\n"
                "  \u00d7 Failed to download `tqdm==4.70.1`\n  \u251c\u2500\u25b6 Network connectivity is disabled\n"
                "  \u2570\u2500\u25b6 Not in the cache: https://index.example/tqdm\n"
            ),
            (
                "Failed to download `tqdm==4.70.1`; Network connectivity is disabled; "
                "Not in the cache: https://index.example/tqdm"
            ),
        ),
        (
            "warning: no\n  cause: of it\nerror: \x1b[31mNot\x1b[0m there\n  cause: y\n",
            "Not there; y",
        ),
        (
            "Looking in links: x\nWARNING: old\nERROR: one\nERROR: No matching distribution\n",
            "No matching distribution",
        ),
        ("", "it said nothing"),
    ],
)
def test_why_an_installer_failed(text: str, told: str) -> None:
    assert why(text) == told
