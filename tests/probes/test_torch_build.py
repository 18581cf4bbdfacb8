"""Which build of torch it is, told by files alone, or by a run, which knows best."""

import struct
from pathlib import Path

import pytest

from tunedoctor.facts import (
    Absent,
    AmdGpu,
    AmdGpus,
    Distribution,
    Interpreter,
    NvidiaGpu,
    NvidiaGpus,
    Packages,
    Runtime,
    TorchBuild,
    Unknown,
)
from tunedoctor.probes.torch_build import (
    compiled_archs,
    from_files,
    read_only_data,
    torch_build,
)

NONE = Packages(distributions=())
TYPED = """\
from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '{version}'
debug = False
cuda: Optional[str] = {cuda}
git_version = '7661cd9c6b841b62b7f411aa52ec51f05457263b'
hip: Optional[str] = {hip}
xpu: Optional[str] = {xpu}
"""
OLD = "__version__ = '1.13.1'\ndebug = False\ncuda = '11.7'\ngit_version = '49444c'\nhip = None\n"


def text(version: str, *, cuda: str = "None", hip: str = "None", xpu: str = "None") -> str:
    return TYPED.format(version=version, cuda=cuda, hip=hip, xpu=xpu)


@pytest.mark.parametrize(
    ("content", "platform", "accelerator", "variant"),
    [
        (text("2.12.0+cu130", cuda="'13.0'"), "linux-x86_64", "cuda", "cu130"),
        (text("2.8.0", cuda="'12.8'"), "linux-x86_64", "cuda", "cu128"),
        (OLD, "linux-x86_64", "cuda", "cu117"),
        (text("2.13.0+cpu"), "linux-x86_64", "cpu", "cpu"),
        (text("2.6.0"), "win-amd64", "cpu", "cpu"),
        (text("2.6.0"), "macosx-14.0-arm64", "mps", "mps"),
        (text("2.2.2"), "macosx-10.9-x86_64", "cpu", "cpu"),
        (text("2.9.1+rocm6.4", hip="'6.4.43484-123eb5128'"), "linux-x86_64", "rocm", "rocm6.4"),
        (text("2.6.0a0+git1234", hip="'6.3.42131'"), "linux-x86_64", "rocm", "rocm6.3"),
        (text("2.10.0+xpu", xpu="'20250301'"), "linux-x86_64", "xpu", "xpu"),
        (text("2.3.0a0+40ec155e58.nv24.03", cuda='"12.4"'), "linux-x86_64", "cuda", "cu124"),
        ("__version__ = '2.5.0'\n", "linux-x86_64", "unknown", ""),
    ],
)
def test_builds(content: str, platform: str, accelerator: str, variant: str) -> None:
    found = from_files(content, "/site/torch", NONE, platform)
    assert isinstance(found, TorchBuild)
    assert (found.accelerator, found.variant) == (accelerator, variant)
    assert found.location == "/site/torch"


def test_version_comes_from_metadata_where_the_file_is_gone() -> None:
    told = Packages(distributions=(Distribution(name="torch", version="2.9.1+cu130"),))
    found = from_files("", "/t", told, "linux-x86_64")
    assert isinstance(found, TorchBuild)
    assert (found.version, found.accelerator, found.variant) == ("2.9.1+cu130", "unknown", "cu130")
    assert isinstance(from_files("", "/t", NONE, ""), Unknown)


def test_conda_build() -> None:
    told = Packages(distributions=(), conda={"pytorch": "2.5.1 py3.12_cuda12.4_cudnn9.1.0_0"})
    found = from_files(text("2.5.1", cuda="'12.4'"), "/t", told, "linux-x86_64")
    assert isinstance(found, TorchBuild)
    assert (found.conda, found.variant) == (True, "cu124")


def target(site: Path) -> Interpreter:
    return Interpreter(
        executable="/e/bin/python",
        version="3.12.1",
        platform="linux-x86_64",
        path=("/base", str(site)),
        site_packages=(str(site),),
    )


def install_torch(site: Path, content: str, flags: bytes = b"sm_80 sm_90") -> Path:
    folder = site / "torch"
    (folder / "lib").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "version.py").write_text(content)
    (folder / "lib" / "libtorch_python.so").write_bytes(b"\0" + flags + b"\0")
    return folder


GPU = NvidiaGpus(gpus=(NvidiaGpu(index=0, name="x"),))
CUDA = text("2.9.1+cu130", cuda="'13.0'")


def build(site: Path, **given: object) -> object:
    values: dict[str, object] = {"packages": NONE, "runtime": None, "nvidia": None, "amd": None}
    return torch_build(target(site), **{**values, **given})


def test_architectures_are_read_where_there_is_a_gpu(tmp_path: Path) -> None:
    folder = install_torch(tmp_path, CUDA)  # it has no metadata
    found = build(tmp_path, nvidia=GPU)
    assert isinstance(found, TorchBuild)
    assert (found.version, found.location) == ("2.9.1+cu130", str(folder))
    assert (found.archs, found.archs_source) == (("sm_80", "sm_90"), "library")
    unknown = build(tmp_path, nvidia=Unknown(why="x"))
    assert isinstance(unknown, TorchBuild)
    assert (unknown.archs, unknown.archs_source) == ((), "")


def test_architectures_of_amd_and_of_a_cpu_build(tmp_path: Path) -> None:
    amd = AmdGpus(gpus=(AmdGpu(index=0, gfx="gfx1100"),))
    install_torch(tmp_path / "a", text("2.9.1+rocm6.4", hip="'6.4.1'"), b"gfx90a gfx1100")
    install_torch(tmp_path / "b", text("2.9.1+cpu"))
    rocm, cpu = build(tmp_path / "a", amd=amd), build(tmp_path / "b", nvidia=GPU)
    assert isinstance(rocm, TorchBuild)
    assert isinstance(cpu, TorchBuild)
    assert (rocm.archs, cpu.archs) == (("gfx90a", "gfx1100"), ())


def test_run_knows_best(tmp_path: Path) -> None:
    install_torch(tmp_path, text("2.9.1+cpu"))
    runtime = Runtime(
        stages=(),
        torch_version="2.10.0+cu130",
        torch_cuda="13.0",
        torch_file="/other/torch/__init__.py",
        archs=("sm_120",),
    )
    assert build(tmp_path, runtime=Runtime(stages=())) == build(tmp_path)  # it did not get to torch
    assert build(tmp_path, runtime=runtime, nvidia=GPU) == TorchBuild(
        version="2.10.0+cu130",
        cuda="13.0",
        accelerator="cuda",
        variant="cu130",
        location="/other/torch",
        archs=("sm_120",),
        archs_source="torch",
    )


def test_no_torch(tmp_path: Path) -> None:
    gone = Packages(distributions=(Distribution(name="torch", version="2.9.1"),))
    assert build(tmp_path) == Absent(why="torch is not installed in the target")
    assert build(tmp_path, packages=gone) == Absent(
        why="the metadata of torch are there, its code is not"
    )
    unread = Unknown(why="x cannot be read")
    assert build(tmp_path, packages=unread) == unread


def test_editable_torch_may_lie_anywhere(tmp_path: Path) -> None:
    one = Distribution(name="torch", version="2.11.0a0", location=str(tmp_path), editable=True)
    found = build(tmp_path, packages=Packages(distributions=(one,)))
    assert found == TorchBuild(version="2.11.0a0", location=str(tmp_path))


# as in libtorch_python.so of torch 2.12.0+cu130
FLAGS = b"sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"
OTHERS = b"\0bad sm_80\0sm_70\0see sm_80 sm_90 here\0gfx\0"


def elf(data: bytes, *, decoy: bytes = b"") -> bytes:
    """Build a 64-bit ELF file with a .text that holds `decoy` and a .rodata that holds `data`."""
    names = b"\0.text\0.rodata\0.shstrtab\0"
    parts = [decoy, data, names]
    starts = [64, 64 + len(decoy), 64 + len(decoy) + len(data)]
    table = starts[2] + len(names)
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 4, 3)
    )
    sections = bytes(64)
    for name, start, part in zip((1, 7, 15), starts, parts, strict=True):
        sections += struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, start, len(part), 0, 0, 1, 0)
    return head + b"".join(parts) + sections


@pytest.mark.parametrize(
    ("flags", "archs"),
    [
        (FLAGS, ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")),
        (b"sm_80 sm_90a compute_120", ("sm_80", "sm_90a", "compute_120")),
        (b"gfx900 gfx90a gfx1100 gfx942", ("gfx900", "gfx90a", "gfx1100", "gfx942")),
        (b"gfx90a;gfx942", ("gfx90a", "gfx942")),
        (b"sm_70 sm_72", ("sm_70", "sm_72")),
    ],
)
def test_library(tmp_path: Path, flags: bytes, archs: tuple[str, ...]) -> None:
    (tmp_path / "libtorch_python.so").write_bytes(elf(OTHERS + b"\0" + flags + b"\0" + OTHERS))
    assert compiled_archs(tmp_path) == archs


def test_only_constants_are_searched(tmp_path: Path) -> None:
    data = elf(b"\0sm_90\0", decoy=b"\0" + FLAGS + b"\0")
    (tmp_path / "libtorch_python.so").write_bytes(data)
    assert compiled_archs(tmp_path) == ("sm_90",)


def test_windows_library_is_searched_whole(tmp_path: Path) -> None:
    (tmp_path / "torch_python.dll").write_bytes(b"MZ" + bytes(100) + FLAGS + bytes(9))
    assert compiled_archs(tmp_path)[0] == "sm_75"


@pytest.mark.parametrize(
    "content", [b"", b"MZ", b"\x7fELF\x02\x01", elf(b"nothing here"), elf(b"")[:-80]]
)
def test_library_that_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "libtorch_python.so").write_bytes(content)
    assert compiled_archs(tmp_path) == ()


def test_headers_that_point_beyond_any_file() -> None:
    assert read_only_data(b"\x7fELF\x02\x01" + b"\xff" * 58) is None
