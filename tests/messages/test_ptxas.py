"""What is advised where Triton's ptxas does not know the GPU."""

import pytest
from typed import inside as doctor

SM_121A = "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'"
SM_110A = "ptxas-blackwell fatal   : Value 'sm_110a' is not defined for option 'gpu-name'"
SM_120 = "ptxas fatal   : Value 'sm_120' is not defined for option 'gpu-name'"
ARCH_LIST = "ValueError: Unknown CUDA arch (12.1a) or GPU not supported"


def screen_of(*lines: str) -> str:
    """Return what triage says of these lines, on one line."""
    return " ".join(doctor("triage", "-", stdin="\n".join(lines)).stdout.split())


@pytest.mark.parametrize(
    ("torch", "error", "fix"),
    [
        # Triton 3.5 has one ptxas, of CUDA 12.8
        ("torch 2.9.1+cu130", SM_121A, "export TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas"),
        # Triton 3.6 has a second one for compute capability 10.0 and newer, with a variable of its own
        ("torch 2.10.0+cu130", SM_110A, "export TRITON_PTXAS_BLACKWELL_PATH=/usr/local/cuda/bin/"),
        # Triton 3.9 knows it: another ptxas ran
        ("torch 2.15.0+cu130", SM_121A, "unset TRITON_PTXAS_BLACKWELL_PATH"),
        # no ptxas before torch 2.10 knows sm_121a, so an unknown torch is no reason to install another one
        ("", SM_121A, "export TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas"),
    ],
)
def test_the_torch_stays_where_only_ptxas_is_too_old(torch, error, fix):
    screen = screen_of(torch, error)
    assert fix in screen
    assert "pip install" not in screen


def test_the_torch_whose_triton_brings_a_newer_ptxas_is_named():
    assert "torch 2.10 or newer" in screen_of("torch 2.9.1+cu130", SM_121A)
    assert "torch 2.12 or newer" in screen_of("torch 2.10.0+cu130", SM_110A)


def test_a_torch_older_than_the_gpu_is_replaced():
    assert "--upgrade torch --index-url https://download.pytorch.org/whl/cu128" in screen_of(
        "torch 2.6.0+cu124", SM_120
    )


def test_no_index_of_an_older_cuda_is_named():
    screen = screen_of("torch 2.9.1+cu130", ARCH_LIST)
    assert "--index-url https://download.pytorch.org/whl/cu130" in screen
