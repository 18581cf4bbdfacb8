"""GPU lines of the kernel log."""

import os
from pathlib import Path

import pytest

from tunedoctor.facts import Absent, KernelLog, PciBus, PciDevice
from tunedoctor.probes import kernel_log as module
from tunedoctor.probes.kernel_log import kernel_log, parse_kernel_log

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


def sample(name: str) -> str:
    if not SAMPLES.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    return (SAMPLES / name).read_text()


def test_xids_of_a_recorded_log() -> None:
    log = parse_kernel_log(sample("dmesg_xid119_gsp_timeout.txt"))
    assert {(x.number, x.slot) for x in log.xids} == {(119, "0000:9b:00.0")}
    assert len(log.xids) == 3  # of five alike
    assert "Timeout after 6s" in log.xids[0].text
    assert not log.fell_off_bus


def test_kills_of_a_recorded_log() -> None:
    log = parse_kernel_log(sample("dmesg_oom_kill.txt"))
    assert any("123" in line for line in log.oom_kills)
    assert any(
        line.startswith("Out of memory: Kill process 456 (python)") for line in log.oom_kills
    )
    assert not any("oom_reaper" in line for line in log.oom_kills)


@pytest.mark.parametrize(
    ("line", "number", "slot"),
    [
        ("NVRM: Xid (PCI:0000:38:00): 79, GPU has fallen off the bus.", 79, "0000:38:00.0"),
        ("[  12.3] NVRM: Xid (0000:03:00): 31, Ch 0000000a", 31, "0000:03:00.0"),
        ("4,9,12,-;NVRM: Xid (PCI:00000001:0B:00): 154, x", 154, "0001:0b:00.0"),
        ("> Oct 3 host kernel: NVRM: Xid (PCI:0000:b3:00): 45", 45, "0000:b3:00.0"),
    ],
)
def test_spellings_of_an_xid(line: str, number: int, slot: str) -> None:
    (xid,) = parse_kernel_log(line).xids
    assert (xid.number, xid.slot) == (number, slot)


def test_a_lost_gpu_spread_over_lines_without_an_xid() -> None:
    text = (
        "NVRM: The NVIDIA GPU 0000:0f:00.0\n"
        "NVRM: (PCI ID: 10de:1f02) installed in this system has\n"
        "NVRM: fallen off the bus and is not responding to commands.\n"
    )
    assert parse_kernel_log(text) == KernelLog(fell_off_bus=True)


@pytest.mark.parametrize(
    "refusal",
    [
        "kfd kfd: amdgpu: PITCAIRN  not supported in kfd",
        "kfd kfd: amdgpu: skipped device 1002:687f, PCI rejects atomics 730<0",
        "kfd kfd: amdgpu: device 1002:15dd NOT added due to errors",
    ],
)
def test_refusals_of_the_amd_driver(refusal: str) -> None:
    assert parse_kernel_log(f"[    3.548555] {refusal}").kfd == (refusal,)


def test_a_card_that_kfd_took_is_no_refusal() -> None:
    assert parse_kernel_log("[ 3.5] kfd kfd: amdgpu: added device 1002:744c").kfd == ()


def test_a_kill_in_a_control_group() -> None:
    line = "[99.1] Memory cgroup out of memory: Killed process 4242 (python) total-vm:9kB"
    (kill,) = parse_kernel_log(line).oom_kills
    assert kill.startswith("Memory cgroup out of memory: Killed process 4242 (python)")


def test_a_flood_is_cut() -> None:
    log = parse_kernel_log("NVRM: Xid (PCI:0000:38:00): 13, x\n" * 50_000)
    assert len(log.xids) == 3


def test_without_a_gpu_the_log_is_left_alone() -> None:
    assert isinstance(kernel_log(PciBus(devices=())), Absent)
    assert isinstance(kernel_log(None), Absent)


def test_a_log_that_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = PciDevice(slot="0000:01:00.0", vendor="10de", device="2330", device_class="030200")

    def denied(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", denied)
    monkeypatch.setattr(module, "Path", lambda _: tmp_path / "none")
    assert kernel_log(PciBus(devices=(gpu,))) == Absent(why="kernel log not readable by this user")
