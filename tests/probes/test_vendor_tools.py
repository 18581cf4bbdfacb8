"""A GPU that the vendor's tool names and the kernel does not show: `doctor check` with recorded output on PATH."""

import subprocess
import sys
from pathlib import Path

import pytest

XPU_SMI = """\
+-----------+------------------------------------------------------------------+
| Device ID | Device Information                                               |
+-----------+------------------------------------------------------------------+
| 0         | Device Name: Intel(R) Graphics [0x56c0]                          |
|           | Vendor Name: Intel(R) Corporation                                |
+-----------+------------------------------------------------------------------+
"""
SYCL_LS = (
    "[level_zero:gpu][level_zero:0] Intel(R) oneAPI Unified Runtime over Level-Zero, "
    "Intel(R) Arc(TM) B580 Graphics 20.1.0 [1.6.32224]\n"
)
SMI_W7900 = """\
======================================= Product Info ========================================
GPU[0]\t\t: Card Series: \t\tRadeon RX 7900 XTX
GPU[0]\t\t: Card Model: \t\t0x744c
GPU[0]\t\t: GFX Version: \t\tgfx1100
"""
UHD = "[level_zero:gpu][level_zero:0] Intel(R) Level-Zero, Intel(R) UHD Graphics 770 1.3 [1.3.27642]\n"
NO_GPU = "ROCk module is NOT loaded, possibly no GPU devices\n"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the files of a CPU build that tell what it is."""
    root = tmp_path_factory.mktemp("target")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
    site = next(root.glob("lib/python*/site-packages"))
    (site / "torch").mkdir()
    (site / "torch/__init__.py").touch()
    (site / "torch/version.py").write_text(
        "__version__ = '2.13.0+cpu'\ndebug = False\ncuda = None\nhip = None\nxpu = None\n"
    )
    info = site / "torch-2.13.0+cpu.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n")
    (info / "RECORD").write_text("torch/__init__.py,,\ntorch/version.py,,\n")
    return root


def check(target: Path, tools: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the command where each tool is a script; `tools`: name -> what it prints."""
    for name, said in tools.items():
        (tmp_path / f"{name}.txt").write_text(said)
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\nexec cat '{tmp_path}/{name}.txt'\n")
        tool.chmod(0o755)
    return subprocess.run(
        [sys.executable, "-m", "tunedoctor", "check", "--target", str(target)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the tools are scripts for a POSIX shell")
@pytest.mark.parametrize(
    ("tools", "named"),
    [
        ({"rocminfo": NO_GPU, "rocm-smi": SMI_W7900}, "Radeon RX 7900 XTX, says rocm-smi"),
        ({"xpu-smi": XPU_SMI}, "Flex 56c0"),
        ({"sycl-ls": SYCL_LS}, "Arc(TM) B580"),
        # controls: no tool, tools that name no GPU for training
        ({}, ""),
        ({"rocminfo": NO_GPU, "amd-smi": "", "rocm-smi": "WARNING: No JSON data to report\n"}, ""),
        ({"sycl-ls": UHD}, ""),
        ({"xpu-smi": "No device discovered\n"}, ""),
    ],
)
def test_a_cpu_build_beside_a_gpu_that_a_tool_names(
    tools: dict[str, str], named: str, target: Path, tmp_path: Path
) -> None:
    ended = check(target, tools, tmp_path)
    assert ("torch-cpu-only" in ended.stdout) is bool(named), ended.stdout + ended.stderr
    assert named in " ".join(ended.stdout.split())
    assert ("✗ torch-cpu-only" in ended.stdout) is bool(named)


def test_what_a_tool_prints_acts_on_no_terminal(target: Path, tmp_path: Path) -> None:
    said = SMI_W7900.replace(
        "Radeon RX 7900 XTX", "Radeon \x1b[31mRX\x07 \u202e7900 XTX" + "x" * 99
    )
    ended = check(target, {"rocm-smi": said * 3000}, tmp_path)
    assert "✗ torch-cpu-only" in ended.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(ended.stdout)
