"""nvidia-smi in any text."""

import time
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Fact, NvidiaAnswer, NvidiaDriver, NvidiaGpu, NvidiaGpus
from tunedoctor.readers.nvidia_smi import read

HERE = Path(__file__).parent
OWN = HERE.parent / "samples" / "smi"
SHARED = HERE.parents[2] / "shared" / "samples"
MIB = 1 << 20

F = TypeVar("F", bound=Fact)


def own(name: str) -> str:
    return (OWN / f"nvidia-smi_{name}.txt").read_text()


def shared(name: str) -> str:
    if not SHARED.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    return (SHARED / name).read_text()


def only(kind: type[F], text: str) -> F:
    (fact,) = (one for one in read(text) if isinstance(one, kind))
    return fact


def gpus(text: str) -> tuple[NvidiaGpu, ...]:
    return only(NvidiaGpus, text).gpus


def gpu(text: str) -> NvidiaGpu:
    (one,) = gpus(text)
    return one


WSL = """\
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 555.42.03              Driver Version: 555.85         CUDA Version: 12.5     |
|-----------------------------------------+------------------------+----------------------+
|   0  NVIDIA GeForce RTX 4070        On  |   00000000:01:00.0  On |                  N/A |
|  0%   43C    P8             12W /  200W |    1182MiB /  12282MiB |      3%      Default |
|                                         |                        |                  N/A |
+-----------------------------------------+------------------------+----------------------+
"""
NARROW = """\
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 375.39                 Driver Version: 375.39                    |
|-------------------------------+----------------------+----------------------+
|   0  Tesla V100-SXM2...  Off  | 0000:01:00.0     Off |                    2 |
| N/A   27C    P8    10W / 250W |     63MiB / 16160MiB |      0%      Default |
+-------------------------------+----------------------+----------------------+
|   1  TITAN X (Pascal)    Off  | 0000:02:00.0      On |                  N/A |
| 23%   27C    P8    10W / 250W |    163MiB / 12186MiB |      0%      Default |
+-----------------------------------------------------------------------------+
| Processes:                                                       GPU Memory |
|  GPU       PID  Type  Process name                               Usage      |
|=============================================================================|
|    1      1234    C   /opt/conda/bin/python                          100MiB |
+-----------------------------------------------------------------------------+
"""
ORIN = """\
| NVIDIA-SMI 540.3.0                Driver Version: N/A          CUDA Version: 12.2     |
|-----------------------------------------+----------------------+----------------------+
|   0  Orin (nvgpu)                  N/A  | N/A              N/A |                  N/A |
| N/A   N/A  N/A               N/A /  N/A | Not Supported        |     N/A          N/A |
"""
GB10 = """\
| NVIDIA-SMI 580.95.05              Driver Version: 580.95.05      CUDA Version: 13.0     |
|   0  NVIDIA GB10                    On  |   0000000F:01:00.0 Off |                  N/A |
| N/A   36C    P8              4W /  N/A  | Not Supported          |      0%      Default |
|                                         |                        |                  N/A |
"""


def test_the_header_words_of_610() -> None:
    driver = only(NvidiaDriver, own("table_610_rtx2080s"))
    assert (driver.version, driver.cuda, driver.library) == ("610.57.04", "13.3", "610.57.04")
    one = gpu(own("table_610_rtx2080s"))
    assert one.name == "NVIDIA GeForce RTX 2080 ..."
    assert one.compute_capability == "7.5"  # the name is cut: all cards that begin so share it
    assert one.memory_total == 8192 * MIB
    assert one.slot == "0000:0c:00.0"
    assert [(p.pid, p.name, p.memory) for p in one.processes] == [
        (1720, "gnome-shell", 173 * MIB),
        (4556, "Xwayland", 3 * MIB),
    ]


def test_deprecated_is_no_version() -> None:
    assert only(NvidiaDriver, own("version_610")) == NvidiaDriver(
        version="610.57.04", source="nvidia-smi", cuda="13.3", library="610.57.04"
    )


def test_mig() -> None:
    one = gpu(own("table_590_h100_mig"))
    assert (one.mig, one.mig_instances, one.compute_capability) == (True, 4, "9.0")
    assert one.memory_total == 81559 * MIB
    assert one.processes == ()
    listed = gpu(own("list_h100_mig"))
    assert (listed.mig, listed.mig_instances) == (True, 4)
    assert listed.uuid.startswith("GPU-0000")


def test_windows() -> None:
    one = gpu(own("table_win_591"))
    assert one.driver_model == "WDDM"
    assert one.processes[0].name == "dwm.exe"
    assert one.processes[0].memory is None


def test_in_wsl_the_second_number_is_the_driver() -> None:
    driver = only(NvidiaDriver, WSL)
    assert (driver.version, driver.library, driver.cuda) == ("555.85", "555.42.03", "12.5")
    assert gpu(WSL).compute_capability == "8.9"


def test_the_narrow_table_of_old_drivers() -> None:
    driver = only(NvidiaDriver, NARROW)
    assert (driver.version, driver.cuda) == ("375.39", "")
    volta, pascal = gpus(NARROW)
    assert (volta.name, volta.ecc_uncorrected) == ("Tesla V100-SXM2...", 2)
    assert (pascal.compute_capability, pascal.slot) == ("6.1", "0000:02:00.0")
    assert [(p.pid, p.name) for p in pascal.processes] == [(1234, "python")]


def test_unified_memory_has_no_size() -> None:
    one = gpu(GB10)
    assert (one.memory_total, one.memory_free) == (None, None)
    assert one.unified_memory
    assert (one.compute_capability, one.slot) == ("12.1", "000f:01:00.0")


def test_a_jetson_states_no_driver() -> None:
    (fact,) = read(ORIN)
    assert isinstance(fact, NvidiaGpus)
    one = gpu(ORIN)
    assert (one.name, one.slot, one.memory_total) == ("Orin (nvgpu)", "", None)
    assert (one.compute_capability, one.unified_memory) == ("8.7", True)


@pytest.mark.parametrize("prefix", ["> ", ">> ", "  > ", "gump-1  | ", "2026-07-03T08:33 node1: "])
def test_quotes_and_prefixes_of_logs(prefix: str) -> None:
    text = own("table_590_h100_mig")
    damaged = "".join(prefix + line + "\n" for line in text.splitlines())
    assert read(damaged) == read(text)


def test_colours_carriage_returns_and_words_around() -> None:
    text = own("table_590_h100_mig")
    coloured = "\x1b[32m" + text.replace("\n", "\x1b[0m\r\n\x1b[1;31m")
    around = f"My GPU is not found, | see | here |\n```\n{coloured}\n```\nthanks | a lot |\n"
    assert read(around) == read(text)


def test_outputs_of_one_machine_complete_each_other() -> None:
    both = own("table_590_h100_mig") + "$ nvidia-smi -L\n" + own("list_h100_mig")
    one = gpu(both)
    assert one.uuid.startswith("GPU-")
    assert one.memory_total == 81559 * MIB
    assert one.mig_instances == 4


def test_a_list_gives_a_cut_name_its_end() -> None:
    uuid = "GPU-00000000-0000-0000-0000-000000000000"
    listed = f"GPU 0: NVIDIA GeForce RTX 2080 SUPER (UUID: {uuid})\n"
    one = gpu(own("table_610_rtx2080s") + listed)
    assert (one.name, one.compute_capability) == ("NVIDIA GeForce RTX 2080 SUPER", "7.5")


def test_a_list_whose_uuids_were_hidden() -> None:
    assert gpu("[setup] nvidia-smi -L:\nGPU 0: NVIDIA H200\n").compute_capability == "9.0"
    assert read("GPU 0: NVIDIA H200\n") == []  # some other program may print this
    assert read("nvidia-smi -L\nGPU 0: 23 of 24 GB used\n") == []


def test_a_table_that_is_printed_twice_is_one() -> None:
    text = own("table_590_h100_mig")
    assert read(text + text) == read(text)


@pytest.mark.parametrize(
    ("text", "nvml", "smi"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", 18, 18),
        ("Failed to initialize NVML: Unknown Error", 999, None),
        ("> Failed to initialize NVML: Insufficient Permissions", 4, 4),
        ("Failed to initialize NVML: GPU access blocked by the operating system", 17, 17),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            None,
            9,
        ),
        ("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", None, 12),
        ("Unable to determine the device handle for GPU0000:65:00.0: Unknown Error", None, 15),
        ("$ nvidia-smi\nNo devices were found\n", None, 6),
    ],
)
def test_failures(text: str, nvml: int | None, smi: int | None) -> None:
    answer = only(NvidiaAnswer, f"I ran it:\n{text}\n")
    assert (answer.nvml_code, answer.smi_code, answer.smi) == (nvml, smi, "error")
    assert answer.smi_text


def test_the_version_of_the_library_stays_with_the_mismatch() -> None:
    text = (
        "Failed to initialize NVML: Driver/library version mismatch\n"
        "NVML library version: 570.124\n"
    )
    assert only(NvidiaAnswer, text).smi_text.endswith("NVML library version: 570.124")


@pytest.mark.parametrize(
    "text",
    [
        "bash: nvidia-smi: command not found",
        "zsh: command not found: nvidia-smi",
        "'nvidia-smi' is not recognized as an internal or external command",
    ],
)
def test_a_command_that_is_not_there(text: str) -> None:
    assert read(text) == [NvidiaAnswer(smi="missing")]


def test_the_kernel_module_of_a_paste() -> None:
    text = (
        "Failed to initialize NVML: Driver/library version mismatch\n"
        "$ cat /proc/driver/nvidia/version\n"
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  520.56.06  Thu Oct  6 21:38:55 UTC 2022\n"
    )
    driver = only(NvidiaDriver, text)
    assert (driver.version, driver.open_module) == ("520.56.06", False)
    opened = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.80  Release Build"
    driver = only(NvidiaDriver, opened)
    assert (driver.version, driver.open_module) == ("595.80", True)


def test_text_without_it() -> None:
    for text in ("", "hello", "Nvidia driver version: 535.54", "name, age\nx, 3", "0\n1\tphb"):
        assert read(text) == []


def test_a_query_that_lost_its_indents() -> None:
    text = (
        "==============NVSMI LOG==============\nDriver Version : 595.80\nAttached GPUs : 1\n"
        "GPU 00000000:01:00.0\nProduct Name : NVIDIA L40S\nMIG Mode\nCurrent : N/A\nPending : N/A\n"
        "GPU UUID : GPU-1\nFB Memory Usage\nTotal : 46068 MiB\nFree : 45460 MiB\nFabric\n"
        "State : In Progress\n"
    )
    one = gpu(text)
    assert (one.name, one.uuid, one.memory_total) == ("NVIDIA L40S", "GPU-1", 46068 * MIB)
    assert one.fabric_state == "in progress"


def test_faults_of_a_query() -> None:
    text = (
        "==============NVSMI LOG==============\nDriver Version : 595.80\nGPU 00000000:01:00.0\n"
        "    Product Name                      : NVIDIA A100-SXM4-80GB\n"
        "    GPU Recovery Action               : Reset\n"
        "    Clocks Event Reasons\n"
        "        SW Power Cap                  : Active\n"
        "        HW Slowdown                   : Active\n"
        "            HW Thermal Slowdown       : Active\n"
        "    ECC Errors\n"
        "        Volatile\n"
        "            SRAM Uncorrectable        : 2\n"
        "            DRAM Correctable          : 7\n"
        "            DRAM Uncorrectable        : 1\n"
        "        Aggregate\n"
        "            DRAM Uncorrectable        : 90\n"
        "    Remapped Rows\n"
        "        Pending                       : Yes\n"
        "        Remapping Failure Occurred    : Yes\n"
    )
    one = gpu(text)
    assert one.recovery_action == "GPU_RESET"
    assert one.throttle == ("hw-slowdown", "hw-thermal")
    assert one.ecc_uncorrected == 3
    assert (one.remap_pending, one.remap_failed) == (True, True)


def test_faults_of_a_csv() -> None:
    text = (
        "index, name, uuid, memory.total [MiB], clocks_event_reasons.active, "
        "remapped_rows.failure\n"
        "3, Tesla T4, GPU-1, 15360 MiB, 0x0000000000000068, Yes\n"
        "4, Tesla T4, GPU-2, [N/A], 0x0000000000000004, No\n\n"
    )
    hot, well = gpus(text)
    assert (hot.index, hot.throttle) == (3, ("hw-slowdown", "sw-thermal", "hw-thermal"))
    assert hot.remap_failed
    assert (well.memory_total, well.throttle, well.remap_failed) == (None, (), False)


SAMPLES = {
    # file: (driver, CUDA, GPUs, memory of the first in MiB, its compute capability)
    "nvidia-smi_table_610_rtx2080s.txt": ("610.57.04", "13.3", 1, 8192, "7.5"),
    "nvidia-smi_version_610.txt": ("610.57.04", "13.3", 0, None, ""),
    "nvidia-smi_version_595.txt": ("595.71.05", "13.2", 0, None, ""),
    "nvidia-smi_table_595_rtx4080s.txt": ("595.71.05", "13.2", 1, 16376, "8.9"),
    "nvidia-smi_table_590_h100.txt": ("590.48.01", "13.1", 1, 81559, "9.0"),
    "nvidia-smi_table_590_h100_mig.txt": ("590.48.01", "13.1", 1, 81559, "9.0"),
    "nvidia-smi_table_590_h200_mig_load.txt": ("590.48.01", "13.1", 1, 143771, "9.0"),
    "nvidia-smi_table_590_h200.txt": ("590.48.01", "13.1", 1, 143771, "9.0"),
    "nvidia-smi_table_595_l40s_load.txt": ("595.80", "13.2", 1, 46068, "8.9"),
    "nvidia-smi_table_win_610.txt": ("610.62", "13.3", 1, 8192, "7.5"),
    "nvidia-smi_table_win_591.txt": ("591.86", "13.1", 1, 8192, "7.5"),
    "nvidia-smi_list_h100_mig.txt": ("", "", 1, None, "9.0"),
    "nvidia-smi_list_plain.txt": ("", "", 1, None, "7.5"),
    "nvidia-smi_topo_h100.txt": ("", "", 0, None, ""),
    "nvidia-smi_nvlink_h200.txt": ("", "", 1, None, "9.0"),
    "nvidia-smi_nvlink_a100.txt": ("", "", 8, None, "8.0"),
    "nvidia-smi_q_595_l40s.txt": ("595.80", "13.2", 1, 46068, "8.9"),
    "nvidia-smi_q_610_rtx2080s.txt": ("610.57.04", "13.3", 1, 8192, "7.5"),
    "nvidia-smi_q_590_h100_mig.txt": ("590.48.01", "13.1", 1, 81559, "9.0"),
    "nvidia-smi_q_win_591.txt": ("591.86", "13.1", 1, 8192, "7.5"),
    "nvidia-smi_csv_h100_load.csv": ("590.48.01", "", 1, 81559, "9.0"),
    "nvidia-smi_csv_win_610.csv": ("610.62", "", 1, 8192, "7.5"),
    "nvidia-smi_csv_h100_mig.csv": ("590.48.01", "", 1, 81559, "9.0"),
    "nvidia-smi_apps_h100_mig.csv": ("", "", 1, None, "9.0"),
    "nvidia-smi_apps_l40s_load.csv": ("", "", 1, None, "8.9"),
    "nvidia-smi_apps_win_610.csv": ("", "", 1, None, "7.5"),
    "nvidia-smi_dmon_l40s.txt": ("", "", 0, None, ""),
    "nvidia-smi_retired_h100.txt": ("", "", 1, None, "9.0"),
    "nvidia-smi_xml_a100_mig_v12.xml": ("535.54.03", "12.2", 1, 81920, "8.0"),
    "nvidia-smi_xml_a10g.xml": ("515.105.01", "11.7", 1, 23028, "8.6"),
    "nvidia-smi_xml_t4.xml": ("515.105.01", "11.7", 1, 15360, "7.5"),
    "nvidia-smi_xml_rtx3080_v13.xml": ("595.58.03", "13.2", 1, 10240, "8.6"),
    "nvidia-smi_xml_rtx3090_v12.xml": ("525.147.05", "12.0", 1, 24576, "8.6"),
    "nvidia-smi_xml_p400_v11.xml": ("418.43", "10.1", 1, 1998, "6.1"),
    "nvidia-smi_xml_rtx4000sff_v13.xml": ("595.84", "13.2", 1, 20475, "8.9"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_recorded_output(name: str) -> None:
    facts = read(shared(name))
    driver = next((f for f in facts if isinstance(f, NvidiaDriver)), NvidiaDriver(version=""))
    found = next((f for f in facts if isinstance(f, NvidiaGpus)), NvidiaGpus(gpus=()))
    first = found.gpus[0] if found.gpus else NvidiaGpu(index=0, name="")
    assert not [f for f in facts if isinstance(f, NvidiaAnswer)]
    total = first.memory_total
    assert (
        driver.version,
        driver.cuda,
        len(found.gpus),
        total // MIB if total is not None else None,
        first.compute_capability,
    ) == SAMPLES[name]


def test_no_recorded_output_is_left_out() -> None:
    if not SHARED.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    assert {file.name for file in SHARED.glob("nvidia-smi_*")} == SAMPLES.keys()


def test_details_of_recorded_outputs() -> None:
    one = gpu(shared("nvidia-smi_csv_h100_load.csv"))
    assert (one.mig, one.ecc_uncorrected) == (False, 0)
    assert one.memory_free == 61263 * MIB
    assert (one.fabric_state, one.fabric_status) == ("completed", "success")
    one = gpu(shared("nvidia-smi_csv_win_610.csv"))
    assert one.driver_model == "WDDM"
    one = gpu(shared("nvidia-smi_q_590_h100_mig.txt"))
    assert (one.mig, one.mig_instances, one.memory_free) == (True, 4, 81022 * MIB)
    assert (one.ecc_uncorrected, one.recovery_action, one.throttle) == (0, "", ())
    one = gpu(shared("nvidia-smi_xml_a100_mig_v12.xml"))
    assert (one.mig, one.mig_instances) == (True, 4)
    one = gpu(shared("nvidia-smi_xml_t4.xml"))
    assert [p.name for p in one.processes] == ["Xorg", "python"]
    one = gpu(shared("nvidia-smi_apps_h100_mig.csv"))
    assert [p.pid for p in one.processes] == [21180, 21181, 21198]
    one = gpu(shared("nvidia-smi_table_590_h200_mig_load.txt"))
    assert (one.mig_instances, len(one.processes)) == (5, 3)


BROKEN = """\
| NVIDIA-SMI 550.54.14              Driver Version: 550.54.14      CUDA Version: 12.
4     |
|-----------------------------------------+------------------------+----------------
------+
|   0  NVIDIA GeForce RTX 4090        Off |   00000000:01:00.0 Off |
  Off |
|  0%   43C    P8             12W /  450W |    1182MiB /  24564MiB |      3%      De
fault |
"""
UNEDGED = """\
NVIDIA-SMI 470.182.03   Driver Version: 470.182.03   CUDA Version: 11.4
 GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC
   0  Tesla P40           Off  | 00000000:03:00.0 Off |                    0
 N/A   21C    P8     9W / 250W |      0MiB / 22919MiB |      0%      Default
"""


def test_rows_that_a_narrow_terminal_broke() -> None:
    assert only(NvidiaDriver, BROKEN).cuda == "12.4"
    one = gpu(BROKEN)
    assert (one.name, one.memory_total) == ("NVIDIA GeForce RTX 4090", 24564 * MIB)


def test_rows_without_their_edges() -> None:
    one = gpu(UNEDGED)
    assert (one.name, one.memory_total, one.ecc_uncorrected) == ("Tesla P40", 22919 * MIB, 0)


def test_a_head_in_a_markdown_table() -> None:
    text = "| NVIDIA-SMI 535.104.05 | Driver Version: 535.104.05 | CUDA Version: 12.2 |"
    assert only(NvidiaDriver, text).version == "535.104.05"
    assert only(NvidiaDriver, text).cuda == "12.2"


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("GeForce GTX 108...", "6.1"),
        ("Tesla V100-SXM2...", "7.0"),
        ("NVIDIA GeForce RTX 30...", "8.6"),
        ("NVIDIA GeForce ...", ""),
    ],
)
def test_cut_names_tell_what_all_that_begin_so_share(name: str, capability: str) -> None:
    text = f"| NVIDIA-SMI 470.1  Driver Version: 470.1 |\n|   0  {name}  Off  | 00000000:01:00.0 Off | N/A |"
    assert gpu(text).compute_capability == capability


def test_a_csv_without_header_goes_by_its_command() -> None:
    text = (
        "$ nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader\n"
        "NVIDIA A100-SXM4-80GB, 535.161.08, 81920 MiB\n"
        "NVIDIA A100-SXM4-80GB, 535.161.08, 81920 MiB\n"
    )
    assert [one.memory_total for one in gpus(text)] == [81920 * MIB] * 2
    assert only(NvidiaDriver, text).version == "535.161.08"
    single = only(NvidiaDriver, "driver_version\n550.54.15\n550.54.15")
    assert single.version == "550.54.15"
    assert not read("driver_version\nsee above")


def test_gpustat_and_nvitop() -> None:
    text = (
        "host  Mon Jan  1 12:00:00 2024  535.129.03\n"
        "[0] NVIDIA A100-SXM4-40GB | 45'C,  12 % |  3456 / 40960 MB | me(3000M)\n"
        "[1] NVIDIA A100-SXM4-40GB | 41'C,   0 % |     0 / 40960 MB |\n"
    )
    assert [(g.index, g.memory_total) for g in gpus(text)] == [(0, 40960 * MIB), (1, 40960 * MIB)]
    assert only(NvidiaDriver, text).version == "535.129.03"
    head = "│ NVITOP 1.3.2       Driver Version: 550.54.14      CUDA Driver Version: 12.4 │"
    driver = only(NvidiaDriver, head)
    assert (driver.version, driver.cuda) == ("550.54.14", "12.4")


def test_device_query() -> None:
    text = (
        'Device 0: "NVIDIA GeForce RTX 5090"\n'
        "  CUDA Driver Version / Runtime Version          12.8 / 12.8\n"
        "  CUDA Capability Major/Minor version number:    12.0\n"
        "  Total amount of global memory:                 32110 MBytes (33669849088 bytes)\n"
    )
    one = gpu(text)
    assert (one.compute_capability, one.memory_total) == ("12.0", 32110 * MIB)


@pytest.mark.parametrize(
    "text",
    [
        "bash: nvidia-smi: command not found",
        "zsh: command not found: nvidia-smi",
        "sh: 1: nvidia-smi: not found",
        "Command 'nvidia-smi' not found, but can be installed with:",
        "fish: Unknown command: nvidia-smi",
        "bash: nvidia-smi: commande introuvable",
        "nvidia-smi: Befehl nicht gefunden",
        "bash: nvidia-smi: orden no encontrada",
        "nvidia-smi\uff1a\u672a\u627e\u5230\u547d\u4ee4",
        "'nvidia-smi' \u4e0d\u662f\u5185\u90e8\u6216\u5916\u90e8\u547d\u4ee4",
        "nvidia-smi : The term 'nvidia-smi' is not recognized as the name of a cmdlet",
        'exec: "nvidia-smi": executable file not found in $PATH',
        "FileNotFoundError: [Errno 2] No such file or directory: 'nvidia-smi'",
    ],
)
def test_a_missing_tool_in_every_shell(text: str) -> None:
    assert only(NvidiaAnswer, text) == NvidiaAnswer(smi="missing")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pynvml.NVMLError_LibraryNotFound: NVML Shared Library Not Found", 12),
        ("pynvml.nvml.NVMLError_DriverNotLoaded: Driver Not Loaded", 9),
        ("NVMLError_LibRmVersionMismatch: RM has detected an NVML/RM version mismatch.", 18),
        ("pynvml.NVMLError_GpuIsLost: GPU is lost", 15),
    ],
)
def test_what_the_python_binding_raises(text: str, code: int) -> None:
    assert only(NvidiaAnswer, text).nvml_code == code


def test_a_question_that_the_binding_refuses_is_no_failure_of_the_driver() -> None:
    assert not read("pynvml.NVMLError_NotSupported: Not Supported")


def test_power_is_not_a_lost_gpu() -> None:
    line = "Unable to determine the device handle for GPU 0000:01:00.0: "
    assert only(NvidiaAnswer, line + "Insufficient External Power").smi_code == 8
    assert only(NvidiaAnswer, line + "Unknown Error").smi_code == 15
    assert only(NvidiaAnswer, line + "GPU is lost.  Reboot the system").smi_code == 15


def test_versions_of_both_sides_of_a_mismatch() -> None:
    text = (
        "Failed to initialize NVML: Driver/library version mismatch\n"
        "NVML library version: 570.124\n"
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 16\n"
    )
    driver = only(NvidiaDriver, text)
    assert (driver.version, driver.library) == ("570.86.15", "570.124")


WORDS = st.sampled_from(
    [
        *("NVIDIA-SMI ", "550.1 ", "Driver Version: ", "CUDA Version: 12.4", "|", "\n", "> ", "0 "),
        *("00000000:01:00.0", " Off", "1MiB / 2MiB", "=NVSMI LOG=\n", "GPU 0000:01:00.0\n", " : "),
        *(
            "GPU 0: x (UUID: GPU-1)",
            "MIG 1g.5gb Device 0:",
            "name, uuid\n",
            "a, b\n",
            "C ",
            "\x1b[",
        ),
        *(
            "<nvidia_smi_log>",
            "<gpu id='",
            "'>",
            "</gpu>",
            "<processes>",
            "<pid>3",
            "    ",
            "9" * 40,
        ),
    ]
)


@given(st.lists(WORDS | st.text(max_size=5), max_size=60).map("".join))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(read(text), list)


@pytest.mark.parametrize(
    "piece",
    [
        "| NVIDIA-SMI 550.1    ",
        "<gpu id='",
        "| 0  x | 0000:01:00.0 | 0 |\n",
        "name, uuid, " * 3 + "\n",
        "GPU 0: ",
        "\x1b]",
        "> ",
        "=NVSMI LOG=\n",
        "nvidia-smi " + " " * 50,
    ],
)
def test_time_grows_with_the_text_alone(piece: str) -> None:
    text = "nvidia-smi uuid " + piece * (1_000_000 // len(piece))
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 5


def test_vulkaninfo() -> None:
    text = (
        "        deviceName         = NVIDIA GeForce RTX 3060\n"
        "        driverName         = NVIDIA\n"
        "        driverInfo         = 535.129.03\n"
        "        deviceName         = llvmpipe (LLVM 15.0.7, 256 bits)\n"
    )
    assert gpu(text).compute_capability == "8.6"
    assert only(NvidiaDriver, text).version == "535.129.03"
    assert not read("        deviceName         = AMD Radeon RX 7900 XTX (RADV NAVI31)")


def test_a_section_alone_is_of_one_gpu() -> None:
    text = (
        "    Remapped Rows\n        Correctable Error                 : 0\n"
        "        Uncorrectable Error               : 4\n        Pending                           : Yes\n"
    )
    found = [fact for fact in read(text) if isinstance(fact, NvidiaGpus)]
    assert [card.remap_pending for one in found for card in one.gpus] == [True]
    assert not read("Remapped Rows\nare what a reset maps out\n")
