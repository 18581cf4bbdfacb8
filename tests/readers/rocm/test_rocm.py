"""What ROCm's tools print, in any text."""

from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import AmdGpu, AmdGpus, Errors, Fact, Host, RocmStack
from tunedoctor.readers.rocm.read import read
from tunedoctor.readers.tidy import tidy

SHARED = Path(__file__).parents[4] / "shared" / "samples"
F = TypeVar("F", bound=Fact)
GIB = 1 << 30


def facts(text: str) -> list[Fact]:
    return read(tidy(text))


def only(kind: type[F], text: str) -> F:
    (fact,) = (one for one in facts(text) if isinstance(one, kind))
    return fact


def gpus(text: str) -> tuple[AmdGpu, ...]:
    return only(AmdGpus, text).gpus


def shared(name: str) -> str:
    if not SHARED.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    return (SHARED / name).read_text()


ROCMINFO = """\
ROCk module version 6.8.5 is loaded
=====================
HSA System Attributes
=====================
*******
Agent 1
*******
  Name:                    AMD Ryzen 9 7950X 16-Core Processor
  Marketing Name:          AMD Ryzen 9 7950X 16-Core Processor
  Device Type:             CPU
  Pool Info:
    Pool 1
      Size:                    65111316(0x3e18514) KB
*******
Agent 2
*******
  Name:                    gfx1100
  Marketing Name:          Radeon RX 7900 XTX
  Device Type:             GPU
  Chip ID:                 29772(0x744c)
  BDFID:                   768
  Pool Info:
    Pool 1
      Segment:                 GLOBAL; FLAGS: COARSE GRAINED
      Size:                    25149440(0x17fc000) KB
    Pool 3
      Segment:                 GROUP
      Size:                    64(0x40) KB
  ISA Info:
    ISA 1
      Name:                    amdgcn-amd-amdhsa--gfx1100
    ISA 2
      Name:                    amdgcn-amd-amdhsa--gfx11-generic
*******
Agent 3
*******
  Name:                    gfx1036
  Marketing Name:          AMD Radeon Graphics
  Device Type:             GPU
  Chip ID:                 5710(0x164e)
  Memory Properties:       APU
  Pool Info:
    Pool 1
      Size:                    32555656(0x1f0c288) KB
  ISA Info:
    ISA 1
      Name:                    amdgcn-amd-amdhsa--gfx1036
"""


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t,
        lambda t: "\n".join("> " + one for one in t.splitlines()),
        lambda t: t.replace("\n", "\r\n"),
    ],
)
def test_rocminfo(damage: object) -> None:
    assert callable(damage)
    text = damage(ROCMINFO)
    card, chip = gpus(text)
    assert (card.index, card.gfx, card.name, card.slot, card.integrated) == (
        0,
        "gfx1100",
        "Radeon RX 7900 XTX",
        "0000:03:00.0",
        False,
    )
    assert card.memory_total == 25149440 << 10
    assert (chip.gfx, chip.integrated) == ("gfx1036", True)
    stack = only(RocmStack, text)
    assert (stack.kfd, stack.driver, stack.dxg) == ("ok", "6.8.5", None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "$ rocminfo | grep gfx\n  Name:                    gfx1030\n      Name:                    amdgcn-amd-amdhsa--gfx1030",
            ["gfx1030"],
        ),
        (
            "  Name:                    gfx90a\n  Name:                    gfx90a",
            ["gfx90a", "gfx90a"],
        ),
        ("      Name:                    amdgcn-amd-amdhsa--gfx942:sramecc+:xnack-", ["gfx942"]),
        ("gfx000\ngfx1100\ngfx1036", ["gfx1100", "gfx1036"]),
        ("$ rocm_agent_enumerator\ngfx1201\n", ["gfx1201"]),
        ("$ amdgpu-arch\ngfx908\ngfx908\n", ["gfx908", "gfx908"]),
        (
            ":3:rocdevice.cpp            :1806: 12345 us: Gfx Major/Minor/Stepping: 9/0/10",
            ["gfx90a"],
        ),
        (
            "  Device Name                                     gfx906:sramecc+:xnack-\n  Device Board Name (AMD)     AMD Radeon VII",
            ["gfx906"],
        ),
    ],
)
def test_targets_wherever_they_are_named(text: str, names: list[str]) -> None:
    assert [gpu.gfx for gpu in gpus(text)] == names


ROCM_SMI = """\
============================ ROCm System Management Interface ============================
====================================== Product Info ======================================
GPU[0]\t\t: Card Series: \t\tAMD Radeon RX 7900 XTX
GPU[0]\t\t: Card Model: \t\t0x744c
GPU[0]\t\t: Card Vendor: \t\tAdvanced Micro Devices, Inc. [AMD/ATI]
GPU[0]\t\t: GFX Version: \t\tgfx1100
GPU[1]\t\t: Card Series: \t\tAMD Radeon Graphics
GPU[1]\t\t: Card Model: \t\t0x164e
GPU[1]\t\t: GFX Version: \t\tgfx1036
GPU[0]\t\t: VRAM Total Memory (B): 25753026560
"""
CONCISE = """\
Device  Node  IDs              Temp    Power  Partitions          SCLK  MCLK   Fan  Perf  PwrCap  VRAM%  GPU%
              (DID,     GUID)  (Edge)  (Avg)  (Mem, Compute, ID)
0       1     0x744c,   29387  35.0°C  17.0W  N/A, N/A, 0         8Mhz  96Mhz  0%   auto  303.0W  4%     1%
"""
AMD_SMI = """\
+------------------------------------------------------------------------------+
| AMD-SMI 26.0.0+37d158ab      amdgpu version: 6.12.12  ROCm version: 7.0.0    |
|-------------------------------------+----------------------------------------|
| BDF                        GPU-Name | Mem-Uti   Temp   UEC       Power-Usage |
| GPU  HIP-ID  OAM-ID  Partition-Mode | GFX-Uti    Fan               Mem-Usage |
|=====================================+========================================|
| 0000:05:00.0    AMD Instinct MI300X | 0 %      38 °C   0           131/750 W |
|   0       0       7        SPX/NPS1 | 0 %        N/A           285/196592 MB |
|-------------------------------------+----------------------------------------|
| 0000:26:00.0    AMD Instinct MI300X | 0 %      38 °C   0           131/750 W |
|   1       1       6        SPX/NPS1 | 0 %        N/A           285/196592 MB |
+------------------------------------------------------------------------------+
"""


def test_rocm_smi_by_rows() -> None:
    card, chip = gpus(ROCM_SMI)
    assert (card.gfx, card.name, card.memory_total) == (
        "gfx1100",
        "AMD Radeon RX 7900 XTX",
        25753026560,
    )
    assert (chip.gfx, chip.integrated) == ("gfx1036", True)


def test_rocm_smi_by_device_ids() -> None:
    (card,) = gpus(CONCISE)
    assert card.gfx == "gfx1100"


def test_the_table_of_amd_smi() -> None:
    one, two = gpus(AMD_SMI)
    assert (one.gfx, one.name, one.slot) == ("gfx942", "AMD Instinct MI300X", "0000:05:00.0")
    assert two.memory_total == 196592 << 20
    stack = only(RocmStack, AMD_SMI)
    assert (stack.version, stack.driver, stack.kfd) == ("7.0.0", "6.12.12", "not tried")


def test_amd_smi_as_json_and_csv() -> None:
    text = '[\n {\n "gpu": 0,\n "asic": {\n "market_name": "AMD Instinct MI210",\n "target_graphics_version": "gfx90a"\n }}]'
    (one,) = gpus(text)
    assert (one.gfx, one.name) == ("gfx90a", "AMD Instinct MI210")
    text = "gpu,market_name,vendor_id,device_id,target_graphics_version\n0,AMD Instinct MI210,0x1002,0x740f,gfx90a\n"
    (one,) = gpus(text)
    assert (one.gfx, one.name) == ("gfx90a", "AMD Instinct MI210")


@pytest.mark.parametrize(
    ("said", "kfd"),
    [
        ("Permission denied", "denied"),
        ("Operation not permitted", "denied"),
        ("No such file or directory", "missing"),
        ("Cannot allocate memory", "no memory"),
        ("Invalid argument", "refused"),
    ],
)
def test_why_the_device_does_not_open(said: str, kfd: str) -> None:
    text = f"ROCk module is loaded\nUnable to open /dev/kfd read-write: {said}\n"
    assert only(RocmStack, text).kfd == kfd
    assert only(Errors, text).errors[0].text == f"Unable to open /dev/kfd read-write: {said}"


def test_a_module_that_is_not_loaded() -> None:
    text = "ROCk module is NOT loaded, possibly no GPU devices"
    assert only(RocmStack, text).kfd == "missing"
    assert only(Errors, text).errors[0].text == text


def test_cards_that_the_compute_driver_refuses_are_not_offered() -> None:
    text = ROCM_SMI + "Unable to open /dev/kfd read-write: Cannot allocate memory\n"
    assert not [fact for fact in facts(text) if isinstance(fact, AmdGpus)]
    assert gpus(ROCM_SMI + "Unable to open /dev/kfd read-write: Permission denied\n")


def test_groups() -> None:
    text = (
        'jo is not member of "render" group, the default DRM access group. Users must be a member'
    )
    assert only(RocmStack, text).groups_missing == ("render",)
    text = "WARNING: User is missing the following required groups: render, video"
    assert only(RocmStack, text).groups_missing == ("render", "video")
    assert only(Errors, text).errors[0].text == text


def test_wsl() -> None:
    text = "WSL environment detected.\n=====================\n  Name:                    gfx1100\n"
    assert only(Host, text).wsl == 2
    stack = only(RocmStack, text)
    assert (stack.kfd, stack.dxg) == ("not tried", True)


@pytest.mark.parametrize(
    "text",
    [
        "$ cat /opt/rocm/.info/version\n6.2.4-120",
        "ROCm version: 6.2.4",
        "ii  rocm-libs   6.2.4.60204-139~22.04  amd64  Radeon Open Compute",
        "LD_LIBRARY_PATH=/opt/rocm-6.2.4/lib",
    ],
)
def test_the_version_of_rocm(text: str) -> None:
    assert only(RocmStack, text).version == "6.2.4"


def test_recorded_outputs() -> None:
    assert [(g.gfx, g.name) for g in gpus(shared("rocminfo_mi300x_docs.txt"))] == [
        ("gfx941", "AMD Instinct MI300X")
    ]
    assert [g.gfx for g in gpus(shared("rocm_agent_enumerator_docs.txt"))] == ["gfx941"]
    assert [g.gfx for g in gpus(shared("amd-smi_static_asic.txt"))] == ["gfx942"]
    assert {g.gfx for g in gpus(shared("rocm-smi_json_mi100_602.json"))} == {"gfx908"}
    assert {g.memory_total for g in gpus(shared("rocm-smi_json_vega20.json"))} == {34342961152}
    (one,) = gpus(shared("rocm-smi_json_rx6700xt_612.json"))
    assert (one.gfx, one.memory_total, one.slot) == ("gfx1031", 12868124672, "0000:07:00.0")
    for name in (
        "amd-smi_process.txt",
        "amd-smi_metric_throttle.txt",
        "amd-smi_static_partition.txt",
    ):
        assert facts(shared(name)) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I have an AMD Radeon RX 7900 XTX (gfx1100) and ROCm.",
        "torch.cuda.get_arch_list() gives ['gfx900', 'gfx1030']",
        "Name: my-env\nVersion: 1.0\n",
        "pip install torch --index-url https://download.pytorch.org/whl/rocm6.2.4",
        "GPU: 0",
    ],
)
def test_prose_gives_nothing(text: str) -> None:
    assert facts(text) == []


WORDS = st.sampled_from(
    [
        "Agent 1\n",
        "Name: ",
        "gfx1100",
        "GPU[0] : ",
        "Card series: ",
        '"card0": {',
        '"gpu": 0',
        "GPU: 0\n",
        "BDF: ",
        "\n",
        " ",
        "0x744c,",
        "AMD-SMI 1.0.0 amdgpu version",
        "gpu,bdf\n",
    ]
)


@given(st.lists(WORDS | st.text(max_size=5), max_size=60).map("".join))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(facts(text), list)


TWO_LINES = """\
Device  [Model : Revision]    Temp    Power   Partitions      SCLK     MCLK
        Name (20 chars)       (Edge)  (Avg)   (Mem, Compute)
================================================================================
0       [0x0c34 : 0x02]       37.0°C  42.0W   N/A, N/A        800Mhz   1600Mhz
        Instinct MI210
1       [0x0b0c : 0x00]       36.0°C  35.0W   N/A, N/A        300Mhz   1200Mhz
        Navi 31 [Radeon RX 7
================================================================================
"""


def test_the_table_of_rocm_smi_57_names_the_card_on_the_next_line() -> None:
    first, second = gpus(TWO_LINES)
    assert (first.index, first.name, first.gfx) == (0, "Instinct MI210", "gfx90a")
    assert (second.index, second.name) == (1, "Navi 31 [Radeon RX 7")
