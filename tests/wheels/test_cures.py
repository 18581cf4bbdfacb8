"""The command that puts a fitting build into the target."""

import pytest
from msgspec.structs import replace

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import (
    Fact,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
    PciBus,
    PciDevice,
    TorchBuild,
)
from tunedoctor.model.findings import Cure
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.readers.read import read_report
from tunedoctor.wheels.cures import (
    companion_install,
    rebuild_cuda,
    rebuild_xpu,
    rocm_build,
    same_torch,
    torch_install,
)

LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64", libc="glibc", libc_version="2.39")
MUSL = replace(LINUX, libc="musl", libc_version="1.2.5")
MAC = Host(os="macos", name="macOS 15.1", machine="arm64", macos_version="15.1")
WINDOWS = Host(os="windows", machine="x86_64", name="Windows 11")
PYTHON = Interpreter(executable="/my env/bin/python", version="3.12.7", machine="x86_64")
ON_ARM = replace(PYTHON, machine="arm64")
CARD = NvidiaGpus(gpus=(NvidiaGpu(index=0, name="RTX 4090", compute_capability="8.9"),))
ON_BUS = PciBus(devices=(PciDevice("0000:01:00.0", "10de", device="2684", device_class="030000"),))


def _torch(version: str) -> TorchBuild:
    return TorchBuild(version=version, accelerator="cuda")


@pytest.mark.parametrize(
    ("installed", "driver", "capabilities", "build"),
    [
        ("2.9.1+cu130", "550.144.03", ("8.9",), "2.9.1+cu128"),
        ("2.6.0+cu124", "580.95.05", ("12.0",), "2.7.1+cu128"),
        ("2.15.0+cu132", "580.95.05", ("7.0",), "2.14.1+cu126"),
        ("", "470.256.02", ("3.5",), ""),
        ("", "580.95.05", ("6.1", "12.0"), ""),
    ],
)
def test_the_nearest_release_with_a_build_that_fits(
    installed: str, driver: str, capabilities: tuple[str, ...], build: str
) -> None:
    fit = rebuild_cuda((LINUX, PYTHON, _torch(installed)), driver, capabilities)
    assert (f"{fit.version}+{fit.variant}" if fit else "") == build
    for host in (MAC, MUSL):
        assert rebuild_cuda((host, PYTHON, _torch(installed)), driver, capabilities) is None


def test_the_label_is_named_so_that_pip_does_not_keep_the_old_build() -> None:
    fit = rebuild_cuda((LINUX, PYTHON, _torch("2.9.1+cpu")), "550.144.03", ("8.9",))
    assert fit is not None
    assert fit.cure.command == (
        "'/my env/bin/python' -m pip install torch==2.9.1+cu128 torchvision==0.24.1+cu128 "
        "torchaudio==2.9.1+cu128 --index-url https://download.pytorch.org/whl/cu128"
    )
    assert "torch==2.9.1+xpu" in rebuild_xpu((LINUX, PYTHON, _torch("2.9.1+cpu"))).command


def test_unknown_facts_name_no_release() -> None:
    fit = rebuild_cuda((None, None, None), "525.60.13", ())
    assert fit is not None
    assert fit.variant.startswith("cu12")
    for command in (fit.cure.command, rebuild_xpu((None, None, None)).command):
        assert command.startswith("python -m pip")
        assert "torch==" not in command
    command = torch_install(Facts(Snapshot.of(())), wanted=">=2.6").cure.command
    assert command == 'python -m pip install "torch>=2.6" torchvision'


@pytest.mark.parametrize(
    ("facts", "wanted", "build"),
    [
        ((LINUX, PYTHON), "", "2.15.0+cpu"),
        ((LINUX, PYTHON), ">=2.6,<2.8", "2.7.1+cpu"),
        ((LINUX, PYTHON), ">=99", "+"),
        ((LINUX, PYTHON, CARD, NvidiaDriver(version="535.183.01")), "", "2.14.1+cu126"),
        ((LINUX, PYTHON, CARD, NvidiaDriver(version="580.95.05")), "", "2.15.0+cu132"),
        ((LINUX, PYTHON, ON_BUS), "", "2.15.0+cu132"),
        ((LINUX, replace(PYTHON, version="3.9.19")), "", "2.8.0+cpu"),
        ((replace(LINUX, libc_version="2.17"), PYTHON), "", "2.6.0+cpu"),
        ((MUSL, PYTHON), "", "+"),
        ((MAC, ON_ARM), "", "2.15.0+mps"),
        ((replace(MAC, macos_version="13.6"), ON_ARM), "", "2.11.0+mps"),
    ],
)
def test_what_is_installed_where_nothing_is(
    facts: tuple[Fact, ...], wanted: str, build: str
) -> None:
    fit = torch_install(Facts(Snapshot.of(facts)), wanted)
    assert f"{fit.version}+{fit.variant}" == build
    assert ("index-url" in fit.cure.command) == (bool(fit.version) and "mps" not in build)
    if build == "+":
        assert fit.cure == Cure()
        assert wanted in fit.why


def test_parts_of_a_build_come_from_its_own_index() -> None:
    build = TorchBuild(version="2.9.1+cu126", cuda="12.6", accelerator="cuda", variant="cu126")
    command = companion_install(PYTHON, build, "torchvision", "0.24.1").command
    assert command.endswith(
        "torchvision==0.24.1+cu126 --index-url https://download.pytorch.org/whl/cu126"
    )
    plain = TorchBuild(version="2.9.1", accelerator="mps", variant="mps")
    assert "index-url" not in companion_install(PYTHON, plain, "torchvision", "0.24.1").command
    again = "--no-deps --force-reinstall torch==2.9.1"
    same = same_torch(PYTHON, "2.9.1+cu126", "cu126").command
    assert same.endswith(f"{again}+cu126 --index-url https://download.pytorch.org/whl/cu126")
    assert same_torch(None, "2.9.1", "mps").command == f"python -m pip install {again}"


REPORT = """Collecting environment information...
PyTorch version: 2.9.1+rocm6.4
ROCM used to build PyTorch: 6.4.43482
OS: Ubuntu 24.04 LTS (x86_64)
Python version: 3.12.3 (64-bit runtime)
Is CUDA available: True
GPU models and configuration: AMD Radeon Graphics ({gfx})
"""


@pytest.mark.parametrize(
    ("gfx", "command", "note"),
    [
        # a newer build of the index goes before a stopgap
        *((gfx, "whl/rocm7.", "ROCm 7.") for gfx in ("gfx1150", "gfx1151", "gfx950")),
        ("gfx1032", "export HSA_OVERRIDE_GFX_VERSION=10.3.0", ""),
        ("gfx1036", "export HSA_OVERRIDE_GFX_VERSION=10.3.0", ""),
        ("gfx1010", "Install AMD's own PyTorch, torch[device-gfx1010]", "seen to fail"),
        ("gfx803", "Train on another GPU, or on the CPU", "neither"),
    ],
)
def test_the_build_that_has_code_for_an_amd_gpu(gfx: str, command: str, note: str) -> None:
    (first, *_) = diagnose(read_report(REPORT.format(gfx=gfx)), all_checks()).causes
    assert first.check.id == "gpu-arch-not-in-rocm-build"
    assert command in first.finding.cure.command
    assert note in first.finding.cure_note


def test_no_build_for_linux_on_windows() -> None:
    found = rocm_build((WINDOWS, PYTHON, _torch("2.9.1+cpu")), ("gfx1100",))
    assert (found.on_index, "torch[device-gfx1100]" in found.cure.command) == (False, True)
