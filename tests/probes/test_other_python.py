"""Wheels of another Python are found by their tags, and a healthy wheel is not called broken for a file's name."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tunedoctor.probes.wheel_tags import other_python

LINUX = "cpython-311-x86_64-linux-gnu"
FOR_310 = "torchao/_C_mxfp8.cpython-310-x86_64-linux-gnu.so"
HEALTHY = [
    # torchao 0.18.0: it opens this library by its path
    ("cp310-abi3-manylinux_2_28_x86_64", [FOR_310, "torchao/_C.abi3.so"], LINUX),
    ("cp310-abi3-manylinux_2_28_x86_64", [FOR_310], LINUX),
    ("cp310.cp311-cp310.cp311-linux_x86_64", [FOR_310], LINUX),
    ("py3-none-manylinux_2_28_x86_64", [FOR_310], LINUX),
    ("cp310-none-win_amd64", ["torchao/_C.cp310-win_amd64.pyd"], "cp311-win_amd64"),
    ("cp39-abi3-win_amd64", ["torchao/_C.pyd"], "cp311-win_amd64"),
    ("cp39-abi3-macosx_11_0_arm64", ["torchao/_C.abi3.so"], "cpython-312-darwin"),
    (
        "cp313-cp313t-macosx_11_0_arm64",
        ["torchao/_C.cpython-313t-darwin.so"],
        "cpython-313t-darwin",
    ),
    ("cp311-cp311-linux_x86_64", ["torchao/_C.so"], LINUX),
    # conda packages may have no WHEEL
    ("", ["torchao/_C.abi3.so", FOR_310], LINUX),
    ("", ["torchao/_C.so"], LINUX),
    ("", [FOR_310, "torchao/_C.cpython-311-x86_64-linux-gnu.so"], LINUX),
    # one file that loads as no extension module
    ("cp310-cp310-linux_x86_64", ["torchao/libdata.so"], LINUX),
]
OF_ANOTHER = [
    ("cp310-cp310-manylinux_2_28_x86_64", [FOR_310], LINUX, "cpython-310"),
    ("cp310-cp310-linux_x86_64", ["torchao/_C.so"], LINUX, "cp310"),
    ("cp312-abi3-linux_x86_64", ["torchao/_C.abi3.so"], LINUX, "cp312"),
    ("cp310-cp310-win_amd64", ["torchao/_C.pyd"], "cp311-win_amd64", "cp310"),
    ("cp310-cp310-win_amd64", ["torchao/_C.cp310-win_amd64.pyd"], "cp311-win_amd64", "cp310"),
    ("cp313-cp313-macosx_11_0_arm64", ["torchao/_C.cpython-313-darwin.so"], "cpython-313t-darwin", "cpython-313"),
    ("cp39-abi3-linux_x86_64", ["torchao/_C.abi3.so"], "cpython-313t-x86_64-linux-gnu", "cp39"),
    ("", [FOR_310], LINUX, "cpython-310"),
]  # fmt: skip


def judged(tag: str, files: list[str], soabi: str) -> str:
    record = "".join(f"{file},sha256=x,1\n" for file in ["torchao/__init__.py", *files])
    wheel = f"Wheel-Version: 1.0\nTag: {tag}\n" if tag else ""

    def library(path: str) -> bytes:
        return b"\x7fELF PyInit__C\0" if path.rpartition("/")[2].startswith("_C") else b"\x7fELF"

    return other_python(record.encode(), soabi, wheel.encode, library)


@pytest.mark.parametrize(("tag", "files", "soabi"), HEALTHY)
def test_a_wheel_whose_tags_fit_is_whole_whatever_its_files_are_called(tag, files, soabi):
    assert judged(tag, files, soabi) == ""


@pytest.mark.parametrize(("tag", "files", "soabi", "python"), OF_ANOTHER)
def test_a_wheel_of_another_python_is_found(tag, files, soabi, python):
    assert judged(tag, files, soabi) == python


def environment_with_torchao(folder: Path, tag: str, library: str) -> Path:
    """Make a virtual environment that holds a torchao of two files."""
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python3*/site-packages"))
    info = site / "torchao-0.18.0.dist-info"
    info.mkdir()
    (site / "torchao").mkdir()
    (site / "torchao" / "__init__.py").write_text("")
    (site / "torchao" / library).write_bytes(b"\x7fELF PyInit__C\0")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchao\nVersion: 0.18.0\n\n")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    files = ("torchao/__init__.py", f"torchao/{library}", "torchao-0.18.0.dist-info/METADATA")
    (info / "RECORD").write_text("".join(f"{one},,\n" for one in files))
    return folder


def findings(environment: Path) -> dict[str, str]:
    argv = [sys.executable, "-m", "tunedoctor", "check", "--format", "json", "--target"]
    done = subprocess.run([*argv, str(environment)], capture_output=True, text=True, check=False)
    return {one["id"]: one["title"] for one in json.loads(done.stdout)["findings"]}


def test_check_takes_an_abi3_wheel_and_refuses_the_wheel_of_another_python(tmp_path):
    # no interpreter is called cpython-30: these names are foreign to whichever runs the test
    library = "_C.cpython-30-x86_64-linux-gnu.so"
    healthy = environment_with_torchao(tmp_path / "a", "cp30-abi3-linux_x86_64", library)
    assert "broken-install" not in findings(healthy)
    other = environment_with_torchao(tmp_path / "b", "cp30-cp30-linux_x86_64", library)
    assert "torchao" in findings(other)["broken-install"]
