"""NVIDIA's runtime wheels and the CUDA release that each belongs to."""

import pytest

from tunedoctor.facts import Absent, CudaWheel, CudaWheels, Distribution, Packages
from tunedoctor.probes.packages import cuda_major, cuda_wheels


def packages(**versions: str) -> Packages:
    return Packages(
        distributions=tuple(
            Distribution(name=name.replace("_", "-"), version=version)
            for name, version in versions.items()
        )
    )


def test_wheels() -> None:
    found = cuda_wheels(
        packages(
            nvidia_cublas="13.0.0.19", nvidia_ml_py="13.5", torch="2.9.1", nvidia_cudnn_cu12="9.1"
        )
    )
    assert found == CudaWheels(
        wheels=(
            CudaWheel(name="nvidia-cublas", version="13.0.0.19", cuda_major=13),
            CudaWheel(name="nvidia-cudnn-cu12", version="9.1", cuda_major=12),
        )
    )


def test_none() -> None:
    assert isinstance(cuda_wheels(packages(torch="2.9.1", nvidia_ml_py="13.5")), Absent)


@pytest.mark.parametrize(
    ("name", "version", "major"),
    [
        ("nvidia-cudnn-cu13", "9.28.1.4", 13),
        ("nvidia-nccl-cu12", "2.27.5", 12),
        ("nvidia-cuda-runtime-cu11", "11.8.89", 11),
        ("nvidia-cuda-runtime", "13.5.37", 13),
        ("nvidia-nvjitlink", "13.0.39", 13),
        ("nvidia-cusparse", "12.6.2.49", 0),
        ("nvidia-cublas", "", 0),
    ],
)
def test_major(name: str, version: str, major: int) -> None:
    assert cuda_major(name, version) == major
