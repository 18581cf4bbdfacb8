"""Facts of several readers complete each other and never mix two builds or two interpreters."""

import pytest

from tunedoctor.facts import Compilers, Errors, ErrorText, Fact, Interpreter, Memory, TorchBuild
from tunedoctor.readers.merge import merged

PLAIN, FULL = TorchBuild("2.6.0"), TorchBuild("2.6.0+cu124", cuda="12.4", variant="cu124")
CU130, OWN = TorchBuild("2.9.1+cu130"), Interpreter("", version="3.10.12")
ONE, OTHER = ErrorText(text="a"), ErrorText(text="b")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (TorchBuild("1.3.0", conda=True), FULL, TorchBuild("1.3.0", conda=True)),
        (PLAIN, FULL, TorchBuild("2.6.0", cuda="12.4", variant="cu124")),
        (CU130, TorchBuild("2.9.1+cu128", cuda="12.8"), CU130),
        (CU130, TorchBuild("2.9.0", cuda="12.8"), CU130),
        (CU130, TorchBuild("2.9.1", cuda="13.0"), TorchBuild("2.9.1+cu130", cuda="13.0")),
        (OWN, Interpreter("/usr/bin/python3", version="3.10.6"), OWN),
        (OWN, Interpreter("/p", version="3.10"), Interpreter("/p", version="3.10.12")),
        (Errors((ONE,)), Errors((ONE, OTHER)), Errors((ONE, OTHER))),
        (
            Compilers("", None),
            Compilers(None, "g++", nvcc_version="1"),
            Compilers("", "g++", nvcc_version="1"),
        ),
        (Compilers(None, "g++"), Compilers("", None), Compilers("", "g++")),
        (
            Memory(8 << 30, available=None),
            Memory(8 << 30, available=1),
            Memory(8 << 30, available=1),
        ),
    ],
)
def test_what_both_tell(one: Fact, other: Fact, both: Fact) -> None:
    assert merged(one, other) == both
