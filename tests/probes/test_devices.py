"""Tables and trees of devices that rows can't hold: gpu_metrics of AMD, PCIe ports with links, Intel's tool."""

from ctypes import Structure, c_uint8, c_uint16, c_uint32, c_uint64
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rows import plant

from tunedoctor.facts import Absent, AmdGpu, Host, IntelGpu, PciBus, PciDevice, PeerPaths, Unknown
from tunedoctor.probes import amd_metrics, intel
from tunedoctor.probes.peers import peer_paths

HEAD = [("size", c_uint16), ("format", c_uint8), ("content", c_uint8)]
V1_3 = [
    *HEAD, ("temperatures", c_uint16 * 6), ("activity", c_uint16 * 3), ("power", c_uint16), ("energy", c_uint64),
    ("counter", c_uint64), ("clocks", c_uint16 * 14), ("throttle_status", c_uint32), ("links", c_uint16 * 3),
    ("activity_acc", c_uint32 * 2), ("hbm", c_uint16 * 4), ("timestamp", c_uint64), ("voltage", c_uint16 * 3), ("indep", c_uint64),
]  # fmt: skip
COUNTED = [(n, c_uint32) for n in ("cycles", "prochot", "ppt", "socket", "vr", "hbm", "lock")]
FIRST = [*HEAD, ("temperatures", c_uint16 * 3), ("power", c_uint16), ("activity", c_uint16 * 2)]
PCIE = [("widths", c_uint16 * 4), ("acc", c_uint32 * 2), ("pcie", c_uint64 * 5), ("nak", c_uint32 * 2), ("xgmi", c_uint64 * 16)]  # fmt: skip
CLOCKS = [("timestamp", c_uint64), ("clocks", c_uint16 * 22)]
V1_6 = [*FIRST, ("energy", c_uint64 * 2), *COUNTED, *PCIE, *CLOCKS, ("xcp", c_uint64 * 168), ("other", c_uint32)]  # fmt: skip
V1_7 = [*FIRST, ("energy", c_uint64 * 3), *COUNTED, *PCIE, ("state", c_uint16 * 8), ("pad", c_uint16), *CLOCKS, ("xcp", c_uint64 * 232), ("other", c_uint32)]  # fmt: skip
NOT_TOLD = [0xFFFF] * 8
GPU = AmdGpu(index=0, gfx="gfx942", slot="0000:05:00.0")


def metrics(version: int, fields: Any, **told: Any) -> bytes:
    """Make a table as the kernel's kgd_pp_interface.h lays it out."""
    made = type("Table", (Structure,), {"_fields_": fields})
    table: Any = made.from_buffer(bytearray(b"\xff" * len(bytes(made()))))
    table.size, table.format, table.content = len(bytes(made())), 1, version
    for name, value in told.items():
        setattr(
            table, name, type(getattr(table, name))(*value) if isinstance(value, list) else value
        )
    return bytes(table)


@pytest.mark.parametrize(
    ("before", "now", "throttle", "up"),
    [
        # a Navi 31 that idles: Umio-Yasuno/libdrm-amdgpu-sys-rs #7
        (b"", metrics(3, V1_3, indep=1 << 36), (), None),
        (b"", metrics(3, V1_3), (), None),
        (b"", metrics(3, V1_3, indep=1 | 1 << 34 | 1 << 47), ("its memory is too hot", "a signal of the board (PROCHOT)"), None),
        # the counters of shared sample amd-smi_metric_throttle: power alone grows, then heat of the socket
        (metrics(6, V1_6, prochot=0, ppt=585613, socket=2190, vr=0, hbm=0), metrics(6, V1_6, prochot=0, ppt=585700, socket=2190, vr=0, hbm=0), (), None),
        (metrics(6, V1_6, prochot=0, ppt=5, socket=255, vr=0, hbm=0), metrics(6, V1_6, prochot=0, ppt=9, socket=256, vr=0, hbm=0), ("the chip is too hot",), None),
        (metrics(7, V1_7, prochot=7, socket=1, vr=2, hbm=3, state=[1] * 7 + [0xFFFF]), metrics(7, V1_7, prochot=7, socket=1, vr=2, hbm=4, state=[1] * 5 + [0, 0, 0xFFFF]), ("its memory is too hot",), 5),
        (b"", metrics(7, V1_7, state=[0] * 8), (), 0),
        (b"", metrics(7, V1_7, state=NOT_TOLD), (), None),
        (b"", metrics(9, V1_7, state=[1] * 8), (), None),  # a layout that is not known
        (b"", metrics(7, V1_7, state=[1] * 8)[:900], (), None),
    ],
)  # fmt: skip
def test_what_a_table_of_an_amd_gpu_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes, now: bytes, throttle: Any, up: Any
) -> None:  # fmt: skip
    device = f"sys/bus/pci/devices/{GPU.slot}"
    plant(tmp_path, {f"{device}/gpu_metrics": before or now})
    monkeypatch.setattr(
        amd_metrics.time, "sleep", lambda _: plant(tmp_path, {f"{device}/gpu_metrics": now})
    )
    (found,) = amd_metrics.measured(tmp_path, [GPU])
    assert found == replace(GPU, throttle=throttle, xgmi_active=up)
    plant(tmp_path, {f"{device}/power/runtime_status": "suspended\n"})
    assert amd_metrics.measured(tmp_path, [GPU]) == (GPU,), "it was woken"


def config(control: int, at: int = 0x148) -> bytes:
    """Make the configuration of a port: an error reporting capability, then ACS."""
    first = (at << 20 | 1 << 16 | 1).to_bytes(4, "little")
    acs = (1 << 16 | 0x0D).to_bytes(4, "little") + bytes(2) + control.to_bytes(2, "little")
    return (bytes(256) + first).ljust(at, b"\0") + acs + bytes(64)


HOST = Host(os="linux", name="x", machine="x86_64")
CARDS = tuple(PciDevice(slot=f"0000:{n}:00.0", vendor="10de", device="20b5", device_class="030200") for n in ("05", "06"))  # fmt: skip
ON, ONLY_SOURCE, OFF = 0x1D, 0x01, 0  # NVIDIA/nccl #304, #606


@pytest.mark.parametrize(
    ("kind", "ports", "flags", "gives"),
    [
        ("DMA-FQ", config(OFF), "fpu", PeerPaths(translated=("0000:05:00.0 (DMA-FQ)", "0000:06:00.0 (DMA-FQ)"), redirecting=())),
        ("identity", config(ON), "fpu", PeerPaths(translated=(), redirecting=("0000:04:08.0", "0000:04:10.0"))),
        ("identity", config(ONLY_SOURCE), "fpu", PeerPaths(translated=(), redirecting=())),
        ("", bytes(4096), "fpu", Unknown(why="this kernel does not tell how its IOMMU is set")),
        (None, b"\xff" * 4096, "fpu", PeerPaths(translated=(), redirecting=())),  # no IOMMU; a port that is gone
        (None, config(ON)[:64], "fpu", Unknown(why="only root can read how PCIe switches are set")),
        ("DMA", config(ON), "fpu hypervisor", Absent(why="a virtual machine: its host decides on IOMMU and ACS, and needs them")),
    ],
)  # fmt: skip
def test_what_stands_between_gpus(
    tmp_path: Path, kind: str | None, ports: bytes, flags: str, gives: Any
) -> None:
    files: dict[str, Any] = {"proc/cpuinfo": f"processor\t: 0\nflags\t\t: {flags} sse\n"}
    switch = "sys/devices/pci0000:00/0000:00:03.0/0000:03:00.0"
    for n, (card, port) in enumerate(zip(CARDS, ("0000:04:08.0", "0000:04:10.0"), strict=True)):
        place, bus = f"{switch}/{port}", "sys/bus/pci/devices"
        files |= {f"{place}/config": ports, f"{place}/{card.slot}/class": "0x030200"}
        files |= {f"{bus}/{port}": {"link": f"@root/{place}"}, f"{bus}/{card.slot}": {"link": f"@root/{place}/{card.slot}"}}  # fmt: skip
        if kind is not None:
            files |= {f"{place}/{card.slot}/iommu_group": {"link": f"@root/g/{n}"}, f"g/{n}/type": f"{kind}\n"}  # fmt: skip
    plant(tmp_path, files)
    assert peer_paths(PciBus(devices=CARDS), HOST, root=tmp_path) == gives
    one = peer_paths(PciBus(devices=CARDS[:1]), HOST, root=tmp_path)
    assert one == peer_paths(PciBus(devices=CARDS), replace(HOST, machine="aarch64"), root=tmp_path)


def test_intels_tool_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = IntelGpu(names=("Intel Data Center GPU Flex 170",), discrete=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert intel.intel_health(gpu) == Unknown(why="xpu-smi is not here")
    said = '{"device_list": [{"device_id": 0, "power_health": {"status": "Warning", "description": "hot"}}]}'
    script = f"#!/bin/sh\n[ \"$*\" = 'health -l -j' ] && echo '{said}'\n"
    plant(tmp_path, {"xpu-smi": script})
    assert intel.intel_health(gpu) == intel.IntelHealth(warning=("GPU 0, power_health: hot",))
    assert isinstance(intel.intel_health(replace(gpu, discrete=False)), Absent)
