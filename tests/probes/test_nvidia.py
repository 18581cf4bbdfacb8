"""The NVIDIA driver and its GPUs, with a library and tools made for the test."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.child import Ended
from tunedoctor.facts import Absent, Host, NvidiaAnswer, NvidiaDriver, NvidiaGpus, PciBus, Unknown
from tunedoctor.probes.nvidia import Limits, World, conclude, driver_files, look, nvidia, read_world
from tunedoctor.probes.nvidia_files import NVML, find_library, library_version
from tunedoctor.probes.vendor_tools import (
    NvmlSaid,
    SmiSaid,
    ask_smi,
    find_smi,
    nvml_said,
    smi_query_said,
    smi_table_said,
)

SAMPLES = Path(__file__).parent.parent / "samples" / "smi"
NOTHING = World(driver=None, library="", gpus_on_bus=0, nodes=False)
ON_BUS = World(driver=None, library="", gpus_on_bus=1, nodes=False)
DRIVER = NvidiaDriver(version="570.86.15", source="/sys/module/nvidia/version", open_module=True)
LOADED = World(driver=DRIVER, library="570.86.15", gpus_on_bus=1, nodes=True)
FAST = Limits(nvml=20.0, smi=20.0, all=40.0)
NO_SMI = SmiSaid(how="missing")

linux = pytest.mark.skipif(sys.platform != "linux", reason="the loader and the scripts are Linux's")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds a libnvidia-ml with a few functions."""
    return compiled(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def full_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds a libnvidia-ml with more functions."""
    return compiled(tmp_path_factory.mktemp("nvml-full"), "-DFULL")


def compiled(folder: Path, *more: str) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler is here to make a library with")
    real = folder / "libnvidia-ml.so.570.86.15"
    source = str(Path(__file__).parent / "fake_nvml.c")
    subprocess.run(
        [compiler, *more, "-shared", "-fPIC", f"-Wl,-soname,{NVML}", "-o", str(real), source],
        check=True,
    )
    (folder / NVML).symlink_to(real.name)
    return folder


def with_library(folder: Path, mode: str, path: str = "") -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": mode, "PATH": path}


def smi(folder: Path, body: str) -> str:
    """Make an nvidia-smi of shell lines and return its folder."""
    folder.mkdir(exist_ok=True)
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\necho asked >> {folder}/log\n{body}\n")
    script.chmod(0o755)
    return str(folder)


def times_asked(folder: Path) -> int:
    log = folder / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


QUERY = 'case "$*" in *--query-gpu*)'


# what NVML says


def test_a_library_with_few_functions_is_enough(library: Path, tmp_path: Path) -> None:
    answer, driver, gpus = look(NOTHING, Path("/"), with_library(library, "ok"), FAST)
    assert answer == NvidiaAnswer(nvml="ok", smi="missing")
    assert isinstance(driver, NvidiaDriver)
    assert (driver.version, driver.cuda, driver.source) == ("570.86.15", "12.8", "NVML")
    assert isinstance(gpus, NvidiaGpus)
    first, second = gpus.gpus
    assert (first.name, first.compute_capability) == ("NVIDIA GeForce RTX 4090", "8.9")
    assert (first.memory_total, first.memory_free) == (25757220864, 25000000000)
    assert not first.unified_memory
    # the driver does not tell of this one: the table knows it by its name
    assert (second.name, second.compute_capability) == ("NVIDIA GB10", "12.1")
    assert second.unified_memory
    assert second.memory_total is None


def test_all_that_a_sick_gpu_tells(full_library: Path) -> None:
    _, _, gpus = look(LOADED, Path("/"), with_library(full_library, "ok"), FAST)
    assert isinstance(gpus, NvidiaGpus)
    sick, well = gpus.gpus
    assert (sick.uuid, sick.slot) == ("GPU-1", "0001:9b:00.0")
    assert (sick.mig, sick.mig_instances) == (True, 2)
    assert sick.ecc_uncorrected == 7  # since the driver was loaded, not in its life
    assert (sick.remap_pending, sick.remap_failed) == (True, False)
    assert sick.recovery_action == "GPU_RESET"
    assert sick.throttle == ("hw-slowdown", "hw-thermal")  # the power cap is no fault
    assert (sick.temperature, sick.clock, sick.clock_most) == (83, 1410, 3105)
    assert (sick.power, sick.power_limit) == (449, 450)
    assert (well.temperature, well.clock, well.power) == (None, None, None)
    assert (sick.fabric_state, sick.fabric_status) == ("in progress", "")
    assert [(p.pid, p.name, p.memory) for p in sick.processes] == [
        (4242, "python", 1 << 20),
        (4243, "python", None),
    ]
    assert (well.mig, well.ecc_uncorrected, well.throttle, well.processes) == (None, None, (), ())
    assert (well.recovery_action, well.fabric_state, well.remap_pending) == ("", "", False)


def test_nvidia_smi_is_left_alone_where_nvml_answers(library: Path, tmp_path: Path) -> None:
    path = smi(tmp_path / "bin", "exit 1")
    answer, _, _ = look(NOTHING, Path("/"), with_library(library, "ok", path), FAST)
    assert isinstance(answer, NvidiaAnswer)
    assert answer.smi == "not asked"
    assert times_asked(tmp_path / "bin") == 0


def test_the_probe_finds_a_library_that_no_bus_announces(library: Path) -> None:
    """As in WSL, in a container, or with a simulated GPU."""
    code = (
        "from tunedoctor.facts import Host, PciBus\n"
        "from tunedoctor.probes.nvidia import nvidia\n"
        "answers = nvidia(Host(os='linux', name='x'), PciBus(devices=()))\n"
        "print(answers[0].nvml, answers[1].version, len(answers[2].gpus))\n"
    )
    ways = [{"LD_LIBRARY_PATH": str(library)}, {"LD_PRELOAD": str(library / NVML)}]
    for way in ways:
        env = {**os.environ, **way, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/nowhere"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == ["ok", "570.86.15", "2"], done.stderr


def test_a_library_that_hangs(library: Path, tmp_path: Path) -> None:
    path = smi(tmp_path / "bin", "sleep 60")
    began = time.monotonic()
    answer, driver, gpus = look(
        ON_BUS, Path("/"), with_library(library, "hang", path), Limits(nvml=1.0)
    )
    assert time.monotonic() - began < 8
    assert isinstance(answer, NvidiaAnswer)
    assert (answer.nvml, answer.smi) == ("hung", "not asked")
    assert times_asked(tmp_path / "bin") == 0
    assert isinstance(driver, Unknown)
    assert isinstance(gpus, Unknown)
    assert "no answer in 1 s" in gpus.why


def test_a_library_that_hangs_at_the_second_gpu_has_told_the_driver(library: Path) -> None:
    answer, driver, gpus = look(
        NOTHING, Path("/"), with_library(library, "hang late"), Limits(nvml=3.0)
    )
    assert isinstance(answer, NvidiaAnswer)
    assert answer.nvml == "hung"
    assert isinstance(driver, NvidiaDriver)
    assert driver.version == "570.86.15"
    assert isinstance(gpus, Unknown)


def test_a_library_that_crashes(library: Path) -> None:
    answer, driver, gpus = look(LOADED, Path("/"), with_library(library, "crash"), FAST)
    assert isinstance(answer, NvidiaAnswer)
    assert (answer.nvml, answer.nvml_text) == ("crashed", "signal SIGABRT")
    assert driver == NvidiaDriver(
        version="570.86.15", source=DRIVER.source, library="570.86.15", open_module=True
    )
    assert isinstance(gpus, Unknown)


def test_a_library_that_does_not_match_the_module(library: Path) -> None:
    answer, _, gpus = look(LOADED, Path("/"), with_library(library, "18"), FAST)
    assert isinstance(answer, NvidiaAnswer)
    assert (answer.nvml, answer.nvml_code) == ("error", 18)
    assert answer.nvml_text
    assert isinstance(gpus, Unknown)


def test_one_lost_gpu_of_two(library: Path) -> None:
    answer, _, gpus = look(LOADED, Path("/"), with_library(library, "lost"), FAST)
    assert isinstance(answer, NvidiaAnswer)
    assert (answer.nvml, answer.nvml_code) == ("error", 15)
    assert answer.nvml_text.startswith("GPU 1:")
    assert isinstance(gpus, NvidiaGpus)
    assert [gpu.index for gpu in gpus.gpus] == [0]


def test_a_driver_that_offers_no_gpu(library: Path) -> None:
    _, driver, gpus = look(LOADED, Path("/"), with_library(library, "none"), FAST)
    assert isinstance(driver, NvidiaDriver)
    assert gpus == Absent(why="the driver offers no GPU")


def test_lines_of_a_stub_library_are_passed_over() -> None:
    out = 'NVML stub library: WARNING\n{"error": 9, "text": "Driver Not Loaded"}\n{"gpu": 3}\n{'
    said = nvml_said(Ended("exit", 0, out, ""))
    assert (said.how, said.code, said.gpus) == ("error", 9, ())


@given(st.text(st.sampled_from('{}":,[]gpuerrdone015 \n'), max_size=80))
def test_no_line_of_the_child_breaks_it(text: str) -> None:
    assert nvml_said(Ended("exit", 0, '{"' + text, "")).how in ("ok", "crashed", "error", "missing")


# what nvidia-smi says


@linux
def test_a_query(tmp_path: Path) -> None:
    row = "0, NVIDIA H100 80GB HBM3, GPU-1, 00000000:00:09.0, 590.48.01, 81559, 61263, 9.0, Enabled, 0"
    path = smi(tmp_path / "bin", f'{QUERY} echo "{row}"; exit 0;; esac; exit 1')
    answer, driver, gpus = look(NOTHING, tmp_path, {"PATH": path}, FAST)
    assert answer == NvidiaAnswer(nvml="missing", smi="ok")
    assert driver == NvidiaDriver(version="590.48.01", source="nvidia-smi")
    assert isinstance(gpus, NvidiaGpus)
    (gpu,) = gpus.gpus
    assert (gpu.slot, gpu.memory_total, gpu.mig) == ("0000:00:09.0", 81559 << 20, True)
    assert gpus.source == "nvidia-smi"
    assert times_asked(tmp_path / "bin") == 1


@linux
@pytest.mark.parametrize(
    "query",
    [
        f"{QUERY} echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2;; esac",
        f"{QUERY} echo 'NVIDIA GeForce RTX 4090, 24564'; exit 0;; esac",
        "true",  # prints its table whatever it is asked
    ],
)
def test_one_that_knows_only_its_table(tmp_path: Path, query: str) -> None:
    table = SAMPLES / "nvidia-smi_table_590_h100_mig.txt"
    path = smi(tmp_path / "bin", f"{query}\ncat {table}")
    _, driver, gpus = look(NOTHING, tmp_path, {"PATH": f"{path}:/bin:/usr/bin"}, FAST)
    assert isinstance(driver, NvidiaDriver)
    assert (driver.version, driver.cuda, driver.library) == ("590.48.01", "13.1", "590.48.01")
    assert isinstance(gpus, NvidiaGpus)
    assert (gpus.gpus[0].compute_capability, gpus.gpus[0].mig_instances) == ("9.0", 4)


@linux
def test_one_that_hangs(tmp_path: Path) -> None:
    path = smi(tmp_path / "bin", "sleep 60")
    environ = {"PATH": f"{path}:/bin:/usr/bin"}
    began = time.monotonic()
    answer, driver, gpus = look(LOADED, tmp_path, environ, Limits(smi=1.0))
    assert time.monotonic() - began < 8
    assert isinstance(answer, NvidiaAnswer)
    assert (answer.nvml, answer.smi) == ("missing", "hung")
    assert isinstance(driver, NvidiaDriver)
    assert gpus == Unknown(why="nvidia-smi: no answer in 1 s")
    assert times_asked(tmp_path / "bin") == 1


@linux
def test_one_that_cannot_reach_the_driver(tmp_path: Path) -> None:
    text = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    path = smi(tmp_path / "bin", f'echo "{text}"; exit 9')
    answer, driver, gpus = look(ON_BUS, tmp_path, {"PATH": path}, FAST)
    assert answer == NvidiaAnswer(nvml="missing", smi="error", smi_code=9, smi_text=text)
    assert isinstance(driver, Absent)
    assert isinstance(gpus, Unknown)
    assert "not loaded" in gpus.why
    assert times_asked(tmp_path / "bin") == 1


@linux
def test_one_whose_library_does_not_match(tmp_path: Path) -> None:
    text = "Failed to initialize NVML: Driver/library version mismatch"
    path = smi(tmp_path / "bin", f'echo "{text}"; echo "NVML library version: 570.124"; exit 18')
    answer, driver, gpus = look(LOADED, tmp_path, {"PATH": path}, FAST)
    assert isinstance(answer, NvidiaAnswer)
    assert (answer.smi, answer.smi_code) == ("error", 18)
    assert answer.smi_text == f"{text}\nNVML library version: 570.124"
    assert isinstance(driver, NvidiaDriver)
    assert isinstance(gpus, Unknown)


@linux
def test_one_that_finds_no_device(tmp_path: Path) -> None:
    path = smi(tmp_path / "bin", "echo No devices were found; exit 6")
    _, _, gpus = look(LOADED, tmp_path, {"PATH": path}, FAST)
    assert gpus == Absent(why="the driver offers no GPU")


@linux
def test_one_that_prints_something_else(tmp_path: Path) -> None:
    path = smi(tmp_path / "bin", "echo hello; exit 3")
    said = ask_smi(f"{path}/nvidia-smi", 10.0)
    assert (said.how, said.code) == ("nonsense", None)
    assert "hello" in said.text


@linux
def test_one_that_crashes(tmp_path: Path) -> None:
    path = smi(tmp_path / "bin", "kill -SEGV $$")
    said = ask_smi(f"{path}/nvidia-smi", 10.0)
    assert (said.how, said.text) == ("crashed", "signal SIGSEGV")


@linux
def test_only_a_program_on_path_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = smi(tmp_path / "bin", "true")
    monkeypatch.chdir(folder)
    assert find_smi({"PATH": ":.:/nowhere"}) == ""
    assert find_smi({"PATH": f"/nowhere:{folder}"}) == f"{folder}/nvidia-smi"
    assert find_smi({}, [folder]) == f"{folder}/nvidia-smi"
    (tmp_path / "bin/nvidia-smi").chmod(0o644)
    if os.getuid():  # root may run what nobody may
        assert find_smi({"PATH": folder}) == ""


@given(st.text(max_size=200))
def test_no_output_breaks_it(text: str) -> None:
    ended = Ended("exit", 1, text, text)
    assert smi_table_said(ended).how in ("ok", "error", "nonsense")
    said = smi_query_said(ended)
    assert said is None or said.how in ("ok", "error", "nonsense")


# what files say


def test_versions_of_the_files(tmp_path: Path) -> None:
    assert driver_files(tmp_path) is None
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.80  Release\n")
    found = driver_files(tmp_path)
    assert found == NvidiaDriver(
        version="595.80", source="/proc/driver/nvidia/version", open_module=True
    )
    module = tmp_path / "sys/module/nvidia/version"
    module.parent.mkdir(parents=True)
    module.write_text("595.80\n")
    assert driver_files(tmp_path) == NvidiaDriver(
        version="595.80", source="/sys/module/nvidia/version", open_module=True
    )


def test_the_library_that_the_loader_would_take(tmp_path: Path) -> None:
    def make(folder: Path, version: str, width: bytes = b"\2") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"libnvidia-ml.so.{version}").write_bytes(b"\x7fELF" + width)
        (folder / NVML).symlink_to(f"libnvidia-ml.so.{version}")
        return folder / NVML

    assert find_library(NVML, tmp_path, {}) is None
    assert library_version(None) == ""
    trusted = make(tmp_path / "usr/lib/x86_64-linux-gnu", "550.144.03")
    assert find_library(NVML, tmp_path, {}) == trusted
    assert library_version(trusted) == "550.144.03"
    cached = make(tmp_path / "opt/nvidia", "560.1")
    narrow = make(tmp_path / "opt/narrow", "560.1", b"\1")
    names = [f"/{one.relative_to(tmp_path)}".encode() for one in (narrow, cached)]
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ld.so.cache").write_bytes(b"\0".join([b"x", *names, b""]))
    assert find_library(NVML, tmp_path, {}) == cached
    first = make(tmp_path / "mine", "570.1")
    environ = {"LD_LIBRARY_PATH": f"relative::/nowhere:{tmp_path}/mine"}
    assert find_library(NVML, tmp_path, environ) == first


def test_the_files_of_wsl_say_nothing_of_the_driver(tmp_path: Path) -> None:
    module = tmp_path / "sys/module/nvidia/version"
    module.parent.mkdir(parents=True)
    module.write_text("595.80\n")
    assert read_world(tmp_path, {}, gpus_on_bus=0, elsewhere="WSL").driver is None
    assert read_world(tmp_path, {}, gpus_on_bus=0, elsewhere="").driver is not None


def test_device_files(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    assert not read_world(tmp_path, {}, gpus_on_bus=0, elsewhere="").nodes
    (tmp_path / "dev/nvidia3").touch()
    assert read_world(tmp_path, {}, gpus_on_bus=0, elsewhere="").nodes


# where nobody answers


def test_a_machine_without_nvidia() -> None:
    answer, driver, gpus = conclude(NOTHING, None, NO_SMI)
    assert isinstance(answer, Absent)
    assert isinstance(driver, Absent)
    assert isinstance(gpus, Absent)


def test_a_gpu_whose_module_is_not_loaded() -> None:
    _, driver, gpus = conclude(ON_BUS, None, NO_SMI)
    assert isinstance(driver, Absent)
    assert isinstance(gpus, Unknown)


def test_a_container_that_sees_the_module_of_its_host() -> None:
    answer, driver, gpus = conclude(LOADED._replace(nodes=False, library=""), None, NO_SMI)
    assert isinstance(answer, Absent)
    assert isinstance(driver, NvidiaDriver)
    assert driver.version == "570.86.15"
    assert isinstance(gpus, Absent)
    _, _, gpus = conclude(LOADED._replace(library=""), None, NO_SMI)
    assert isinstance(gpus, Unknown)


def test_a_library_that_finds_no_driver() -> None:
    said = NvmlSaid(how="error", code=9, text="Driver Not Loaded")
    answer, driver, gpus = conclude(NOTHING, said, NO_SMI)
    assert isinstance(answer, NvidiaAnswer)
    assert isinstance(driver, Absent)
    assert isinstance(gpus, Absent)


def test_a_library_that_may_not_ask() -> None:
    said = NvmlSaid(how="error", code=4, text="Insufficient Permissions")
    _, driver, gpus = conclude(NOTHING, said, NO_SMI)
    assert isinstance(driver, Unknown)
    assert gpus == Unknown(why="NVML: Insufficient Permissions (error 4)")


def test_a_jetson_without_nvml() -> None:
    _, _, gpus = conclude(NOTHING._replace(elsewhere="Jetson"), None, NO_SMI)
    assert isinstance(gpus, Unknown)


@linux
def test_this_machine_is_looked_at_fast_where_there_is_nothing() -> None:
    host, bus = Host(os="linux", name="x"), PciBus(devices=())
    nvidia(host, bus)  # imports
    began = time.process_time()
    answer, _, _ = nvidia(host, bus)
    if isinstance(answer, Absent):
        assert time.process_time() - began < 0.003
    else:
        assert isinstance(answer, NvidiaAnswer)  # a machine with a driver
