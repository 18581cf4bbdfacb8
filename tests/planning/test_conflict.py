"""What excludes what, out of the resolver's proof: at most three sentences, in the user's terms."""

import time

import pytest

from tunedoctor.installers.uv import NoSolution
from tunedoctor.planning.conflict import (
    UNEXPLAINED,
    describe_conflict,
    describe_missing,
    explain,
)

HEAD = "error: No solution found when resolving dependencies\n  cause: "


@pytest.mark.parametrize(
    ("proof", "sentences"),
    [
        (
            # the last statement about a pair of packages covers all of the versions before
            (
                "Because datasets>=2.16.1,<=2.17.1 depends on fsspec[http]>=2023.1.0,<=2023.10.0 and "
                "datasets>=2.18.0,<=5.1.0 depends on fsspec>=2023.1.0,<=2026.7.0, we can conclude that "
                "datasets>=2.16.1,<=5.1.0 depends on fsspec>=2023.1.0,<=2026.9.0.\n"
                "         And because you require datasets>=2.16.1 and fsspec>2026.9.0, we can conclude "
                "that your requirements are unsatisfiable."
            ),
            (
                "datasets 2.16.1 to 5.1.0 all need fsspec 2026.9.0 or older; "
                "fsspec newer than 2026.9.0 is required"
            ),
        ),
        (
            (
                "Because only safetensors<=0.8.0 is available and you require safetensors>0.8.0, we can "
                "conclude that your requirements are unsatisfiable."
            ),
            "the newest safetensors is 0.8.0; safetensors newer than 0.8.0 is required",
        ),
        (
            (
                "Because trl==1.0 depends on numpy<2 and you require numpy==2.4.0, we can conclude that "
                "your requirements are unsatisfiable."
            ),
            "trl 1.0 needs numpy older than 2; numpy 2.4.0 is required",
        ),
        (
            (
                "Because you require numpy<2 and numpy>=2, we can conclude that your requirements are "
                "unsatisfiable."
            ),
            "these requirements exclude each other: numpy older than 2, and numpy 2 or newer",
        ),
        (
            (
                "Because trl>=1.0.0 depends on transformers>=4.56.2 and your project depends on "
                "transformers<4.40, we can conclude that trl>=1.0.0 and your project are incompatible.\n"
                "         And because your project depends on trl>=1.0, we can conclude that your "
                "project's requirements are unsatisfiable."
            ),
            (
                "trl 1.0.0 and newer all need transformers 4.56.2 or newer; "
                "transformers older than 4.40 is required"
            ),
        ),
        (
            # what the proof derives is no requirement of the user
            (
                "Because peft==0.18.0 depends on accelerate>=0.21.0 and you require peft==0.18, we can "
                "conclude that you require accelerate>=0.21.0.\n         And because you require "
                "accelerate<0.21, we can conclude that your requirements are unsatisfiable."
            ),
            "peft 0.18.0 needs accelerate 0.21.0 or newer; accelerate older than 0.21 is required",
        ),
        (
            (
                "Because the requested Python version (>=3.11) does not satisfy Python>=3.12 and "
                "axolotl>=0.20.0 depends on Python>=3.12, we can conclude that axolotl>=0.20.0 cannot be used."
            ),
            "axolotl 0.20.0 and newer need Python 3.12 or newer; this is Python 3.11",
        ),
        (
            (
                "Because all versions of flash-attn have no usable wheels and you require flash-attn, we "
                "can conclude that your requirements are unsatisfiable."
            ),
            "flash-attn has no wheel for this Python and machine",
        ),
        ("Because of something that nobody foresaw, there is no solution.", ""),
    ],
)
def test_a_proof_in_a_few_sentences(proof, sentences):
    assert describe_conflict(HEAD + proof) == sentences


def test_a_long_proof_stays_short_and_takes_no_time():
    links = (f"a{i}>=1,<={i} depends on b{i}>=1,<2 and" for i in range(5000))
    began = time.process_time()
    found = describe_conflict(
        f"{HEAD}Because {' '.join(links)} you require b1>3, we can conclude nothing."
    )
    assert time.process_time() - began < 5
    assert found.count(";") <= 2


def test_what_has_no_wheel_is_said_in_a_few_words():
    text = (
        "Because library>=0.9.0 has no usable wheels and only the following versions of library"
        " are available:\n  library<=0.8.3\n  library>=0.9.0\nwe can conclude that library>0.8.3"
        " cannot be used. And because you require library>0.8.3, we can conclude that your"
        " requirements are unsatisfiable."
    )
    assert describe_conflict(text) == (
        "library 0.9.0 or newer has no wheel for this Python and machine;"
        " library newer than 0.8.3 is required"
    )


def test_an_installed_version_is_called_installed():
    text = (
        "Because trl==1.0 depends on numpy>=1.20,<2 and you require numpy==2.4.0, we can conclude that"
        " your requirements are unsatisfiable."
    )
    assert explain(NoSolution(HEAD + text), {"numpy": "2.4.0"}) == (
        "trl 1.0 needs numpy older than 2; numpy 2.4.0 is installed"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", UNEXPLAINED),
        (
            "Because of something else and you require trl and peft>=1, we can conclude nothing.",
            "no versions of trl and peft work together; -v shows the details",
        ),
        (
            "Because of something else.",
            "these requirements exclude each other; -v shows the details",
        ),
    ],
)
def test_a_proof_of_another_form_is_not_quoted(text, line):
    assert explain(NoSolution(text and HEAD + text), {}) == line


def test_a_package_that_no_source_has_is_named():
    text = (
        "Because tunex was not found in the package registry and you require tunex, we can"
        " conclude that your requirements are unsatisfiable."
    )
    assert describe_missing(text) == "no source has a package named tunex"


def test_a_version_that_no_source_has_is_named():
    text = (
        "Because there is no version of torch==2.15.0+cpu and you require torch==2.15.0+cpu, we"
        " can conclude that your requirements are unsatisfiable."
    )
    assert describe_missing(text) == "no source has torch 2.15.0+cpu"
