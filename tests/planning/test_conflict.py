"""What excludes what, out of the resolver's proof: at most three sentences, in the user's terms."""

import time

import pytest

from tunedoctor.planning.conflict import describe_conflict, describe_missing

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
                "datasets 2.16.1 to 5.1.0 all need fsspec 2023.1.0 to 2026.9.0; "
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


def test_a_version_that_no_source_has_is_named():
    text = (
        "Because there is no version of torch==2.15.0+cpu and you require torch==2.15.0+cpu, we"
        " can conclude that your requirements are unsatisfiable."
    )
    assert describe_missing(text) == "no source has torch 2.15.0+cpu"
