"""lspci, lshw, lsmod and the rest: cards and the modules that drive them."""

from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Fact, IntelGpu, NvidiaDriver, NvidiaModule, PciBus, RocmStack
from tunedoctor.readers.system.read import read
from tunedoctor.readers.tidy import tidy

SHARED = Path(__file__).parents[4] / "shared" / "samples"
F = TypeVar("F", bound=Fact)
FAILED = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


def facts(text: str) -> list[Fact]:
    return read(tidy(text))


def of(kind: type[F], text: str) -> F | None:
    return next((one for one in facts(text) if isinstance(one, kind)), None)


def only(kind: type[F], text: str) -> F:
    (fact,) = (one for one in facts(text) if isinstance(one, kind))
    return fact


def shared(name: str) -> str:
    if not SHARED.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    return (SHARED / name).read_text()


T4 = """\
01:00.0 3D controller [0302]: NVIDIA Corporation TU104GL [Tesla T4] [10de:1eb8] (rev a1)
\tSubsystem: NVIDIA Corporation Device [10de:12a2]
"""


@pytest.mark.parametrize(
    ("line", "slot", "vendor", "device"),
    [
        (
            "01:00.0 VGA compatible controller: NVIDIA Corporation GA106 [GeForce RTX 3060] (rev a1)",
            "0000:01:00.0",
            "10de",
            "",
        ),
        (
            "1:00.0 VGA compatible controller: NVIDIA Corporation GA106 (rev a1)",
            "0000:01:00.0",
            "10de",
            "",
        ),
        ("01:00.0 0300: 10de:2684 (rev a1)", "0000:01:00.0", "10de", "2684"),
        (
            "0001:00:00.0 3D controller [0302]: NVIDIA Corporation GA100 [10de:20b2]",
            "0001:00:00.0",
            "10de",
            "20b2",
        ),
        (
            "> - 03:00.0 Display controller: Advanced Micro Devices, Inc. [AMD/ATI] Aldebaran",
            "0000:03:00.0",
            "1002",
            "",
        ),
        (
            "c1:00.0 Processing accelerators [1200]: Advanced Micro Devices, Inc. [AMD/ATI] Device [1002:74a1]",
            "0000:c1:00.0",
            "1002",
            "74a1",
        ),
    ],
)
def test_cards_of_lspci(line: str, slot: str, vendor: str, device: str) -> None:
    (card,) = only(PciBus, line).devices
    assert (card.slot, card.vendor, card.device, card.driver) == (slot, vendor, device, None)


def test_lspci_without_k_says_nothing_of_the_module() -> None:
    assert of(NvidiaModule, T4) is None


@pytest.mark.parametrize(
    ("below", "driver", "module"),
    [
        (
            "\tKernel driver in use: nvidia\n\tKernel modules: nvidiafb, nouveau, nvidia_drm, nvidia",
            "nvidia",
            NvidiaModule(loaded=True, on_disk=True),
        ),
        (
            "\tKernel driver in use: nouveau\n\tKernel modules: nvidiafb, nouveau",
            "nouveau",
            NvidiaModule(loaded=False, on_disk=False, nouveau=True),
        ),
        (
            "\tKernel modules: nvidiafb, nouveau, nvidia_drm, nvidia",
            "",
            NvidiaModule(loaded=False, on_disk=True),
        ),
        ("\tKernel modules: nvidiafb", "", NvidiaModule(loaded=False, on_disk=False)),
        ("\tKernel driver in use: vfio-pci", "vfio-pci", NvidiaModule(loaded=False, on_disk=None)),
    ],
)
def test_drivers_of_lspci(below: str, driver: str, module: NvidiaModule) -> None:
    (card,) = only(PciBus, T4 + below).devices
    assert card.driver == driver
    assert only(NvidiaModule, T4 + below) == module


LSHW = """\
  *-display{0}
       description: VGA compatible controller
       product: {1}
       vendor: {2}
       bus info: pci@0000:01:00.0
       configuration: {3}latency=0
  *-network
       product: I219-V
       vendor: Intel Corporation
"""


def test_lshw() -> None:
    (card,) = only(
        PciBus,
        LSHW.format(
            " UNCLAIMED",
            "Vega 10 [Radeon Instinct MI25 MxGPU]",
            "Advanced Micro Devices, Inc. [AMD/ATI]",
            "",
        ),
    ).devices
    assert (card.vendor, card.driver, card.name) == (
        "1002",
        "",
        "Vega 10 [Radeon Instinct MI25 MxGPU]",
    )
    text = LSHW.format(
        "", "GA102 [GeForce RTX 3090] [10DE:2204]", "NVIDIA Corporation [10DE]", "driver=nvidia "
    )
    (card,) = only(PciBus, text).devices
    assert (card.slot, card.device, card.driver) == ("0000:01:00.0", "2204", "nvidia")


def test_recorded_buses() -> None:
    bus = only(PciBus, shared("lspci_nn_a100_nvswitch.txt"))
    assert (len(bus.of("10de")), bus.nvswitches) == (8, 6)
    bus = only(PciBus, shared("lspci_nn_a10.txt"))
    assert ([one.device for one in bus.of("10de")], bus.nvswitches) == (["2236"], 0)


LSMOD = """\
Module                  Size  Used by
nvidia_uvm           1527808  0
nvidia_drm             77824  4
nvidia_modeset       1306624  2 nvidia_drm
nvidia              56717312  89 nvidia_uvm,nvidia_modeset
"""


def test_lsmod() -> None:
    module = only(NvidiaModule, LSMOD)
    assert (module.loaded, module.uvm_loaded) == (True, True)
    module = only(NvidiaModule, LSMOD.replace("nvidia_uvm           1527808  0\n", ""))
    assert (module.loaded, module.uvm_loaded) == (True, False)
    module = only(NvidiaModule, "nouveau              2306048  1\nmxm_wmi 16384 1 nouveau")
    assert (module.loaded, module.nouveau) == (False, True)
    assert not only(NvidiaModule, shared("lsmod_centos7.txt")).loaded


def test_an_empty_answer_of_grep() -> None:
    text = f"$ lsmod | grep nvidia\n$ nvidia-smi\n{FAILED}"
    assert not only(NvidiaModule, text).loaded
    assert of(NvidiaModule, "lsmod | grep nvidia shows the modules") is None


DKMS = """\
$ dkms status
nvidia/535.129.03, 6.5.0-14-generic, x86_64: installed
$ uname -r
{0}
$ nvidia-smi
{1}
"""


def test_a_module_that_was_not_built_for_this_kernel() -> None:
    assert only(NvidiaModule, DKMS.format("6.8.0-40-generic", FAILED)).on_disk is False
    assert only(NvidiaModule, DKMS.format("6.5.0-14-generic", FAILED)).on_disk is True
    assert of(NvidiaModule, DKMS.format("6.8.0-40-generic", "")) is None


def test_secure_boot() -> None:
    module = only(NvidiaModule, f"$ mokutil --sb-state\nSecureBoot enabled\n$ nvidia-smi\n{FAILED}")
    assert (module.loaded, module.on_disk, module.secure_boot) == (False, None, True)
    assert of(NvidiaModule, "SecureBoot enabled") is None


def test_libraries_of_another_version_than_the_module() -> None:
    text = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  520.56.06  Thu Oct  6\n"
        "ii  nvidia-smi     525.85.12-1  amd64        NVIDIA System Management Interface\n"
    )
    driver = only(NvidiaDriver, text)
    assert (driver.version, driver.library) == ("520.56.06", "525.85.12")
    rpm = text.splitlines()[0] + "\nnvidia-driver-cuda-libs-560.35.03-1.el9.x86_64"
    assert only(NvidiaDriver, rpm).library == "560.35.03"
    assert of(NvidiaDriver, text.splitlines()[1]) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "Name                      DriverVersion\nNVIDIA GeForce RTX 3060   31.0.15.3623",
            "536.23",
        ),
        (
            "Card name: NVIDIA GeForce RTX 4070\nManufacturer: NVIDIA\nDriver Version: 32.0.15.6094 (English)",
            "560.94",
        ),
        ("NVIDIA GeForce GTX 1080 27.21.14.5671", "456.71"),
    ],
)
def test_the_number_that_windows_gives_a_driver(text: str, version: str) -> None:
    assert only(NvidiaDriver, text).version == version


def test_a_driver_of_another_maker_is_none_of_nvidia() -> None:
    assert (
        of(NvidiaDriver, "NVIDIA GeForce RTX 3060\nIntel(R) UHD Graphics 630  31.0.15.3623") is None
    )


NODES = """\
$ ls -l /dev/kfd /dev/dri/renderD128
crw-rw---- 1 root render 234,   0 Nov  1 10:00 /dev/kfd
crw-rw----+ 1 root render 226, 128 Nov  1 10:00 /dev/dri/renderD128
"""


def test_a_group_that_the_user_lacks() -> None:
    text = NODES + "$ id\nuid=1000(jo) gid=1000(jo) groups=1000(jo),27(sudo),44(video)"
    stack = only(RocmStack, text)
    assert (stack.kfd, stack.groups_missing) == ("denied", ("render",))
    assert stack.render_denied == stack.render_nodes == ("/dev/dri/renderD128",)
    assert of(RocmStack, text.replace("(video)", "(render)")) is None
    assert of(RocmStack, NODES) is None


def test_groups_by_their_own_command() -> None:
    assert only(RocmStack, NODES + "$ groups\njo sudo").kfd == "denied"
    assert of(RocmStack, NODES + "$ groups jo\njo : jo sudo render") is None


def test_a_device_that_is_not_there() -> None:
    assert (
        only(RocmStack, "ls: cannot access '/dev/kfd': No such file or directory").kfd == "missing"
    )


@pytest.mark.parametrize(
    ("text", "level_zero"),
    [
        (
            "[level_zero:gpu][level_zero:0] Intel(R) oneAPI Unified Runtime over Level-Zero, Intel(R) Arc(TM) A770 Graphics 12.55.8 [1.6.33578]",
            True,
        ),
        (
            "[ext_oneapi_level_zero:gpu:0] Intel(R) Level-Zero, Intel(R) Arc(TM) A770 Graphics 1.3 [1.3.26241]",
            True,
        ),
        (
            "[opencl:gpu][opencl:1] Intel(R) OpenCL Graphics, Intel(R) Arc(TM) A770 Graphics OpenCL 3.0 NEO  [24.39.31294]",
            False,
        ),
        ("| 0         | Device Name: Intel(R) Arc(TM) A770 Graphics                |", None),
    ],
)
def test_intel(text: str, level_zero: bool | None) -> None:
    gpu = only(IntelGpu, text)
    assert (gpu.names, gpu.discrete, gpu.level_zero) == (
        ("Intel(R) Arc(TM) A770 Graphics",),
        True,
        level_zero,
    )


def test_intel_on_the_bus() -> None:
    text = "03:00.0 VGA compatible controller [0300]: Intel Corporation DG2 [Arc A770] [8086:56a0] (rev 08)"
    assert only(IntelGpu, text).discrete
    assert (
        of(IntelGpu, "00:02.0 VGA compatible controller: Intel Corporation UHD Graphics 630")
        is None
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I use lspci and lsmod; nvidia is loaded, nouveau is not.",
        "Module | Size\n--- | ---\nnvidia | big",
        "uid=1000",
        "a 1 2\nb 3 4",
    ],
)
def test_prose_gives_nothing(text: str) -> None:
    assert facts(text) == []


WORDS = st.sampled_from(
    [
        "01:00.0 ",
        "VGA compatible controller: ",
        "NVIDIA ",
        "Kernel driver in use: ",
        "\n",
        "  *-display\n",
        "       product: ",
        "nvidia 1 0\n",
        "$ lsmod | grep nvidia\n",
        "uid=1(a) groups=",
        "crw-rw---- 1 a b 1, 2 x /dev/kfd\n",
        "[level_zero:gpu]",
    ]
)


@given(st.lists(WORDS | st.text(max_size=5), max_size=60).map("".join))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(facts(text), list)
