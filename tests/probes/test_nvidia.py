"""The NVIDIA driver, its modules and its GPUs, with a library and tools made for the test."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from museum import snapshot_of
from planting import plant
from typed import soon, until

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Absent, NvidiaAnswer, NvidiaDriver, Unknown
from tunedoctor.probes import nvml_child
from tunedoctor.probes.nvidia import NVML, Limits, MachineFiles, NvidiaFacts, look
from tunedoctor.system.programs import find_program

SAMPLES = Path(__file__).parent.parent / "samples" / "smi"
NOTHING, ON_BUS = MachineFiles(), MachineFiles(gpus_on_bus=1)
DRIVER = NvidiaDriver(version="570.86.15", source="/sys/module/nvidia/version", open_module=True)
LOADED = MachineFiles(driver=DRIVER, library="570.86.15", gpus_on_bus=1, nodes=True)
FAST = Limits(nvml=100.0, nvml_most=100.0, smi=100.0, all=200.0)
"""What answers at once does so within these, on a machine that is slow for all."""
QUERY = 'case "$*" in *--query-gpu*)'
linux = pytest.mark.skipif(sys.platform != "linux", reason="the loader and the scripts are Linux's")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Return a folder that holds a libnvidia-ml with a few functions."""
    return compiled(tmp_path_factory.mktemp("nvml"))


def compiled(folder: Path, *more: str) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler is here to make a library with")
    real = folder / "libnvidia-ml.so.570.86.15"
    source = str(Path(__file__).parent / "fake_nvml.c")
    named = f"-Wl,-soname,{NVML}"
    subprocess.run([compiler, *more, "-shared", "-fPIC", named, "-o", real, source], check=True)
    (folder / NVML).symlink_to(real.name)
    return folder


def nvml(
    world: MachineFiles, folder: Path, mode: str, path: str = "", limits: Limits = FAST
) -> tuple[NvidiaAnswer, *tuple[object, ...]]:
    """Look where the library in `folder` behaves as `mode` says."""
    environ = {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": mode, "PATH": path}
    answer, driver, gpus = look(world, Path("/"), environ, limits)
    assert isinstance(answer, NvidiaAnswer)
    return answer, driver, gpus


def smi(folder: Path, body: str) -> str:
    """Make an nvidia-smi of shell lines and return its folder."""
    return str(plant(folder, {"nvidia-smi": f"#!/bin/sh\necho asked >> @root/log\n{body}\n"}))


def ask(
    tmp_path: Path, body: str, world: MachineFiles = NOTHING, limits: Limits = FAST
) -> NvidiaFacts:
    """Look where nvidia-smi is a script of `body`, and NVML is not there."""
    environ = {"PATH": f"{smi(tmp_path / 'bin', body)}:/bin:/usr/bin"}
    return look(world, tmp_path, environ, limits)


def times_asked(folder: Path) -> int:
    log = folder / "bin/log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_library_with_few_functions_is_enough(library, tmp_path):
    answer, driver, gpus = nvml(NOTHING, library, "ok", smi(tmp_path / "bin", "exit 1"))
    assert answer == NvidiaAnswer(nvml="ok", smi="not asked")
    assert times_asked(tmp_path) == 0
    wanted = NvidiaDriver("570.86.15", source="NVML", cuda="12.8", library="570.86.15")
    assert driver in (wanted, NvidiaDriver("570.86.15", source="NVML", cuda="12.8"))
    first, second = gpus.gpus
    assert (first.name, first.compute_capability) == ("NVIDIA GeForce RTX 4090", "8.9")
    assert (first.memory_total, first.memory_free) == (25757220864, 25000000000)
    assert not first.unified_memory
    # the driver does not tell of this one: the table knows it by its name
    assert (second.name, second.compute_capability) == ("NVIDIA GB10", "12.1")
    assert second.unified_memory
    assert second.memory_total is None


SICK = json.loads(Path(__file__).with_name("sick.json").read_bytes())
"""Errors are those since the driver was loaded, not of its life; the power cap is no fault."""


def test_all_that_a_sick_gpu_tells(tmp_path):
    _, _, gpus = nvml(LOADED, compiled(tmp_path, "-DFULL"), "ok")
    sick, well = gpus.gpus
    told = json.loads(msgspec.json.encode(sick))
    assert {name: told[name] for name in SICK} == SICK
    told = [(p.pid, p.name, p.memory) for p in sick.processes]
    assert told == [(4242, "python", 1 << 20), (4243, "python", None)]
    assert {p.state for p in sick.processes} <= {"gone", ""}  # as this machine has such numbers
    assert (well.nvlinks, well.nvlinks_active, well.throttle, well.processes) == (6, 5, (), ())
    blank = (well.pcie_width, well.persistence, well.temperature, well.clock, well.power)
    assert {*blank, well.mig, well.ecc_uncorrected} == {None}
    assert (well.recovery_action, well.fabric_state, well.remap_pending) == ("", "", False)


def test_the_probe_finds_a_library_that_no_bus_announces(library):
    """As in WSL, in a container, or with a simulated GPU."""
    code = (
        "from tunedoctor.facts import Host, PciBus\n"
        "from tunedoctor.probes.nvidia import nvidia\n"
        "answers = nvidia(Host(os='linux', name='x'), PciBus(devices=()))\n"
        "print(answers[0].nvml, answers[1].version, len(answers[2].gpus))\n"
    )
    for way in ({"LD_LIBRARY_PATH": str(library)}, {"LD_PRELOAD": str(library / NVML)}):
        env = {**os.environ, **way, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/nowhere"}
        argv = [sys.executable, "-c", code]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert done.stdout.split() == ["ok", "570.86.15", "2"], done.stderr


def test_a_library_that_hangs(library, tmp_path):
    path = smi(tmp_path / "bin", "sleep 60")
    began = time.monotonic()
    answer, driver, gpus = nvml(ON_BUS, library, "hang", path, Limits(nvml=1.0))
    assert time.monotonic() - began < 50
    assert (answer.nvml, answer.smi) == ("hung", "not asked")
    assert times_asked(tmp_path) == 0
    assert driver == gpus == Unknown(why="NVML: no answer in 1 s")
    # at the second GPU: it has told the driver
    for seconds in (1.0, 9.0, 60.0):
        answer, driver, gpus = nvml(
            NOTHING, library, "hang late", limits=FAST._replace(nvml=seconds)
        )
        if isinstance(driver, NvidiaDriver):
            break
    assert answer.nvml == "hung"
    assert isinstance(driver, NvidiaDriver)
    assert isinstance(gpus, Unknown)


def test_a_library_that_fails(library):
    answer, driver, gpus = nvml(LOADED, library, "crash")
    assert (answer.nvml, answer.nvml_text) == ("crashed", "signal SIGABRT")
    assert driver == NvidiaDriver(
        version="570.86.15", source=DRIVER.source, library="570.86.15", open_module=True
    )
    assert isinstance(gpus, Unknown)
    answer, _, gpus = nvml(LOADED, library, "18")
    assert (answer.nvml, answer.nvml_code) == ("error", 18)
    assert answer.nvml_text
    assert isinstance(gpus, Unknown)
    answer, _, gpus = nvml(LOADED, library, "lost")  # one of two
    assert (answer.nvml, answer.nvml_code) == ("error", 15)
    assert answer.nvml_text.startswith("GPU 1:")
    assert [gpu.index for gpu in gpus.gpus] == [0]
    _, driver, gpus = nvml(LOADED, library, "none")
    assert isinstance(driver, NvidiaDriver)
    assert gpus == Absent(why="the driver reports no GPU")


QUERIES = [
    f"{QUERY} echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2;; esac",
    f"{QUERY} echo 'NVIDIA GeForce RTX 4090, 24564'; exit 0;; esac",
    "true",  # prints its table whatever it is asked
]


@linux
@pytest.mark.parametrize("query", QUERIES)
def test_one_that_knows_only_its_table(tmp_path, query):
    table = SAMPLES / "nvidia-smi_table_590_h100_mig.txt"
    _, driver, gpus = ask(tmp_path, f"{query}\ncat {table}")
    assert (driver.version, driver.cuda, driver.library) == ("590.48.01", "13.1", "590.48.01")
    assert (gpus.gpus[0].compute_capability, gpus.gpus[0].mig_instances) == ("9.0", 4)


FAILED = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
BOTH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.124"
NOT_LOADED = "an NVIDIA GPU is on the PCI bus, but the NVIDIA kernel module is not loaded"


@linux
@pytest.mark.parametrize(("world", "body", "answer", "gpus"), [
    (LOADED, "sleep 60", ("hung", None, "no answer in 1 s"), "nvidia-smi: no answer in 1 s"),
    (ON_BUS, f'echo "{FAILED}"; exit 9', ("error", 9, FAILED), NOT_LOADED),
    (LOADED, f'echo "{BOTH}"; exit 18', ("error", 18, BOTH), f"nvidia-smi: {BOTH}"),
    (LOADED, "echo No devices were found; exit 6", ("error", 6, "No devices were found"), "the driver reports no GPU"),
    (LOADED, "kill -SEGV $$", ("crashed", None, "signal SIGSEGV"), "nvidia-smi: signal SIGSEGV"),
])  # fmt: skip
def test_an_nvidia_smi_that_fails(tmp_path, world, body, answer, gpus):
    began = time.monotonic()
    limits = FAST._replace(smi=1.0) if "sleep" in body else FAST
    told, driver, found = ask(tmp_path, body, world, limits)
    assert (told.smi, told.smi_code, told.smi_text) == answer
    assert (told.nvml, times_asked(tmp_path)) == ("missing", 1)
    assert found.why == gpus
    assert isinstance(driver, NvidiaDriver) is (world is LOADED)
    assert time.monotonic() - began < 50


@linux
def test_only_a_program_on_path_is_run(tmp_path, monkeypatch):
    folder = smi(tmp_path / "bin", "true")
    monkeypatch.chdir(folder)
    for front in ("", ".", str(folder)):  # the working folder, however it is named
        assert find_program("nvidia-smi", {"PATH": f"{front}:/nowhere"}) == ""
    monkeypatch.chdir(tmp_path)
    assert find_program("nvidia-smi", {"PATH": f"/nowhere:{folder}"}) == f"{folder}/nvidia-smi"
    assert find_program("nvidia-smi", {}, [folder]) == f"{folder}/nvidia-smi"


@linux
def test_the_checks_of_a_node_of_eight_gpus_cost_less_than_300_ms(tmp_path):
    folder, (snapshot, checks) = (
        compiled(tmp_path, "-DFULL", "-DGPUS=8"),
        (snapshot_of("healthy-hgx-h100"), all_checks()),
    )
    assert soon(lambda: diagnose(snapshot, checks), 0.1)
    code = "import time, sys, pynvml; sys.argv.append(''); from tunedoctor.probes import nvml_child; nvml_child.main(); print(time.process_time())"
    env = {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(20):  # neighbours slow some
        said = subprocess.check_output([sys.executable, "-c", code], env=env, text=True)
        if float(said.split()[-1]) < 0.2:
            break
    assert (said.count('"nvlink_errors"'), float(said.split()[-1]) < 0.2) == (8, True)


@linux
def test_what_is_left_of_a_process():
    child = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: nvml_child.state_of(child.pid) == "zombie")
    assert nvml_child.state_of(os.getpid()) == ""
    child.wait()
    assert nvml_child.state_of(child.pid) == ("gone" if Path("/proc/1").is_dir() else "")
