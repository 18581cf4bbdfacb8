"""collect_env of any age and in any state of damage becomes facts."""

from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import (
    Environment,
    Fact,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpus,
    Packages,
    Runtime,
    TorchBuild,
)
from tunedoctor.readers import named_values as collect_env
from tunedoctor.readers.tidy import tidy

F = TypeVar("F", bound=Fact)

OLD = """\
PyTorch version: 1.3.0
Is debug build: No
CUDA used to build PyTorch: 10.1.243

OS: Ubuntu 18.04.2 LTS
GCC version: (Ubuntu 7.4.0-1ubuntu1~18.04.1) 7.4.0
CMake version: version 3.10.2

Python version: 3.7
Is CUDA available: No
CUDA runtime version: 10.0.130
GPU models and configuration:
GPU 0: Tesla T4
GPU 1: Tesla T4

Nvidia driver version: 410.104
cuDNN version: Could not collect

Versions of relevant libraries:
[pip3] numpy==1.17.3
[conda] pytorch                   1.3.0           py3.7_cuda10.1.243_cudnn7.6.3_0    pytorch
"""

NEW = """\
Collecting environment information...
PyTorch version: 2.9.1+cu128
Is debug build: False
CUDA used to build PyTorch: 12.8
ROCM used to build PyTorch: N/A

OS: Ubuntu 24.04.3 LTS (x86_64)
Libc version: glibc-2.39

Python version: 3.12.3 (main, Aug 14 2025, 17:47:21) [GCC 13.3.0] (64-bit runtime)
Python platform: Linux-6.6.87.2-microsoft-standard-WSL2-x86_64-with-glibc2.39
Is CUDA available: True
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
Nvidia driver version: 581.29
HIP runtime version: N/A
CPU:
Architecture:                         x86_64

Versions of relevant libraries:
[pip3] numpy==2.2.6
[pip3] torch==2.9.1+cu128
[pip3] triton==3.5.1
"""

ROCM = """\
PyTorch version: 2.8.0+rocm6.4
CUDA used to build PyTorch: N/A
ROCM used to build PyTorch: 6.4.43482-0f2d60242
OS: Ubuntu 22.04.5 LTS (x86_64)
Python version: 3.10.12 (main) [GCC 11.4.0] (64-bit runtime)
Is CUDA available: True
GPU models and configuration: AMD Radeon RX 7900 XTX (gfx1100)
Nvidia driver version: Could not collect
HIP runtime version: 6.4.43482
"""

WINDOWS_CPU = """\
PyTorch version: 2.2.2
CUDA used to build PyTorch: Could not collect
OS: Microsoft Windows 11 Pro
Python version: 3.10.13 | packaged by Anaconda, Inc. | (main) [MSC v.1916 64 bit (AMD64)] (64-bit runtime)
Python platform: Windows-10-10.0.22631-SP0
Is CUDA available: False
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4080 Laptop GPU
Nvidia driver version: 551.86
"""

MAC = """\
PyTorch version: 2.8.0
CUDA used to build PyTorch: None
OS: macOS 15.3.2 (arm64)
Python version: 3.12.7 (main) [Clang 16.0.0] (64-bit runtime)
Python platform: macOS-15.3.2-arm64-arm-64bit-Mach-O
Is CUDA available: False
Nvidia driver version: No CUDA
"""

NO_TORCH = """\
PyTorch version: N/A
CUDA used to build PyTorch: N/A
OS: Debian GNU/Linux 12 (bookworm) (x86_64)
Python version: 3.11.2 (main) (32-bit runtime)
Is CUDA available: N/A
Nvidia driver version: 535.183.01
"""


def _find(text: str, kind: type[F]) -> F:
    (fact,) = [f for f in collect_env.read(tidy(text)) if isinstance(f, kind)]
    return fact


def _none(text: str, kind: type[Fact]) -> bool:
    return not any(isinstance(f, kind) for f in collect_env.read(tidy(text)))


def test_the_oldest_layout() -> None:
    torch = _find(OLD, TorchBuild)
    assert (torch.version, torch.cuda, torch.accelerator, torch.conda) == (
        "1.3.0",
        "10.1",
        "cuda",
        True,
    )
    assert _find(OLD, NvidiaDriver).version == "410.104"
    assert [(g.name, g.compute_capability) for g in _find(OLD, NvidiaGpus).gpus] == [
        ("Tesla T4", "7.5")
    ] * 2
    assert _find(OLD, Runtime).gpu_available is False
    assert _find(OLD, Interpreter).version == "3.7"
    packages = _find(OLD, Packages)
    assert packages.version("numpy") == "1.17.3"
    assert not packages.complete
    assert packages.conda["pytorch"].startswith("1.3.0 py3.7_cuda10.1")


def test_a_recent_layout_in_wsl() -> None:
    host = _find(NEW, Host)
    assert (host.os, host.wsl, host.libc, host.libc_version, host.machine) == (
        "linux",
        2,
        "glibc",
        "2.39",
        "x86_64",
    )
    assert _find(NEW, TorchBuild).variant == "cu128"
    assert _find(NEW, Runtime).gpu_available is True
    assert [g.compute_capability for g in _find(NEW, NvidiaGpus).gpus] == ["8.9"]


def test_rocm() -> None:
    torch = _find(ROCM, TorchBuild)
    assert (torch.accelerator, torch.variant, torch.cuda) == ("rocm", "rocm6.4", "")
    assert torch.hip.startswith("6.4.43482")
    assert _none(ROCM, NvidiaGpus)
    assert _none(ROCM, NvidiaDriver)


def test_could_not_collect_on_windows_is_a_cpu_build() -> None:
    assert _find(WINDOWS_CPU, TorchBuild).accelerator == "cpu"
    assert _find(WINDOWS_CPU, Host).machine == "amd64"
    assert _find(WINDOWS_CPU, Interpreter).kind == "conda"


def test_a_mac() -> None:
    assert _find(MAC, TorchBuild).accelerator == "mps"
    assert _find(MAC, Host).macos_version == "15.3.2"
    assert _none(MAC, NvidiaGpus)


def test_without_torch() -> None:
    assert _none(NO_TORCH, TorchBuild)
    assert _find(NO_TORCH, Interpreter).bits == 32


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: "\n".join(f"> {line}" for line in t.splitlines()),
        lambda t: "\n".join(f"    {line}" for line in t.splitlines()),
        lambda t: f"Some words\n```\n{t}```\nmore words",
        lambda t: t.replace(": ", "\uff1a"),
        lambda t: f"\x1b[32m{t}\x1b[0m",
        lambda t: t.replace("\n\n", "\n"),
        lambda t: t[t.index("CUDA used") :],
        lambda t: f"UserWarning: CUDA initialization: x\n{t}",
    ],
)
def test_what_pasting_does(damage: Any) -> None:
    text = damage(NEW)
    assert _find(text, NvidiaDriver).version == "581.29"
    assert [g.name for g in _find(text, NvidiaGpus).gpus] == ["NVIDIA GeForce RTX 4090"]
    assert _find(text, Packages).version("triton") == "3.5.1"


def test_variables_at_the_end() -> None:
    text = f"{NEW}\nLD_LIBRARY_PATH=/usr/local/cuda/lib64\nCUDA_VISIBLE_DEVICES=2\n"
    assert _find(text, Environment).variables == {
        "LD_LIBRARY_PATH": "/usr/local/cuda/lib64",
        "CUDA_VISIBLE_DEVICES": "2",
    }


@given(st.text())
def test_any_text(text: str) -> None:
    collect_env.read(tidy(text))


@given(st.lists(st.sampled_from((OLD + NEW + ROCM + MAC).splitlines()) | st.text(max_size=40)))
def test_any_shuffle_of_lines(lines: list[str]) -> None:
    collect_env.read(lines)
