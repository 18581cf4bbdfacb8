"""The build of torch, read from its files."""

import struct

import pytest
from planting import plant

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
from tunedoctor.probes.torch_build import compiled_archs, from_files, read_only_data, torch_build

CUDA_BUILD = {
    "torch/__init__.py": "",
    "torch/version.py": "__version__ = '2.9.1+cu130'\ndebug = False\ncuda = '13.0'\nhip = None\nxpu = None\n",
    "torch/lib/libtorch_python.so": "\x00sm_80 sm_90\x00",
}
CPU_BUILD = {
    "torch/__init__.py": "",
    "torch/version.py": "__version__ = '2.9.1+cpu'\ndebug = False\ncuda = None\nhip = None\nxpu = None\n",
    "torch/lib/libtorch_python.so": "\x00sm_80 sm_90\x00",
}
NO_PACKAGES = Packages(distributions=())


def version_file(version: str, cuda: str = "None", hip: str = "None", xpu: str = "None") -> str:
    """Return torch/version.py as newer releases write it."""
    return (
        "from typing import Optional\n"
        "\n"
        "__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']\n"
        f"__version__ = '{version}'\n"
        "debug = False\n"
        f"cuda: Optional[str] = {cuda}\n"
        "git_version = '7661cd9c6b841b62b7f411aa52ec51f05457263b'\n"
        f"hip: Optional[str] = {hip}\n"
        f"xpu: Optional[str] = {xpu}\n"
    )


def elf(code: bytes, data: bytes) -> bytes:
    """Return an ELF library with a text and a read-only data section."""
    names = b"\0.text\0.rodata\0.shstrtab\0"
    body = code + data + names
    numbers = (3, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, 4, 3)
    table, offset = b"", 64
    for name, kind, content in ((0, 0, b""), (1, 1, code), (7, 1, data), (15, 1, names)):
        place = (offset, len(content), 0, 0, 1) if kind else (0, 0, 0, 0, 0)
        table += struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, *place, 0)
        offset += len(content)
    start = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return start + struct.pack("<HHIQQQIHHHHHH", *numbers) + body + table


def torch_library(targets: bytes) -> bytes:
    """Return a library that names its targets between texts that look like targets."""
    noise = b"bad sm_80\0sm_70\0see sm_80 sm_90 here\0gfx\0"
    return elf(b"\0sm_99\0", b"\0" + noise + b"\0" + targets + b"\0\0" + noise)


def target(tmp_path):
    return Interpreter(
        executable="/e/bin/python",
        version="3.12.1",
        platform="linux-x86_64",
        path=("/base", f"{tmp_path}/"),
        site_packages=(f"{tmp_path}/",),
    )


@pytest.mark.parametrize(
    ("text", "platform", "accelerator", "variant"),
    [
        (version_file("2.12.0+cu130", cuda="'13.0'"), "linux-x86_64", "cuda", "cu130"),
        (version_file("2.8.0", cuda="'12.8'"), "linux-x86_64", "cuda", "cu128"),
        (
            (
                "__version__ = '1.13.1'\n"
                "debug = False\n"
                "cuda = '11.7'\n"
                "git_version = '49444c'\n"
                "hip = None\n"
            ),
            "linux-x86_64",
            "cuda",
            "cu117",
        ),
        (version_file("2.13.0+cpu"), "linux-x86_64", "cpu", "cpu"),
        (version_file("2.6.0"), "win-amd64", "cpu", "cpu"),
        (version_file("2.6.0"), "macosx-14.0-arm64", "mps", "mps"),
        (version_file("2.2.2"), "macosx-10.9-x86_64", "cpu", "cpu"),
        (
            version_file("2.9.1+rocm6.4", hip="'6.4.43484-123eb5128'"),
            "linux-x86_64",
            "rocm",
            "rocm6.4",
        ),
        (version_file("2.6.0a0+git1234", hip="'6.3.42131'"), "linux-x86_64", "rocm", "rocm6.3"),
        (version_file("2.10.0+xpu", xpu="'20250301'"), "linux-x86_64", "xpu", "xpu"),
        (
            version_file("2.3.0a0+40ec155e58.nv24.03", cuda='"12.4"'),
            "linux-x86_64",
            "cuda",
            "cu124",
        ),
    ],
)
def test_the_version_file_says_the_build(text, platform, accelerator, variant):
    result = from_files(text, "/site/torch", NO_PACKAGES, platform)
    assert result.accelerator == accelerator
    assert result.variant == variant
    assert result.location == "/site/torch"


def test_a_version_file_without_a_toolkit_is_unknown():
    result = from_files("__version__ = '2.5.0'\n", "/site/torch", NO_PACKAGES, "linux-x86_64")
    assert result.accelerator == "unknown"
    assert result.variant == ""
    assert result.location == "/site/torch"


def test_without_a_version_file_metadata_say_the_build():
    result = from_files(
        "",
        "/t",
        Packages(distributions=(Distribution(name="torch", version="2.9.1+cu130"),)),
        "linux-x86_64",
    )
    assert result.version == "2.9.1+cu130"
    assert result.accelerator == "unknown"
    assert result.variant == "cu130"


def test_without_version_and_metadata_it_is_unknown():
    assert isinstance(from_files("", "/t", NO_PACKAGES, ""), Unknown)


def test_a_build_of_conda_is_recognised():
    result = from_files(
        version_file("2.5.1", cuda="'12.4'"),
        "/t",
        Packages(distributions=(), conda={"pytorch": "2.5.1 py3.12_cuda12.4_cudnn9.1.0_0"}),
        "linux-x86_64",
    )
    assert result.conda is True
    assert result.variant == "cu124"


def test_a_program_that_is_no_program_has_no_data():
    result = read_only_data(
        b"\x7fELF\x02\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
    )
    assert result is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"libtorch_python.so": torch_library(b"sm_75 sm_80 sm_86 sm_90 sm_100 sm_120")},
            ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
        ),
        (
            {"libtorch_python.so": torch_library(b"sm_80 sm_90a compute_120")},
            ("sm_80", "sm_90a", "compute_120"),
        ),
        (
            {"libtorch_python.so": torch_library(b"gfx900 gfx90a gfx1100 gfx942")},
            ("gfx900", "gfx90a", "gfx1100", "gfx942"),
        ),
        ({"libtorch_python.so": torch_library(b"gfx90a;gfx942")}, ("gfx90a", "gfx942")),
        ({"libtorch_python.so": torch_library(b"sm_70 sm_72")}, ("sm_70", "sm_72")),
        (
            {
                "torch_python.dll": (
                    b"MZ"
                    + b"\x00" * 100
                    + b"sm_75 sm_80 sm_86 sm_90 sm_100 sm_120\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                )
            },
            ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
        ),
    ],
)
def test_the_targets_of_a_library_are_read(files, expected, tmp_path):
    plant(tmp_path, files)
    assert compiled_archs(tmp_path) == expected


@pytest.mark.parametrize(
    "libtorch_python_so",
    [
        b"",
        b"MZ",
        b"\x7fELF\x02\x01",
        elf(b"", b"none"),
        elf(b"", b"")[:-80],
    ],
)
def test_a_damaged_library_has_no_targets(libtorch_python_so, tmp_path):
    plant(tmp_path, {"libtorch_python.so": libtorch_python_so})
    assert compiled_archs(tmp_path) == ()


def test_a_build_is_read_with_its_targets(tmp_path):
    plant(tmp_path, CUDA_BUILD)
    result = torch_build(
        target(tmp_path),
        packages=Packages(distributions=()),
        runtime=None,
        nvidia=NvidiaGpus(gpus=(NvidiaGpu(index=0, name="x"),)),
        amd=None,
    )
    assert isinstance(result, TorchBuild)
    assert result.version == "2.9.1+cu130"
    assert result.location == f"{tmp_path}/torch"
    assert result.archs == ("sm_80", "sm_90")
    assert result.archs_source == "library"


def test_a_gpu_that_is_unknown_does_not_hinder(tmp_path):
    plant(tmp_path, CUDA_BUILD)
    result = torch_build(
        target(tmp_path),
        packages=Packages(distributions=()),
        runtime=None,
        nvidia=Unknown(why="x"),
        amd=None,
    )
    assert isinstance(result, TorchBuild)
    assert result.version == "2.9.1+cu130"
    assert result.location == f"{tmp_path}/torch"
    assert result.archs == ()
    assert result.archs_source == ""


def test_a_run_without_an_answer_does_not_hinder(tmp_path):
    plant(tmp_path, CPU_BUILD)
    result = torch_build(
        target(tmp_path),
        packages=Packages(distributions=()),
        runtime=Runtime(stages=()),
        nvidia=None,
        amd=None,
    )
    assert result.version == "2.9.1+cpu"
    assert result.accelerator == "cpu"
    assert result.location == f"{tmp_path}/torch"


def test_a_run_goes_before_files(tmp_path):
    plant(tmp_path, CPU_BUILD)
    result = torch_build(
        target(tmp_path),
        packages=Packages(distributions=()),
        runtime=Runtime(
            stages=(),
            torch_version="2.10.0+cu130",
            torch_cuda="13.0",
            torch_file="/o/torch/__init__.py",
            archs=("sm_120",),
        ),
        nvidia=NvidiaGpus(gpus=(NvidiaGpu(index=0, name="x"),)),
        amd=None,
    )
    assert result == TorchBuild(
        version="2.10.0+cu130",
        cuda="13.0",
        accelerator="cuda",
        variant="cu130",
        location="/o/torch",
        archs=("sm_120",),
        archs_source="torch",
    )


def test_torch_that_is_not_installed_is_absent(tmp_path):
    result = torch_build(
        target(tmp_path), packages=Packages(distributions=()), runtime=None, nvidia=None, amd=None
    )
    assert result == Absent(why="torch is not installed in the target")


def test_metadata_alone_are_no_torch(tmp_path):
    result = torch_build(
        target(tmp_path),
        packages=Packages(distributions=(Distribution(name="torch", version="2.9.1"),)),
        runtime=None,
        nvidia=None,
        amd=None,
    )
    assert result == Absent(why="torch has metadata but no code")


def test_packages_that_are_unknown_leave_torch_unknown(tmp_path):
    result = torch_build(
        target(tmp_path),
        packages=Unknown(why="x cannot be read"),
        runtime=None,
        nvidia=None,
        amd=None,
    )
    assert result == Unknown(why="x cannot be read")
