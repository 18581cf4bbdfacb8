"""GPUs as sysfs and the registry of Windows show them, Intel's, and what the kernel log says."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor import child
from tunedoctor.child import Ended
from tunedoctor.facts import Absent, Host, IntelGpu, KernelLog, PciBus, PciDevice, Unknown
from tunedoctor.probes.gpus import (
    Adapter,
    adapters,
    from_values,
    has_level_zero,
    intel_gpu,
    is_supported,
    kernel_log,
    parse_kernel_log,
    pci_bus,
)

Tree = Callable[..., Path]
SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
UNREADABLE = "kernel log not readable by this user"
LINUX = Host(os="linux", name="Ubuntu 24.04")


def device(bus: Path, slot: str, ids: str, class_: str, driver: str = "") -> None:
    """Make a device as sysfs has it; `ids` is vendor:device."""
    vendor, _, number = ids.partition(":")
    folder = bus / slot
    folder.mkdir(parents=True)
    for name, value in (("class", class_), ("vendor", vendor), ("device", number)):
        (folder / name).write_text(f"0x{value}\n")
    if driver:
        (folder / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")


def test_gpus_and_nvswitches_are_read_and_nothing_else(tmp_path: Path) -> None:
    assert isinstance(pci_bus(folder=tmp_path / "none"), Absent)
    device(tmp_path, "0000:00:1f.0", "8086:7a04", "060100", "lpc_ich")
    (tmp_path / "0000:01:01.0").mkdir()  # it goes away while it is read
    assert pci_bus(folder=tmp_path) == PciBus(devices=())
    device(tmp_path, "0000:41:00.0", "10de:2330", "030200", "nvidia")
    device(tmp_path, "0000:05:00.0", "10de:22a3", "068000", "nvidia-nvswitch")
    device(tmp_path, "0000:06:00.0", "8086:1234", "068000")
    device(tmp_path, "0000:01:00.0", "1002:74a1", "120000", "amdgpu")
    device(tmp_path, "0000:00:02.0", "8086:a780", "030000")
    bus = pci_bus(folder=tmp_path)
    assert isinstance(bus, PciBus)
    assert [d.slot[5:7] for d in bus.devices] == ["00", "01", "05", "41"]
    assert [(d.device, d.driver) for d in bus.of("10de")] == [("2330", "nvidia")]
    assert [(d.device_class, d.driver) for d in bus.of("1002")] == [("120000", "amdgpu")]
    assert bus.of("8086")[0].driver == ""
    assert bus.nvswitches == 1


def test_adapters_of_windows() -> None:
    values: dict[str, object] = {
        "MatchingDeviceId": "PCI\\VEN_1002&DEV_744C&REV_C8",
        "DriverDesc": "AMD Radeon RX 7900 XTX",
        "HardwareInformation.qwMemorySize": 24 * 2**30,
    }
    assert from_values(values) == Adapter("1002", "744c", "AMD Radeon RX 7900 XTX", 24 * 2**30)
    assert from_values({"MatchingDeviceId": "root\\basicdisplay"}) is None
    assert (adapters() is None) == (sys.platform != "win32")


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.binary())))
def test_any_values(values: dict[str, object]) -> None:
    found = from_values(values)
    assert found is None or len(found.vendor) == 4


def test_families_that_xpu_builds_run_on() -> None:
    assert all(map(is_supported, ("56a0", "e20b", "0bd5", "64a0", "7d55")))
    assert not any(map(is_supported, ("a780", "4905", "9a49", "")))


def test_names_nodes_and_level_zero_of_intel(tree: Tree) -> None:
    drm = "sys/class/drm/{}/device/vendor"
    files = {drm.format("renderD128"): "0x10de\n", drm.format("renderD129"): "0x8086\n"}
    files |= {f"dev/dri/renderD{n}": "" for n in (128, 129)}
    root = tree({**files, "usr/lib64/libze_loader.so.1": b"\x7fELF\2"})
    found = (PciDevice("0", "8086", device, "030000") for device in ("56a0", "a780"))
    bus = PciBus(devices=tuple(found))
    assert intel_gpu(bus, LINUX, root=root, variables={}, allowed=lambda _: False) == IntelGpu(
        names=("Intel Arc A770", "Intel graphics a780"),
        discrete=True,
        render_denied=(str(root / "dev/dri/renderD129"),),
        level_zero=True,
    )


def test_level_zero_on_the_loaders_path_and_on_windows(tree: Tree, tmp_path: Path) -> None:
    named, system = {"LD_LIBRARY_PATH": f":{tmp_path}/own"}, {"SYSTEMROOT": str(tmp_path)}
    for there in (False, True):
        assert has_level_zero(tmp_path, named, linux=True) is there
        assert has_level_zero(tmp_path, system, linux=False) is there
        tree({"own/libze_loader.so.1": b"\x7fELF\2", "System32/ze_loader.dll": ""})
    assert not has_level_zero(tmp_path, {}, linux=True)


def test_intel_on_the_bus() -> None:
    def found(vendor: str, number: str) -> IntelGpu | Absent:
        one = PciDevice(slot="0", vendor=vendor, device=number, device_class="030000")
        return intel_gpu(PciBus(devices=(one,)), LINUX)

    assert found("10de", "2684") == Absent(why="no Intel GPU") == intel_gpu(None, LINUX)
    old = found("8086", "a780")  # an older processor's graphics
    assert isinstance(old, IntelGpu)
    assert not old.discrete


def sample(name: str) -> str:
    if not SAMPLES.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    return (SAMPLES / name).read_text()


def test_recorded_logs() -> None:
    log = parse_kernel_log(sample("dmesg_xid119_gsp_timeout.txt"))
    assert [(x.number, x.slot) for x in log.xids] == [(119, "0000:9b:00.0")] * 3  # of five alike
    assert "Timeout after 6s" in log.xids[0].text
    assert not log.fell_off_bus
    kills = parse_kernel_log(sample("dmesg_oom_kill.txt")).oom_kills
    assert any("123" in line for line in kills)
    assert any(line.startswith("Out of memory: Kill process 456 (python)") for line in kills)
    assert not any("oom_reaper" in line for line in kills)


@pytest.mark.parametrize(
    ("line", "number", "slot"),
    [
        ("NVRM: Xid (PCI:0000:38:00): 79, GPU has fallen off the bus.", 79, "0000:38:00.0"),
        ("[  12.3] NVRM: Xid (0000:03:00): 31, Ch 0000000a", 31, "0000:03:00.0"),
        ("4,9,12,-;NVRM: Xid (PCI:00000001:0B:00): 154, x", 154, "0001:0b:00.0"),
        ("> Oct 3 host kernel: NVRM: Xid (PCI:0000:b3:00): 45", 45, "0000:b3:00.0"),
        ("NVRM: Xid (PCI:0000:38:00): 13, x\n" * 3, 13, "0000:38:00.0"),
    ],
)
def test_spellings_of_an_xid(line: str, number: int, slot: str) -> None:
    assert {(x.number, x.slot) for x in parse_kernel_log(line).xids} == {(number, slot)}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (  # spread over lines without an Xid
            "NVRM: The NVIDIA GPU 0000:0f:00.0\nNVRM: fallen off the bus and is not responding.\n",
            KernelLog(fell_off_bus=True),
        ),
        (
            "[3.54] kfd kfd: amdgpu: PITCAIRN  not supported in kfd",
            KernelLog(kfd=("kfd kfd: amdgpu: PITCAIRN  not supported in kfd",)),
        ),
        (
            "[3.54] kfd kfd: amdgpu: device 1002:15dd NOT added due to errors",
            KernelLog(kfd=("kfd kfd: amdgpu: device 1002:15dd NOT added due to errors",)),
        ),
        ("[ 3.5] kfd kfd: amdgpu: added device 1002:744c", KernelLog()),
        (
            "[99.1] Memory cgroup out of memory: Killed process 4242 (python)",
            KernelLog(oom_kills=("Memory cgroup out of memory: Killed process 4242 (python)",)),
        ),
    ],
)
def test_other_lines(text: str, wanted: KernelLog) -> None:
    assert parse_kernel_log(text) == wanted


def test_a_flood_is_cut() -> None:
    assert len(parse_kernel_log("NVRM: Xid (PCI:0000:38:00): 13, x\n" * 50_000).xids) == 3


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended("exit", 0, "[    0.1] NVRM: fallen off the bus", ""), KernelLog(fell_off_bus=True)),
        (Ended("exit", 1, "", "dmesg: read kernel buffer failed"), Absent(why=UNREADABLE)),
        (Ended("not started", 0, "", "FileNotFoundError"), Absent(why=UNREADABLE)),
        (Ended("exit", 0, "Segmentation fault", ""), Unknown(why="dmesg: no kernel log")),
        (Ended("hung", 0, "", "", 3.0), Unknown(why="dmesg: no answer in 3 s")),
    ],
)
def test_a_log_that_is_read_or_that_nobody_may_read(
    monkeypatch: pytest.MonkeyPatch, ended: Ended, told: KernelLog | Absent | Unknown
) -> None:
    monkeypatch.setattr(child, "run", lambda *_, **__: ended)
    gpu = PciDevice(slot="0000:01:00.0", vendor="10de", device="2330", device_class="030200")
    assert kernel_log(PciBus(devices=(gpu,))) == told


def test_a_log_is_left_alone_where_no_gpu_writes_to_it() -> None:
    assert isinstance(kernel_log(PciBus(devices=())), Absent)
    assert isinstance(kernel_log(None), Absent)
