"""Made-up machines, at least one for each action and for each code of what must be said.

Each line is a machine and what the facts demand of it, with the reason in a comment where the line does not show it.
"""

from typing import Any, NamedTuple, get_args

import pytest

from tunedoctor.tables.load import table
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.described import machine_from
from tunedoctor.wheels.pick import Action

GPUS: dict[str, dict[str, Any]] = {
    "GT 710": {"name": "NVIDIA GeForce GT 710", "compute_capability": "3.5"},
    "K80": {"name": "Tesla K80", "compute_capability": "3.7"},
    "M40": {"name": "Tesla M40", "compute_capability": "5.2"},
    "P40": {"name": "Tesla P40", "compute_capability": "6.1"},
    "TITAN V": {"name": "NVIDIA TITAN V", "compute_capability": "7.0"},
    "T4": {"name": "Tesla T4", "compute_capability": "7.5"},
    "T4G": {"name": "NVIDIA T4G", "compute_capability": "7.5"},
    "A30": {"name": "NVIDIA A30", "compute_capability": "8.0"},
    "A16 vGPU": {"name": "NVIDIA A16-8Q", "compute_capability": "8.6"},
    "3080": {"name": "NVIDIA GeForce RTX 3080", "compute_capability": "8.6"},
    "Orin": {"name": "Orin (nvgpu)", "compute_capability": "8.7"},
    "L4": {"name": "NVIDIA L4", "compute_capability": "8.9"},
    "H200": {"name": "NVIDIA H200", "compute_capability": "9.0"},
    "GB200": {"name": "NVIDIA GB200", "compute_capability": "10.0"},
    "GB300": {"name": "NVIDIA GB300", "compute_capability": "10.3"},
    "Thor": {"name": "NVIDIA Thor", "compute_capability": "11.0"},
    "5080": {"name": "NVIDIA GeForce RTX 5080", "compute_capability": "12.0"},
    "MI60": {"name": "AMD Instinct MI60", "gfx": "gfx906"},
    "MI355X": {"name": "AMD Instinct MI355X", "gfx": "gfx950"},
    "6750 XT": {"name": "AMD Radeon RX 6750 XT", "gfx": "gfx1031"},
    "5700 XT": {"name": "AMD Radeon RX 5700 XT", "gfx": "gfx1010"},
    "RX 580": {"name": "AMD Radeon RX 580", "gfx": "gfx803"},
    "W7800": {"name": "AMD Radeon PRO W7800", "gfx": "gfx1100"},
    "9060 XT": {"name": "AMD Radeon RX 9060 XT", "gfx": "gfx1200"},
    "780M": {"name": "AMD Radeon 780M", "gfx": "gfx1103"},
    "Raphael": {"name": "AMD Radeon Graphics", "gfx": "gfx1036"},
    "B570": {"name": "Intel Arc B570", "vendor": "intel"},
    "UHD": {"name": "Intel UHD Graphics 630", "vendor": "intel"},
}
PLACES: dict[str, dict[str, Any]] = {
    "linux": {"platform": "linux", "arch": "x86_64", "glibc": "2.39"},
    "aarch64": {"platform": "linux", "arch": "aarch64", "glibc": "2.39"},
    "ppc64le": {"platform": "linux", "arch": "ppc64le", "glibc": "2.34"},
    "alpine": {"platform": "linux", "arch": "x86_64", "libc": "musl"},
    "centos7": {"platform": "linux", "arch": "x86_64", "glibc": "2.17"},
    "centos6": {"platform": "linux", "arch": "x86_64", "glibc": "2.12"},
    "wsl": {"platform": "wsl", "arch": "x86_64", "glibc": "2.35"},
    "windows": {"platform": "windows", "arch": "AMD64"},
    "windows32": {"platform": "windows", "arch": "x86"},
    "winarm": {"platform": "windows", "arch": "ARM64"},
    "mac15": {"platform": "macos", "arch": "arm64", "macos": "15.3"},
    "mac13": {"platform": "macos", "arch": "arm64", "macos": "13.2"},
    "mac10": {"platform": "macos", "arch": "arm64", "macos": "10.15"},
    "macintel": {"platform": "macos", "arch": "x86_64", "macos": "12.7"},
}


class Line(NamedTuple):
    """A machine, and what is to be answered."""

    place: str
    python: str
    driver: str
    gpus: str
    """Names of GPUS, joined by +; a ? behind one: on the bus only; a - behind one: excluded."""
    torch: str
    answer: str
    """Action, and where it comes with one: build; else the first alternative."""
    says: str = ""
    """Codes that must be said."""
    more: dict[str, Any] = {}
    """env, installer, rocm_tools."""


TABLE = [
    # the driver alone decides: one floor for each CUDA major
    Line("linux", "3.12", "580.65.06", "L4", "", "install 2.15.0+cu132", "not_native_for_this_toolkit"),
    Line("linux", "3.12", "525.60.13", "A30", "", "install 2.14.1+cu126", "pypi_default_needs_580"),
    Line("linux", "3.12", "525.60.12", "T4", "", "install 2.7.1+cu118", "upgrade_driver_gives_newer_torch"),
    Line("linux", "3.12", "450.51.06", "T4", "", "upgrade_driver 2.15.0+cu132", "upgrade_driver"),
    Line("windows", "3.12", "528.33", "3080", "", "install 2.14.1+cu126", "pypi_windows_is_cpu"),
    Line("windows", "3.12", "528.24", "3080", "", "install 2.7.1+cu118", "pypi_windows_is_cpu"),
    # WSL goes by the floor of Windows: 525.60.13 is below it
    Line("wsl", "3.12", "525.60.13", "3080", "", "install 2.7.1+cu118", "wsl_driver_is_on_windows"),
    Line("linux", "3.12", "550.90.07", "H200", ">=2.15", "upgrade_driver 2.15.0+cu132", "forward_compat_possible"),
    Line("linux", "3.12", "550.90.07", "A16 vGPU", ">=2.15", "upgrade_driver 2.15.0+cu132", "vgpu_ask_admin"),
    # 570.26 is the first driver of Blackwell, and CUDA 13 needs 580: cu129 lies between
    Line("linux", "3.12", "570.26", "5080", "", "install 2.13.0+cu129", "gpu_not_in_this_build"),
    Line("linux", "3.12", "565.57.01", "5080", "", "upgrade_driver 2.15.0+cu132", "upgrade_driver"),
    Line("aarch64", "3.12", "565.57.01", "GB300", "", "upgrade_driver 2.15.0+cu132", "upgrade_driver"),
    Line("windows", "3.12", "572.16", "5080", "", "install 2.11.0+cu128", "gpu_not_in_this_build"),
    Line("linux", "3.12", "580.95.05", "5080", "==2.6.0", "use_newer_torch 2.15.0+cu132", "gpu_too_new_for_torch"),
    # the default wheel of 2.7.1 is cu126, which starts below Blackwell and ends there
    Line("linux", "3.12", "580.95.05", "5080", "==2.7.1", "install 2.7.1+cu128", "gpu_not_in_pypi_build"),
    # old GPUs: CUDA 13 and 2.15 have no code for them, 590 does not drive them
    Line("linux", "3.12", "580.95.05", "P40", "", "install 2.14.1+cu126", "gpu_not_in_cuda13_builds"),
    Line("linux", "3.12", "580.95.05", "M40", "==2.15.0", "use_older_torch 2.14.1+cu126", "gpu_dropped_in_2_15"),
    Line("linux", "3.12", "590.48.01", "TITAN V?", "", "downgrade_driver 2.14.1+cu126", "driver_590_dropped_this_gpu"),
    Line("linux", "3.10", "550.54.15", "K80", "", "downgrade_driver 2.7.1+cu118"),
    Line("linux", "3.10", "470.256.02", "GT 710", "", "cpu_only 2.14.1+cpu", "gpu_not_supported gpu_ignored"),
    Line("linux", "3.12", "580.95.05", "TITAN V", "==2.7.1+cu128", "fix_requirement 2.7.1+cu126", "gpu_not_in_this_build"),
    # both hold 10.0 code, which runs on 10.3; the toolkit of 12.9 is the first that knows 10.3
    Line("aarch64", "3.12", "580.95.05", "GB300", "==2.9.0", "install 2.9.0+cu130"),
    Line("linux", "3.12", "580.95.05", "GB300", "==2.8.0", "install 2.8.0+cu129"),
    # several GPUs
    Line("linux", "3.12", "550.54.15", "P40+3080", "", "install 2.14.1+cu126", "mixed_gpus"),
    Line("windows", "3.12", "581.15", "TITAN V+5080", "", "install 2.10.0+cu128", "mixed_gpus"),
    Line("windows", "3.12", "581.15", "M40+5080", "", "install_partial 2.15.0+cu130", "no_build_covers_all"),
    Line("linux", "3.12", "580.95.05", "5080+P40?", "", "install 2.15.0+cu132", "open_module_excludes_pre_turing"),
    Line("linux", "3.12", "580.95.05", "P40?", "", "install_driver 2.14.1+cu126", "open_module_excludes_pre_turing", {"env": {"kernel_module": "open"}}),
    Line("linux", "3.12", "580.95.05", "L4+5080-", "", "install 2.15.0+cu132", "gpu_ignored"),
    # two vendors, and a display GPU beside the one that works
    Line("linux", "3.12", "580.95.05", "3080+W7800", "", "ask 2.15.0+cu132", "two_vendors"),
    Line("linux", "3.12", "", "W7800+B570", "", "ask 2.14.1+rocm7.2", "two_vendors"),
    Line("wsl", "3.12", "581.15", "3080+W7800", "", "install 2.15.0+cu132", "gpu_ignored"),
    Line("linux", "3.12", "440.33", "3080+W7800", "", "install 2.14.1+rocm7.2", "gpu_ignored upgrade_driver"),
    Line("linux", "3.12", "580.95.05", "3080+Raphael", "", "install 2.15.0+cu132", "gpu_ignored"),
    Line("linux", "3.12", "", "3080?+780M", "", "install_driver 2.15.0+cu132", "nvidia_driver_missing"),
    Line("linux", "3.12", "", "K80?", "", "install_driver 2.7.1+cu118", "nvidia_driver_missing"),
    # AMD
    Line("linux", "3.12", "", "MI355X", "", "install 2.14.1+rocm7.2"),
    Line("linux", "3.12", "", "W7800", "", "install 2.14.1+rocm7.2", "gpu_found_by_kfd", {"rocm_tools": False}),
    Line("linux", "3.12", "", "9060 XT?", "", "install_driver 2.14.1+rocm7.2"),
    Line("linux", "3.12", "", "6750 XT", "", "install 2.14.1+rocm7.2", "hsa_override_10_3_0"),
    Line("linux", "3.12", "", "MI60", "", "install 2.9.1+rocm6.3", "rocblas_dropped_gfx906"),
    Line("linux", "3.12", "", "MI60", ">=2.10", "use_older_torch 2.9.1+rocm6.3", "rocblas_dropped_gfx906"),
    Line("linux", "3.12", "", "MI60+W7800", "", "install 2.9.1+rocm6.3", "mixed_gpus rocblas_dropped_gfx906"),
    # 2.6.0+rocm6.2.4 was built without gfx1200, whatever the list of its index says
    Line("linux", "3.12", "", "9060 XT", "==2.6.0", "use_newer_torch 2.14.1+rocm7.2", "gpu_too_new_for_torch"),
    Line("linux", "3.12", "", "W7800", "==2.15.0", "install 2.15.0+rocm10.0"),
    Line("linux", "3.12", "", "5700 XT", "", "use_vendor_build 2.15.0+cpu"),
    Line("linux", "3.12", "", "RX 580", "", "cpu_only 2.15.0+cpu", "gpu_not_supported"),
    Line("aarch64", "3.12", "", "W7800", "", "cpu_only 2.15.0+cpu", "gpu_not_supported"),
    Line("windows", "3.12", "", "6750 XT", "", "use_vendor_build 2.15.0+cpu", "no_rocm_on_windows_index"),
    Line("wsl", "3.12", "", "9060 XT", "", "use_vendor_build 2.15.0+cpu"),
    # Intel: 2.14.0 is the last that was seen
    Line("linux", "3.12", "", "B570", "", "install 2.14.0+xpu"),
    Line("windows", "3.12", "", "B570", "==2.14.1", "install 2.14.1+xpu"),
    Line("linux", "3.12", "", "UHD", "", "cpu_only 2.15.0+cpu", "igpu_not_xpu"),
    # aarch64
    Line("aarch64", "3.12", "570.133.20", "GB200", "", "install 2.13.0+cu129", "gpu_not_in_this_build"),
    Line("aarch64", "3.12", "570.133.20", "A30", "==2.7.1", "use_newer_torch 2.14.1+cu126", "gpu_not_in_aarch64_builds"),
    Line("aarch64", "3.12", "580.95.05", "T4G", "", "build_from_source 2.15.0+cpu", "gpu_not_in_aarch64_builds"),
    Line("aarch64", "3.11", "560.35.05", "H200", "==2.6.0", "install 2.6.0+cu126", "pypi_aarch64_is_cpu"),
    Line("aarch64", "3.11", "560.35.05", "H200", "==2.3.1", "use_newer_torch 2.14.1+cu126", "pypi_aarch64_is_cpu"),
    Line("aarch64", "3.11", "560.35.05", "H200", "==2.5.0", "install 2.5.0+cu124", "no_local_label_on_aarch64"),
    Line("aarch64", "3.11", "560.35.05", "H200", "==2.5.0+cu124", "fix_requirement 2.5.0+cu124", "no_local_label_on_aarch64"),
    # Jetson
    Line("aarch64", "3.10", "", "Orin", "", "use_vendor_build", "jetson_needs_vendor_wheels", {"env": {"nv_tegra_release": "# R35 (release), REVISION: 5.0"}}),
    Line("aarch64", "3.12", "", "Orin", "", "install 2.15.0+cu132", "", {"env": {"nv_tegra_release": "JetPack 7.2"}}),
    Line("aarch64", "3.12", "580.00", "Thor", "", "install 2.15.0+cu132"),
    Line("aarch64", "3.12", "580.00", "Thor", "==2.8.0", "use_newer_torch 2.15.0+cu132", "gpu_too_new_for_torch"),
    # the system
    Line("centos7", "3.11", "550.54.15", "A30", "", "install 2.6.0+cu124", "glibc_too_old_for_newer"),
    Line("centos7", "3.11", "580.95.05", "5080", "", "upgrade_os 2.15.0+cu132", "glibc_too_old_for_newer"),
    Line("centos6", "3.11", "", "", "", "upgrade_os 2.15.0+cpu", "glibc_too_old_for_newer"),
    Line("centos7", "3.11", "560.35.03", "A30", "==2.6.0+cu126", "fix_requirement 2.6.0+cu124", "glibc_too_old_for_newer"),
    Line("alpine", "3.12", "", "", "", "unsupported_platform", "musl"),
    Line("ppc64le", "3.12", "535.183.01", "TITAN V", "", "unsupported_platform", "no_wheel_for_arch"),
    Line("winarm", "3.12", "", "", "", "unsupported_platform 2.15.0+cpu", "no_wheel_for_arch"),
    Line("windows32", "3.12", "566.36", "3080", "", "change_python 2.14.1+cu126", "need_64_bit_python"),
    Line("mac15", "3.14t", "", "", "", "install 2.15.0+mps"),
    Line("mac13", "3.12", "", "", "", "install 2.11.0+mps", "macos_too_old_for_newer"),
    Line("mac13", "3.14", "", "", "==2.10.0", "change_python 2.10.0+mps", "macos_tag"),
    Line("mac10", "3.12", "", "", "", "upgrade_os 2.15.0+mps", "macos_too_old_for_newer"),
    Line("macintel", "3.12", "", "", "", "install 2.2.2+cpu", "intel_mac_ended numpy_lt_2"),
    Line("macintel", "3.12", "", "", "", "change_python 2.11.0+mps", "rosetta_python", {"env": {"cpu": "Apple M3 Pro"}}),
    Line("mac15", "3.12", "", "", "==2.6.0+cpu", "fix_requirement 2.6.0+mps"),
    # Python
    Line("linux", "3.9", "580.95.05", "L4", "", "install 2.8.0+cu128", "python_old"),
    Line("linux", "3.8", "580.95.05", "5080", "", "change_python 2.8.0+cu128", "python_old"),
    Line("linux", "3.15", "550.54.15", "L4", "", "upgrade_driver 2.15.0+cu132", "python_too_new_for_driver"),
    Line("linux", "3.15", "580.95.05", "P40", "", "change_python 2.14.1+cu126", "python_not_supported"),
    Line("linux", "3.13t", "580.95.05", "L4", ">=2.13", "change_python 2.15.0+cu132", "free_threaded_313_dropped"),
    Line("linux", "pypy3.11", "", "", "", "change_python", "python_not_supported"),
    Line("linux", "3.14", "580.95.05", "L4", "==2.13.0", "install 2.13.0+cu130", "torchvision_excludes_3_14_1", {"env": {"python_full_version": "3.14.1"}}),
    Line("linux", "3.13", "580.95.05", "L4", "==2.13.0", "change_python 2.13.0+cu130", "free_threaded_313_dropped", {"env": {"Py_GIL_DISABLED": "1"}}),
    # the range
    Line("linux", "3.12", "580.95.05", "L4", ">=2.16", "fix_requirement 2.15.0+cu132"),
    Line("linux", "3.12", "580.95.05", "L4", "==1.13.1", "use_newer_torch 2.15.0+cu132"),
    Line("linux", "3.12", "580.95.05", "L4", "==2.9.0+cu118", "fix_requirement 2.9.0+cu128"),
    Line("linux", "3.12", "580.95.05", "L4", "==2.6.0+cpu", "cpu_only 2.6.0+cpu"),
    # what else is there
    Line("linux", "3.12", "550.54.15", "", "", "cpu_only 2.15.0+cpu", "container_without_gpu", {"env": {"container": "docker"}}),
    Line("linux", "3.12", "550.54.15", "L4", "", "install 2.14.1+cu126", "nvcc_irrelevant_for_wheel", {"env": {"nvcc": "11.5"}}),
    Line("linux", "3.12", "535.183.01", "L4", "", "install 2.14.1+cu126", "forward_compat_active", {"env": {"LD_LIBRARY_PATH": "/usr/local/cuda-13.0/compat:/lib"}}),
    Line("linux", "3.12", "535.183.01", "L4", "", "install 2.14.1+cu126", "forward_compat_active", {"env": {"nvidia_smi_cuda": "12.8"}}),
    Line("linux", "3.12", "535.183.01", "L4", "", "install 2.14.1+cu126", "extra_index_url_picks_pypi one_index_only", {"env": {"PIP_EXTRA_INDEX_URL": "https://download.pytorch.org/whl/cu126"}}),
    Line("linux", "3.12", "535.183.01", "L4", "", "install 2.14.1+cu126", "uv_first_index", {"installer": {"tool": "uv", "args": "--index https://download.pytorch.org/whl/cu126"}}),
]  # fmt: skip

NOT_SAID = [
    Line("linux", "3.12", "580.95.05", "L4", "", "", "pypi_default_needs_580 upgrade_driver upgrade_driver_gives_newer_torch"),
    Line("linux", "3.12", "610.43.02", "L4", "", "", "not_native_for_this_toolkit"),
    Line("linux", "3.12", "550.54.15", "3080", "==2.15.0", "", "forward_compat_possible"),
    Line("windows", "3.12", "550.54.15", "A30", "==2.15.0", "", "forward_compat_possible"),
    Line("linux", "3.12", "550.54.15", "A16 vGPU", "==2.15.0", "", "forward_compat_possible"),
    # upgrading would not help: 580 is the last driver, and no build that needs it has code for Pascal
    Line("linux", "3.12", "550.54.15", "P40", "", "", "upgrade_driver_gives_newer_torch"),
    Line("linux", "3.12", "580.95.05", "L4+L4", "", "", "mixed_gpus two_vendors"),
    Line("linux", "3.14", "580.95.05", "L4", "==2.9.1", "", "torchvision_excludes_3_14_1", {"env": {"python_full_version": "3.14.1"}}),
    Line("linux", "3.12", "", "", "", "", "container_without_gpu nvidia_driver_missing"),
    Line("mac10", "3.12", "", "", "", "", "macos_tag"),
    Line("linux", "3.12", "570.26", "L4", "", "", "forward_compat_active", {"env": {"nvidia_smi_cuda": "12.8"}}),
]  # fmt: skip


def _machine(line: Line) -> dict[str, Any]:
    gpus = []
    for name in filter(None, line.gpus.split("+")):
        gpu = dict(GPUS[name.rstrip("?-")])
        gpu |= {"seen_by": "lspci only"} if name.endswith("?") else {}
        gpu |= {"excluded": True} if name.endswith("-") else {}
        gpus.append(gpu)
    return {
        **PLACES[line.place],
        "python": line.python,
        "driver_version": line.driver or None,
        "gpus": gpus,
        "torch": line.torch,
        **line.more,
    }


def _id(line: Line) -> str:
    return " ".join(filter(None, line[:5])) + "".join(map(str, line.more.values()))


@pytest.mark.parametrize("line", TABLE, ids=_id)
def test_line(line: Line) -> None:
    choice = choose(machine_from(_machine(line)))
    action, _, build = line.answer.partition(" ")
    assert choice.action == action, choice.reasons
    first = choice.build or (choice.alternatives[0].build if choice.alternatives else "")
    assert str(first) == build, (choice.alternatives, choice.reasons)
    assert set(line.says.split()) <= set(choice.says)


@pytest.mark.parametrize("line", NOT_SAID, ids=_id)
def test_what_is_not_so_is_not_said(line: Line) -> None:
    assert not set(line.says.split()) & set(choose(machine_from(_machine(line))).says)


def test_the_table_has_every_action_and_code() -> None:
    assert {line.answer.partition(" ")[0] for line in TABLE} == set(get_args(Action))
    codes = {key.partition(":")[0] for key in table("wheel_words")["sentences"]} - {""}
    assert {code for line in TABLE for code in line.says.split()} == codes
