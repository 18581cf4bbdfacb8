"""Windows on ARM: PyTorch's CPU build for a native Python, and where NVIDIA's CUDA builds are."""

from typed import inside as doctor


def wheel(python: str, gpu: str = "none") -> str:
    """Return the screen of doctor wheel for Windows on ARM, on one line."""
    machine = ("--platform", "windows", "--arch", "arm64", "--python", python, "--gpu", gpu)
    return " ".join(doctor("wheel", *machine).stdout.split())


def test_a_native_python_gets_the_cpu_build():
    screen = wheel("3.12")
    index = "https://download.pytorch.org/whl/cpu"
    assert f"python -m pip install torch==2.13.0+cpu --index-url {index}" in screen


def test_a_python_without_native_wheels_is_told_which_have_some():
    screen = wheel("3.14")
    assert "for Python 3.11 to 3.13, up to torch 2.13.0" in screen
    assert "pip install" not in screen


def test_an_nvidia_gpu_is_told_where_the_cuda_builds_are():
    assert "https://pypi.nvidia.com/nvtorch_oot_nightly/" in wheel("3.12", gpu="12.1")
