"""Which build of torch it is: what a run tells goes before the files, and for which GPUs its library holds code."""

import struct
from pathlib import Path

import pytest

from tunedoctor.facts import (
    Absent,
    Distribution,
    Interpreter,
    NvidiaGpu,
    NvidiaGpus,
    Packages,
    Runtime,
    TorchBuild,
    Unknown,
)
from tunedoctor.probes.torch_build import compiled_archs, torch_build

NONE = Packages(distributions=())
CUDA = "__version__ = '2.9.1+cu130'\ndebug = False\ncuda = '13.0'\nhip = None\nxpu = None\n"
GPU = NvidiaGpus(gpus=(NvidiaGpu(index=0, name="x"),))


def install_torch(site: Path, content: str) -> Path:
    folder = site / "torch"
    (folder / "lib").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "version.py").write_text(content)
    (folder / "lib" / "libtorch_python.so").write_bytes(b"\0sm_80 sm_90\0")
    return folder


def build(site: Path, **given: object) -> object:
    one = Interpreter(
        executable="/e/bin/python", version="3.12.1", platform="linux-x86_64", path=("/base", str(site)),
        site_packages=(str(site),),
    )  # fmt: skip
    values: dict[str, object] = {"packages": NONE, "runtime": None, "nvidia": None, "amd": None}
    return torch_build(one, **{**values, **given})  # type: ignore[arg-type]


def test_architectures_are_read_where_there_is_a_gpu(tmp_path: Path) -> None:
    folder = install_torch(tmp_path, CUDA)  # it has no metadata
    found, unknown = build(tmp_path, nvidia=GPU), build(tmp_path, nvidia=Unknown(why="x"))
    assert isinstance(found, TorchBuild)
    assert isinstance(unknown, TorchBuild)
    assert (found.version, found.location) == ("2.9.1+cu130", str(folder))
    assert (found.archs, found.archs_source) == (("sm_80", "sm_90"), "library")
    assert (unknown.archs, unknown.archs_source) == ((), "")


def test_a_run_knows_best(tmp_path: Path) -> None:
    install_torch(tmp_path, CUDA.replace("cu130", "cpu").replace("'13.0'", "None"))
    told = Runtime(stages=(), torch_version="2.10.0+cu130", torch_cuda="13.0", torch_file="/o/torch/__init__.py", archs=("sm_120",))  # fmt: skip
    assert build(tmp_path, runtime=Runtime(stages=())) == build(tmp_path)  # it did not get to torch
    assert build(tmp_path, runtime=told, nvidia=GPU) == TorchBuild(
        version="2.10.0+cu130", cuda="13.0", accelerator="cuda", variant="cu130", location="/o/torch", archs=("sm_120",),
        archs_source="torch",
    )  # fmt: skip


def test_no_torch(tmp_path: Path) -> None:
    gone = Packages(distributions=(Distribution(name="torch", version="2.9.1"),))
    assert build(tmp_path) == Absent(why="torch is not installed in the target")
    why = "the metadata of torch are there, its code is not"
    assert build(tmp_path, packages=gone) == Absent(why=why)
    unread = Unknown(why="x cannot be read")
    assert build(tmp_path, packages=unread) == unread


# as in libtorch_python.so of torch 2.12.0+cu130
FLAGS = b"sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"
OTHERS = b"\0bad sm_80\0sm_70\0see sm_80 sm_90 here\0gfx\0"


def elf(data: bytes, *, decoy: bytes = b"") -> bytes:
    """Build a 64-bit ELF file with a .text that holds `decoy` and a .rodata that holds `data`."""
    names = b"\0.text\0.rodata\0.shstrtab\0"
    parts = [decoy, data, names]
    starts = [64, 64 + len(decoy), 64 + len(decoy) + len(data)]
    table = starts[2] + len(names)
    numbers = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 4, 3)
    sections = bytes(64)
    for name, start, part in zip((1, 7, 15), starts, parts, strict=True):
        sections += struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, start, len(part), 0, 0, 1, 0)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + numbers + b"".join(parts) + sections


@pytest.mark.parametrize(
    "flags",
    [FLAGS, b"sm_80 sm_90a compute_120", b"gfx900 gfx90a gfx1100 gfx942", b"gfx90a;gfx942", b"sm_70 sm_72"],
)  # fmt: skip
def test_code_of_the_library(tmp_path: Path, flags: bytes) -> None:
    data = elf(OTHERS + b"\0" + flags + b"\0" + OTHERS, decoy=b"\0sm_99\0")
    (tmp_path / "libtorch_python.so").write_bytes(data)
    assert compiled_archs(tmp_path) == tuple(flags.decode().replace(";", " ").split())


def test_windows_library_is_searched_whole(tmp_path: Path) -> None:
    (tmp_path / "torch_python.dll").write_bytes(b"MZ" + bytes(100) + FLAGS + bytes(9))
    assert compiled_archs(tmp_path)[0] == "sm_75"


@pytest.mark.parametrize("content", [b"", b"MZ", b"\x7fELF\x02\x01", elf(b"none"), elf(b"")[:-80]])
def test_a_library_that_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "libtorch_python.so").write_bytes(content)
    assert compiled_archs(tmp_path) == ()
