"""The NVIDIA driver, its modules and its GPUs, with a library and tools made for the test."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.child import Ended
from tunedoctor.facts import (
    Absent,
    Host,
    NvidiaAnswer,
    NvidiaDriver,
    NvidiaGpus,
    NvidiaModule,
    PciBus,
    PciDevice,
    Unknown,
)
from tunedoctor.probes.gpus import nvidia_module
from tunedoctor.probes.nvidia import (
    MISSING,
    NVML,
    Answers,
    Limits,
    Said,
    World,
    ask_smi,
    conclude,
    driver_files,
    look,
    nvidia,
    nvml_said,
    read_world,
    smi_query_said,
    smi_table_said,
)
from tunedoctor.targeting import find_program

Tree = Callable[..., Path]
SAMPLES = Path(__file__).parent.parent / "samples" / "smi"
NOTHING, ON_BUS = World(), World(gpus_on_bus=1)
DRIVER = NvidiaDriver(version="570.86.15", source="/sys/module/nvidia/version", open_module=True)
LOADED = World(driver=DRIVER, library="570.86.15", gpus_on_bus=1, nodes=True)
FAST = Limits(nvml=20.0, smi=20.0, all=40.0)
QUERY = 'case "$*" in *--query-gpu*)'
KERNEL = "6.8.0-49-generic"
HOST = Host(os="linux", name="Ubuntu 24.04", kernel=KERNEL)

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
    named = f"-Wl,-soname,{NVML}"
    subprocess.run([compiler, *more, "-shared", "-fPIC", named, "-o", real, source], check=True)
    (folder / NVML).symlink_to(real.name)
    return folder


def nvml(
    world: World, folder: Path, mode: str, path: str = "", limits: Limits = FAST
) -> tuple[NvidiaAnswer, *tuple[object, ...]]:
    """Look where the library in `folder` behaves as `mode` says."""
    environ = {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": mode, "PATH": path}
    answer, driver, gpus = look(world, Path("/"), environ, limits)
    assert isinstance(answer, NvidiaAnswer)
    return answer, driver, gpus


def smi(folder: Path, body: str) -> str:
    """Make an nvidia-smi of shell lines and return its folder."""
    folder.mkdir(exist_ok=True)
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\necho asked >> {folder}/log\n{body}\n")
    script.chmod(0o755)
    return str(folder)


def ask(tmp_path: Path, body: str, world: World = NOTHING, limits: Limits = FAST) -> Answers:
    """Look where nvidia-smi is a script of `body`, and NVML is not there."""
    environ = {"PATH": f"{smi(tmp_path / 'bin', body)}:/bin:/usr/bin"}
    return look(world, tmp_path, environ, limits)


def times_asked(folder: Path) -> int:
    log = folder / "bin/log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_library_with_few_functions_is_enough(library: Path, tmp_path: Path) -> None:
    answer, driver, gpus = nvml(NOTHING, library, "ok", smi(tmp_path / "bin", "exit 1"))
    assert answer == NvidiaAnswer(nvml="ok", smi="not asked")
    assert times_asked(tmp_path) == 0
    wanted = NvidiaDriver("570.86.15", source="NVML", cuda="12.8", library="570.86.15")
    assert driver in (wanted, NvidiaDriver("570.86.15", source="NVML", cuda="12.8"))
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
    _, _, gpus = nvml(LOADED, full_library, "ok")
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
    assert (sick.fabric_state, sick.fabric_status) == ("in progress", "")
    told = [(p.pid, p.name, p.memory) for p in sick.processes]
    assert told == [(4242, "python", 1 << 20), (4243, "python", None)]
    assert (well.temperature, well.clock, well.power) == (None, None, None)
    assert (well.mig, well.ecc_uncorrected, well.throttle, well.processes) == (None, None, (), ())
    assert (well.recovery_action, well.fabric_state, well.remap_pending) == ("", "", False)


def test_the_probe_finds_a_library_that_no_bus_announces(library: Path) -> None:
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


def test_a_library_that_hangs(library: Path, tmp_path: Path) -> None:
    path = smi(tmp_path / "bin", "sleep 60")
    began = time.monotonic()
    answer, driver, gpus = nvml(ON_BUS, library, "hang", path, Limits(nvml=1.0))
    assert time.monotonic() - began < 8
    assert (answer.nvml, answer.smi) == ("hung", "not asked")
    assert times_asked(tmp_path) == 0
    assert driver == gpus == Unknown(why="NVML: no answer in 1 s")
    # at the second GPU: it has told the driver
    answer, driver, gpus = nvml(NOTHING, library, "hang late", limits=Limits(nvml=3.0))
    assert answer.nvml == "hung"
    assert isinstance(driver, NvidiaDriver)
    assert isinstance(gpus, Unknown)


def test_a_library_that_fails(library: Path) -> None:
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
    assert isinstance(gpus, NvidiaGpus)
    assert [gpu.index for gpu in gpus.gpus] == [0]
    _, driver, gpus = nvml(LOADED, library, "none")
    assert isinstance(driver, NvidiaDriver)
    assert gpus == Absent(why="the driver offers no GPU")


def test_lines_of_a_stub_library_are_passed_over() -> None:
    out = 'NVML stub library: WARNING\n{"code": 9, "text": "Driver Not Loaded"}\n{"gpus": 3}\n{'
    said = nvml_said(Ended("exit", 0, out, ""))
    assert (said.how, said.code, said.gpus) == ("error", 9, ())


@given(st.text(st.sampled_from('{}":,[]gpuscodehw015 \n'), max_size=80))
def test_no_line_of_the_child_breaks_it(text: str) -> None:
    assert nvml_said(Ended("exit", 0, '{"' + text, "")).how in ("ok", "crashed", "error", "missing")


@linux
def test_a_query(tmp_path: Path) -> None:
    row = "0, NVIDIA H100 80GB HBM3, GPU-1, 00000000:00:09.0, 590.48.01, 81559, 61263, 9.0, Enabled, 0"
    answer, driver, gpus = ask(tmp_path, f'{QUERY} echo "{row}"; exit 0;; esac; exit 1')
    assert answer == NvidiaAnswer(nvml="missing", smi="ok")
    assert driver == NvidiaDriver(version="590.48.01", source="nvidia-smi")
    assert isinstance(gpus, NvidiaGpus)
    (gpu,) = gpus.gpus
    assert (gpu.slot, gpu.memory_total, gpu.mig) == ("0000:00:09.0", 81559 << 20, True)
    assert gpus.source == "nvidia-smi"
    assert times_asked(tmp_path) == 1


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
    _, driver, gpus = ask(tmp_path, f"{query}\ncat {table}")
    assert isinstance(driver, NvidiaDriver)
    assert (driver.version, driver.cuda, driver.library) == ("590.48.01", "13.1", "590.48.01")
    assert isinstance(gpus, NvidiaGpus)
    assert (gpus.gpus[0].compute_capability, gpus.gpus[0].mig_instances) == ("9.0", 4)


FAILED = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch"
VERSION = "NVML library version: 570.124"


@linux
@pytest.mark.parametrize(
    ("world", "body", "answer", "gpus"),
    [
        (LOADED, "sleep 60", ("hung", None, "no answer in 1 s"), "nvidia-smi: no answer in 1 s"),
        (
            ON_BUS,
            f'echo "{FAILED}"; exit 9',
            ("error", 9, FAILED),
            "an NVIDIA GPU is on the PCI bus, but the NVIDIA kernel module is not loaded",
        ),
        (
            LOADED,
            f'echo "{MISMATCH}"; echo "{VERSION}"; exit 18',
            ("error", 18, f"{MISMATCH}\n{VERSION}"),
            f"nvidia-smi: {MISMATCH}\n{VERSION}",
        ),
        (
            LOADED,
            "echo No devices were found; exit 6",
            ("error", 6, "No devices were found"),
            "the driver offers no GPU",
        ),
        (
            LOADED,
            "kill -SEGV $$",
            ("crashed", None, "signal SIGSEGV"),
            "nvidia-smi: signal SIGSEGV",
        ),
    ],
)
def test_an_nvidia_smi_that_fails(
    tmp_path: Path, world: World, body: str, answer: tuple[object, ...], gpus: str
) -> None:
    began = time.monotonic()
    limits = Limits(smi=1.0) if "sleep" in body else FAST
    told, driver, found = ask(tmp_path, body, world, limits)
    assert isinstance(told, NvidiaAnswer)
    assert (told.smi, told.smi_code, told.smi_text) == answer
    assert (told.nvml, times_asked(tmp_path)) == ("missing", 1)
    assert isinstance(found, Absent | Unknown)
    assert found.why == gpus
    assert isinstance(driver, NvidiaDriver) is (world is LOADED)
    assert time.monotonic() - began < 8


@linux
def test_one_that_prints_something_else(tmp_path: Path) -> None:
    said = ask_smi(f"{smi(tmp_path / 'bin', 'echo hello; exit 3')}/nvidia-smi", 10.0)
    assert (said.how, said.code) == ("nonsense", None)
    assert "hello" in said.text


@linux
def test_only_a_program_on_path_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = smi(tmp_path / "bin", "true")
    monkeypatch.chdir(folder)
    assert find_program("nvidia-smi", {"PATH": ":.:/nowhere"}) == ""
    assert find_program("nvidia-smi", {"PATH": f"/nowhere:{folder}"}) == f"{folder}/nvidia-smi"
    assert find_program("nvidia-smi", {}, [folder]) == f"{folder}/nvidia-smi"


@given(st.text(max_size=200))
def test_no_output_breaks_it(text: str) -> None:
    ended = Ended("exit", 1, text, text)
    assert smi_table_said(ended).how in ("ok", "error", "nonsense")
    said = smi_query_said(ended)
    assert said is None or said.how in ("ok", "error", "nonsense")


def test_what_files_say_of_the_driver(tree: Tree, tmp_path: Path) -> None:
    assert driver_files(tmp_path) is None
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.80  Release\n"
    source = "/proc/driver/nvidia/version"
    tree({"proc/driver/nvidia/version": text, "dev/nvidiactl": ""})
    assert driver_files(tmp_path) == NvidiaDriver("595.80", source=source, open_module=True)
    assert not read_world(tmp_path, {}, gpus_on_bus=0, elsewhere="").nodes
    source = "/sys/module/nvidia/version"
    tree({"sys/module/nvidia/version": "595.80\n", "dev/nvidia3": ""})
    driver = NvidiaDriver("595.80", source=source, open_module=True)
    found = read_world(tmp_path, {}, gpus_on_bus=0, elsewhere="")
    assert found == World(driver=driver, nodes=True)
    # those of WSL say nothing of the driver
    assert read_world(tmp_path, {}, gpus_on_bus=0, elsewhere="WSL").driver is None


REFUSED = Said(how="error", code=4, text="Insufficient Permissions")


@pytest.mark.parametrize(
    ("world", "said", "kinds"),
    [
        (NOTHING, MISSING, (Absent, Absent, Absent)),
        (ON_BUS, MISSING, (Absent, Absent, Unknown)),
        # a container that sees the module of its host
        (LOADED._replace(nodes=False, library=""), MISSING, (Absent, NvidiaDriver, Absent)),
        (LOADED._replace(library=""), MISSING, (Absent, NvidiaDriver, Unknown)),
        # a library that finds no driver, and one that may not ask
        (NOTHING, Said(how="error", code=9, text="x"), (NvidiaAnswer, Absent, Absent)),
        (NOTHING, REFUSED, (NvidiaAnswer, Unknown, Unknown)),
        (NOTHING._replace(elsewhere="Jetson"), MISSING, (Absent, Absent, Unknown)),
    ],
)
def test_where_nobody_answers(world: World, said: Said, kinds: tuple[type, ...]) -> None:
    found = conclude(world, said, MISSING)
    assert tuple(map(type, found)) == kinds
    if said is REFUSED:
        assert found[2] == Unknown(why="NVML: Insufficient Permissions (error 4)")


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


def module(root: Path, *, gpu: bool = True) -> NvidiaModule:
    card = PciDevice(slot="0", vendor="10de", device="2684", device_class="030000")
    found = nvidia_module(HOST, PciBus(devices=(card,) * gpu), root=root)
    assert isinstance(found, NvidiaModule)
    return found


def test_the_module_of_a_healthy_system(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = ("sys/module/nvidia/version", "sys/module/nvidia_uvm/refcnt")
    nodes = ("dev/nvidiactl", "dev/nvidia5", "dev/nvidia-uvm")  # a container may be given any card
    gpus = "proc/driver/nvidia/gpus/0000:01:00.0/information"
    root = tree(dict.fromkeys((*modules, *nodes, gpus), ""))
    assert module(root) == NvidiaModule(loaded=True, on_disk=True, uvm_loaded=True, gpus_in_proc=1)
    real = os.access

    def access(path: Path, mode: int) -> bool:  # root may open everything, so chmod proves nothing
        return path.name != "nvidia5" and real(path, mode)

    monkeypatch.setattr(os, "access", access)
    assert module(root).denied_nodes == ("/dev/nvidia5",)


def test_nodes_that_are_missing(tree: Tree) -> None:
    root = tree({"sys/module/nvidia/version": "", "dev/null": ""})
    found = module(root)
    assert found.missing_nodes == ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
    assert (found.uvm_loaded, found.gpus_in_proc, found.secure_boot) == (False, None, None)
    # a Jetson, or a container that is given no card, wants none
    assert module(root, gpu=False).missing_nodes == ()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("updates/dkms/nvidia.ko.zst", True),
        ("updates/dkms/nvidia-current.ko.xz", True),
        ("kernel/nvidia-550srv-open/nvidia.ko", True),
        ("kernel/drivers/video/nvidia-open.ko.zst", True),
        ("kernel/drivers/video/fbdev/nvidia/nvidiafb.ko", False),
        ("kernel/drivers/platform/x86/nvidia-wmi-ec-backlight.ko.zst", False),
        ("kernel/drivers/i2c/busses/i2c-nvidia-gpu.ko", False),
    ],
)
def test_the_module_on_disk(tree: Tree, path: str, *, found: bool) -> None:
    index = f"extra/nvidia.ko:\n{path}: kernel/x.ko\n"  # the first is long gone
    below = f"lib/modules/{KERNEL}"
    root = tree({f"{below}/{path}": "", f"{below}/modules.dep": index, "sys/module/nouveau/x": ""})
    told = module(root)
    assert (told.on_disk, told.loaded, told.nouveau) == (found, False, True)


@pytest.mark.parametrize(("last", "on"), [(b"\1", True), (b"\0", False)])
def test_secure_boot(tree: Tree, last: bytes, *, on: bool) -> None:
    name = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    assert module(tree({name: b"\6\0\0\0" + last})).secure_boot is on


def test_no_module(tmp_path: Path) -> None:
    assert isinstance(nvidia_module(HOST, None, root=tmp_path), Absent)
    for host in (Host(os="windows", name="x"), Host(os="linux", name="Ubuntu", wsl=2)):
        assert isinstance(nvidia_module(host, None), Absent)
