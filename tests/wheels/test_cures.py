"""Fixes that install or replace a build of torch."""

import pytest

from tunedoctor.facts import (
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
    PciBus,
    PciDevice,
    TorchBuild,
)
from tunedoctor.model.findings import Cure, PipInstall
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.wheels.cures import (
    TorchInstall,
    rebuild_cuda,
    rebuild_xpu,
    reinstall,
    rocm_build,
    same_torch,
    torch_install,
)

LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64", libc="glibc", libc_version="2.39")
PYTHON = Interpreter(executable="/my env/bin/python", version="3.12.7", machine="x86_64")
MAC = Host(os="macos", name="macOS 15.1", machine="arm64", macos_version="15.1")
MUSL = Host(os="linux", name="Alpine", machine="x86_64", libc="musl", libc_version="1.2.5")
OLD_GLIBC = Host(os="linux", name="CentOS 7", machine="x86_64", libc="glibc", libc_version="2.17")
RTX_4090 = NvidiaGpus(gpus=(NvidiaGpu(index=0, name="RTX 4090", compute_capability="8.9"),))
ARM_PYTHON = Interpreter(executable="/my env/bin/python", version="3.12.7", machine="arm64")


@pytest.mark.parametrize(
    ("version", "driver", "capabilities", "version_2", "variant"),
    [
        ("2.9.1+cu130", "550.144.03", ("8.9",), "2.9.1", "cu128"),
        ("2.6.0+cu124", "580.95.05", ("12.0",), "2.7.1", "cu128"),
        ("2.15.0+cu132", "580.95.05", ("7.0",), "2.14.1", "cu126"),
    ],
)
def test_a_cuda_build_that_the_driver_or_gpu_cannot_run_is_replaced_by_the_nearest(
    version, driver, capabilities, version_2, variant
):
    draft = rebuild_cuda(
        (LINUX, PYTHON, TorchBuild(version=version, accelerator="cuda")), driver, capabilities
    )
    assert draft.version == version_2
    assert draft.variant == variant
    assert draft.why == ""


def test_the_label_is_named_so_that_pip_does_not_keep_the_cpu_build():
    assert rebuild_cuda(
        (LINUX, PYTHON, TorchBuild(version="2.9.1+cpu", accelerator="cuda")), "550.144.03", ("8.9",)
    ) == TorchInstall(
        version="2.9.1",
        variant="cu128",
        cure=Cure(
            steps=(
                PipInstall(
                    pip="'/my env/bin/python' -m pip",
                    requirements=(
                        "torch==2.9.1+cu128",
                        "torchvision==0.24.1+cu128",
                        "torchaudio==2.9.1+cu128",
                    ),
                    index="https://download.pytorch.org/whl/cu128",
                ),
            )
        ),
        why="",
    )


@pytest.mark.parametrize(
    ("own", "driver", "capabilities"),
    [
        (
            (MAC, PYTHON, TorchBuild(version="2.9.1+cu130", accelerator="cuda")),
            "550.144.03",
            ("8.9",),
        ),
        (
            (MUSL, PYTHON, TorchBuild(version="2.9.1+cu130", accelerator="cuda")),
            "550.144.03",
            ("8.9",),
        ),
        ((LINUX, PYTHON, TorchBuild(version="", accelerator="cuda")), "470.256.02", ("3.5",)),
        ((LINUX, PYTHON, TorchBuild(version="", accelerator="cuda")), "580.95.05", ("6.1", "12.0")),
    ],
)
def test_no_cuda_build_is_proposed_where_none_exists(own, driver, capabilities):
    assert rebuild_cuda(own, driver, capabilities) is None


def test_unknown_facts_name_no_release():
    draft = rebuild_cuda((None, None, None), "525.60.13", ())
    assert draft.variant == "cu126"
    assert len(draft.cure.steps) == 1
    assert draft.cure.steps[0].pip == "python -m pip"
    assert draft.cure.steps[0].requirements == ("torch", "torchvision")
    assert draft.why == ""


@pytest.mark.parametrize(
    ("own", "requirements", "pip", "requirements_2"),
    [
        (
            (LINUX, PYTHON, TorchBuild(version="2.9.1+cpu", accelerator="cuda")),
            "torch==2.9.1+xpu",
            "'/my env/bin/python' -m pip",
            ("torch==2.9.1+xpu", "torchvision==0.24.1+xpu", "torchaudio==2.9.1+xpu"),
        ),
        ((None, None, None), "torch", "python -m pip", ("torch", "torchvision")),
    ],
)
def test_an_intel_gpu_gets_an_xpu_build(own, requirements, pip, requirements_2):
    cure = rebuild_xpu(own)
    assert cure.steps[0].requirements[0] == requirements
    assert len(cure.steps) == 1
    assert cure.steps[0].pip == pip
    assert cure.steps[0].requirements == requirements_2


def test_torch_for_an_unknown_machine_comes_from_the_default_index():
    draft = torch_install(Facts(Snapshot({}).having()), ">=2.6")
    assert draft.version == ""
    assert draft.variant == ""
    assert draft.cure.steps == (PipInstall(requirements=("torch>=2.6", "torchvision")),)


@pytest.mark.parametrize(
    ("snapshot", "snapshot_2", "wanted", "version"),
    [
        (LINUX, PYTHON, "", "2.15.0"),
        (LINUX, PYTHON, ">=2.6,<2.8", "2.7.1"),
        (LINUX, Interpreter(executable="/p", version="3.9.19", machine="x86_64"), "", "2.8.0"),
        (OLD_GLIBC, PYTHON, "", "2.6.0"),
    ],
)
def test_a_machine_without_a_gpu_gets_the_newest_cpu_build_for_its_python_and_glibc(
    snapshot, snapshot_2, wanted, version
):
    draft = torch_install(Facts(Snapshot({}).having(snapshot, snapshot_2)), wanted)
    assert draft.version == version
    assert draft.variant == "cpu"
    assert [step.index for step in draft.cure.steps] == ["https://download.pytorch.org/whl/cpu"]
    assert draft.why == ""


@pytest.mark.parametrize(
    ("snapshot", "version", "variant", "steps"),
    [
        (
            Snapshot({}).having(LINUX, PYTHON, RTX_4090, NvidiaDriver(version="535.183.01")),
            "2.14.1",
            "cu126",
            ["https://download.pytorch.org/whl/cu126"],
        ),
        (
            Snapshot({}).having(LINUX, PYTHON, RTX_4090, NvidiaDriver(version="580.95.05")),
            "2.15.0",
            "cu132",
            ["https://download.pytorch.org/whl/cu132"],
        ),
        (
            Snapshot({}).having(
                LINUX,
                PYTHON,
                PciBus(
                    devices=(
                        PciDevice(
                            slot="0000:01:00.0", vendor="10de", device="2684", device_class="030000"
                        ),
                    )
                ),
            ),
            "2.15.0",
            "cu132",
            ["https://download.pytorch.org/whl/cu132"],
        ),
    ],
)
def test_a_machine_with_a_gpu_gets_the_newest_cuda_build_for_its_driver(
    snapshot, version, variant, steps
):
    draft = torch_install(Facts(snapshot), "")
    assert draft.version == version
    assert draft.variant == variant
    assert [step.index for step in draft.cure.steps] == steps
    assert draft.why == ""


@pytest.mark.parametrize(
    ("snapshot", "version"),
    [
        (MAC, "2.15.0"),
        (Host(os="macos", name="macOS 13.6", machine="arm64", macos_version="13.6"), "2.11.0"),
    ],
)
def test_a_mac_gets_the_newest_build_for_its_macos_from_the_default_index(snapshot, version):
    draft = torch_install(Facts(Snapshot({}).having(snapshot, ARM_PYTHON)), "")
    assert draft.version == version
    assert draft.variant == "mps"
    assert [step.index for step in draft.cure.steps] == [""]
    assert draft.why == ""


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (torch_install(Facts(Snapshot({}).having(LINUX, PYTHON)), ">=99"), ">=99"),
        (torch_install(Facts(Snapshot({}).having(MUSL, PYTHON))), ""),
    ],
)
def test_if_no_build_fits_nothing_is_installed(call, why):
    draft = call
    assert draft.version == ""
    assert draft.variant == ""
    assert draft.cure.steps == ()
    assert why in draft.why


@pytest.mark.parametrize(
    ("torch", "requirements", "index"),
    [
        (
            TorchBuild(version="2.9.1+cu126", cuda="12.6", accelerator="cuda", variant="cu126"),
            ("torchvision==0.24.1+cu126",),
            "https://download.pytorch.org/whl/cu126",
        ),
        (
            TorchBuild(version="2.9.1", accelerator="mps", variant="mps"),
            ("torchvision==0.24.1",),
            "",
        ),
    ],
)
def test_a_library_is_reinstalled_with_the_label_of_torch(torch, requirements, index):
    cure = reinstall(PYTHON, torch, "torchvision", "0.24.1")
    assert len(cure.steps) == 1
    assert cure.steps[0].requirements == requirements
    assert cure.steps[0].index == index


@pytest.mark.parametrize(
    ("interpreter", "version", "variant", "requirements", "index", "steps"),
    [
        (
            PYTHON,
            "2.9.1+cu126",
            "cu126",
            ("torch==2.9.1+cu126",),
            "https://download.pytorch.org/whl/cu126",
            (
                PipInstall(
                    pip="'/my env/bin/python' -m pip",
                    requirements=("torch==2.9.1+cu126",),
                    index="https://download.pytorch.org/whl/cu126",
                    flags=("--force-reinstall", "--no-deps"),
                ),
            ),
        ),
        (
            None,
            "2.9.1",
            "mps",
            ("torch==2.9.1",),
            "",
            (PipInstall(requirements=("torch==2.9.1",), flags=("--force-reinstall", "--no-deps")),),
        ),
    ],
)
def test_the_same_torch_is_reinstalled_without_its_dependencies(
    interpreter, version, variant, requirements, index, steps
):
    cure = same_torch(interpreter, version, variant)
    assert len(cure.steps) == 1
    assert cure.steps[0].flags == ("--force-reinstall", "--no-deps")
    assert cure.steps[0].requirements == requirements
    assert cure.steps[0].index == index
    assert cure.steps == steps


def test_windows_gets_the_rocm_build_of_its_own_index():
    draft = rocm_build(
        (
            Host(os="windows", name="Windows 11", machine="x86_64"),
            PYTHON,
            TorchBuild(version="2.9.1+cpu", accelerator="cuda"),
        ),
        ("gfx1100",),
    )
    assert "torch[device-gfx1100]" in draft.cure.steps[0].command
    assert not draft.on_index
