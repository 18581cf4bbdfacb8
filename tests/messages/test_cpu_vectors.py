"""torch 2.13.0+rocm7.2 without a GPU finds no vector instructions of the CPU."""

from typed import inside as doctor

REPORT = """torch 2.13.0+rocm7.2
RuntimeError: Can't detect vectorized ISA for CPU
"""


def test_the_regression_of_the_rocm_build_is_named():
    screen = " ".join(doctor("triage", "-", stdin=REPORT).stdout.split())
    assert "cpu-vectors-missing" in screen
    assert "torch 2.12.1+rocm7.2" in screen
