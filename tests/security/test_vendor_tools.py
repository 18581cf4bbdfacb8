"""A tool of a vendor names a GPU that the kernel does not show; nonsense is not believed, and stalls nobody."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tools are scripts")

ROW = "{}, NVIDIA H100 80GB HBM3, GPU-{}, 00000000:{:02x}:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0"
TABLE = Path(__file__).parent.parent / "samples" / "smi" / "nvidia-smi_table_590_h100_mig.txt"
HONEST = {
    "one GPU": f"print({ROW.format(0, 1, 0)!r})",
    "a table": f"print(open({str(TABLE)!r}).read())",
    "none": "print('No devices were found'); sys.exit(6)",
    "no tool": None,
}
FOOLS = {
    "garbage": "print('qwerty uiop')",
    "nothing": "",
    "garbage with the status of no devices": "print('qwerty'); sys.exit(6)",
    "garbage with the status of no driver": "print('qwerty'); sys.exit(9)",
    "60,000 rows": f"for i in range(60000): print({ROW!r}.format(i, i, i % 256))",
    "one GPU twice": f"print({ROW.format(0, 1, 0)!r}); print({ROW.format(0, 2, 1)!r})",
    "escape sequences": r"print('\x1b]0;owned\x07\x1b[2J\x1b[31m\u202egarbage')",
    "bytes that are no text": r"os.write(1, bytes(range(256)) * 99)",
    "a table that is cut": f"print(open({str(TABLE)!r}).read()[:600])",
    "a gigabyte": "[os.write(1, b'x' * (1 << 20)) for _ in range(1024)]",
    "a row of ten megabytes": "print('0, ' * (10 << 20))",
    "a pipe that never closes": "os.fork() or (os.setsid(), time.sleep(300))",
}
"""Answers from which nobody can tell whether there is a GPU."""


def check(folder: Path, body: str | None, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run a check with a nvidia-smi of that body."""
    if body is not None:
        script = folder / "nvidia-smi"
        script.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{body}\n")
        script.chmod(0o755)
    argv = [
        sys.executable,
        "-m",
        "tunedoctor",
        "check",
        "--target",
        sys.executable,
        "--fail-on",
        "never",
        *more,
    ]
    env = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "NO_COLOR": "1"}
    began = time.monotonic()
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in ended.stderr
    assert time.monotonic() - began < 15
    return ended


@pytest.mark.parametrize("name", HONEST)
def test_honest_answers_are_believed(tmp_path: Path, name: str) -> None:
    ended = check(tmp_path, HONEST[name], "--format", "json")
    report: dict[str, Any] = json.loads(ended.stdout)
    machine = report["machine"]
    assert (ended.returncode, report["verdict"], machine["gpus_known"]) == (0, "ready", True)
    assert bool(machine["gpus"]) is (name in ("one GPU", "a table"))


@pytest.mark.parametrize("fool", FOOLS)
def test_nonsense_is_not_known(tmp_path: Path, fool: str) -> None:
    ended = check(tmp_path, FOOLS[fool])
    assert ended.returncode == 2
    assert "GPUs not known" in ended.stdout
    assert "on the CPU" not in ended.stdout
    assert "nvidia-smi" in ended.stdout
    assert all(c.isprintable() or c == "\n" for c in ended.stdout)


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


def doctor_check(
    target: Path, tools: dict[str, str], tmp_path: Path
) -> subprocess.CompletedProcess[str]:
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
    ended = doctor_check(target, tools, tmp_path)
    assert ("torch-cpu-only" in ended.stdout) is bool(named), ended.stdout + ended.stderr
    assert named in " ".join(ended.stdout.split())
    assert ("✗ torch-cpu-only" in ended.stdout) is bool(named)


def test_what_a_tool_prints_acts_on_no_terminal(target: Path, tmp_path: Path) -> None:
    said = SMI_W7900.replace(
        "Radeon RX 7900 XTX", "Radeon \x1b[31mRX\x07 \u202e7900 XTX" + "x" * 99
    )
    ended = doctor_check(target, {"rocm-smi": said * 3000}, tmp_path)
    assert "✗ torch-cpu-only" in ended.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(ended.stdout)
