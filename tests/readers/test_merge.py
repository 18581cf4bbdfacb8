"""Facts of one kind that stand in a text several times become one fact."""

import pytest

from tunedoctor.facts import Compilers, Errors, ErrorText, Interpreter, Memory, TorchBuild
from tunedoctor.readers.merge import merged


@pytest.mark.parametrize(
    ("version", "second", "expected"),
    [
        (
            "2.6.0",
            TorchBuild(version="2.6.0+cu124", cuda="12.4", variant="cu124"),
            TorchBuild(version="2.6.0", cuda="12.4", variant="cu124"),
        ),
        (
            "2.9.1+cu130",
            TorchBuild(version="2.9.1", cuda="13.0"),
            TorchBuild(version="2.9.1+cu130", cuda="13.0"),
        ),
    ],
)
def test_a_build_is_completed_by_the_same_build(version, second, expected):
    assert merged(TorchBuild(version=version), second) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            TorchBuild(version="1.3.0", conda=True),
            TorchBuild(version="2.6.0+cu124", cuda="12.4", variant="cu124"),
        ),
        (TorchBuild(version="2.9.1+cu130"), TorchBuild(version="2.9.1+cu128", cuda="12.8")),
        (TorchBuild(version="2.9.1+cu130"), TorchBuild(version="2.9.0", cuda="12.8")),
    ],
)
def test_a_build_is_not_completed_by_another(first, second):
    assert merged(first, second) == first


def test_another_patch_release_is_another_interpreter():
    result = merged(
        Interpreter(executable="", version="3.10.12"),
        Interpreter(executable="/usr/bin/python3", version="3.10.6"),
    )
    assert result == Interpreter(executable="", version="3.10.12")


def test_a_shorter_version_can_be_the_same_interpreter():
    result = merged(
        Interpreter(executable="", version="3.10.12"), Interpreter(executable="/p", version="3.10")
    )
    assert result == Interpreter(executable="/p", version="3.10.12")


def test_errors_are_kept_once():
    result = merged(
        Errors(errors=(ErrorText(text="a"),)),
        Errors(errors=(ErrorText(text="a"), ErrorText(text="b"))),
    )
    assert result == Errors(errors=(ErrorText(text="a"), ErrorText(text="b")))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            Compilers(cxx=None),
            Compilers(cc=None, cxx="g++", nvcc_version="1"),
            Compilers(cxx="g++", nvcc_version="1"),
        ),
        (Compilers(cc=None, cxx="g++"), Compilers(cxx=None), Compilers(cxx="g++")),
        (
            Memory(total=8589934592, available=None),
            Memory(total=8589934592, available=1),
            Memory(total=8589934592, available=1),
        ),
    ],
)
def test_what_one_line_does_not_say_comes_from_the_other(first, second, expected):
    assert merged(first, second) == expected
