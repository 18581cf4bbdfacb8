"""What rows can't hold: the tables of AMD's driver, and Intel's tool."""

from pathlib import Path
from struct import calcsize, pack_into
from typing import Any

import pytest
from msgspec.structs import replace
from planting import plant

from tunedoctor.facts import Absent, AmdGpu, IntelGpu, IntelHealth, Unknown
from tunedoctor.probes import amd, gpus

COUNTED = "I prochot:I ppt:I socket:I vr:I hbm:I I 4H 2I 5Q 2I 16Q"
LAYOUTS = {  # by the kernel's kgd_pp_interface.h; struct aligns as C does
    3: "HBB warm:6H 3H H Q Q 14H I 3H 2I 4H Q 3H indep:Q",
    6: f"HBB 3H H 2H 2Q {COUNTED} Q 22H 168Q I 0Q",
    7: f"HBB 3H H 2H 3Q {COUNTED} state:8H H Q 22H 232Q I 0Q",
    0x22: "HBB warm:2H 10H 2H Q 34H I 4H indep:Q",  # APUs, Strix Halo
    0x30: "HBB 49H Q I H 4I 45H prochot:I 3I core:I socket:I soc:I I 0Q",
}
GPU = AmdGpu(index=0, gfx="gfx942", slot="0000:05:00.0")


def metrics(version: int, **told: Any) -> bytes:
    table, before = bytearray(b"\xff" * 4096), "@"
    for field in LAYOUTS.get(version, LAYOUTS[7]).split():
        name, _, code = field.rpartition(":")
        before += code
        if name in told:
            pack_into(code, table, calcsize(before) - calcsize(code), *told[name])
    pack_into("HBB", table, 0, calcsize(before), version >> 4 or 1, version & 15)
    return bytes(table[: calcsize(before)])


def counted(version: int, *values: int, **more: Any) -> bytes:
    told = zip(("prochot", "ppt", "socket", "vr", "hbm"), values, strict=True)
    return metrics(version, **{name: [value] for name, value in told}, **more)


@pytest.mark.parametrize(
    ("before", "now", "throttle", "up"),
    [
        (b"", metrics(3, indep=[1 << 36]), (), None),  # an idle Navi 31: libdrm-amdgpu-sys-rs #7
        (b"", metrics(3), (), None),
        (b"", metrics(3, indep=[1 | 1 << 34 | 1 << 47]), ("its memory is too hot", "a signal of the board (PROCHOT)"), None),
        # bits of heat on a card that is not: MangoHud #748
        (b"", metrics(3, indep=[1 << 34 | 1 << 47], warm=[57, 58, 60, 0, 0, 0xFFFF]), ("a signal of the board (PROCHOT)",), None),
        (b"", metrics(3, indep=[1 << 34], warm=[57, 58, 108, 0, 0, 0xFFFF]), ("its memory is too hot",), None),
        # counters that amd-smi metric --throttle printed: power alone grows, then heat of the socket
        (counted(6, 0, 585613, 2190, 0, 0), counted(6, 0, 585700, 2190, 0, 0), (), None),
        (counted(6, 0, 5, 255, 0, 0), counted(6, 0, 9, 256, 0, 0), ("the chip is too hot",), None),
        (counted(7, 7, 0, 1, 2, 3), counted(7, 7, 0, 1, 2, 4, state=[1, 1, 1, 1, 1, 0, 0, 0xFFFF]), ("its memory is too hot",), 5),
        (b"", metrics(7, state=[0] * 8), (), 0),
        (b"", metrics(7), (), None),
        (b"", metrics(0x22, indep=[1 << 1 | 1 << 32], warm=[9710, 6000]), ("the chip is too hot",), None),
        (b"", metrics(0x22, indep=[1 << 32], warm=[6110, 6000]), (), None),  # in hundredths of a degree
        (metrics(0x30, prochot=[0], socket=[306735], soc=[0], core=[4]), metrics(0x30, prochot=[0], socket=[306736], soc=[0], core=[9]), ("the chip is too hot",), None),
        (metrics(0x30), metrics(0x30, core=[0]), (), None),  # an idle Strix Halo: what it counted before is past
        (b"", metrics(9, state=[1] * 8), (), None),  # a layout that is not known
        (b"", metrics(7, state=[1] * 8)[:900], (), None),
    ],
)  # fmt: skip
def test_what_a_table_of_an_amd_gpu_tells(
    tmp_path, monkeypatch, before, now, throttle, up
) :  # fmt: skip
    file = f"sys/bus/pci/devices/{GPU.slot}/gpu_metrics"
    plant(tmp_path, {file: before or now})
    monkeypatch.setattr("time.sleep", lambda _: plant(tmp_path, {file: now}))
    (found,) = amd.measured(tmp_path, [GPU])
    assert found == replace(GPU, throttle=throttle, xgmi_active=up)
    plant(tmp_path, {file.replace("gpu_metrics", "power/runtime_status"): "suspended\n"})
    assert amd.measured(tmp_path, [GPU]) == (GPU,), "it was woken"


def test_partitions_of_a_card_are_read_once(monkeypatch):
    slots: list[str] = []
    monkeypatch.setattr(amd, "_table", lambda _, slot, __: slots.append(slot) or b"")
    assert amd.measured(Path(), [GPU] * 8) == (GPU,) * 8
    assert slots == [GPU.slot]


def test_intels_tool_is_asked_where_it_is(tmp_path, monkeypatch):
    gpu = IntelGpu(names=("Intel Data Center GPU Flex 170",), discrete=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.intel_health(gpu) == Unknown(why="xpu-smi is not installed or failed")
    laptop = IntelGpu(names=("Intel Arc Graphics 7d55",), discrete=True)
    assert isinstance(gpus.intel_health(laptop), Absent), "each check of a laptop would tell of it"
    said = (
        '{"device_list": [{"device_id": 0, "power": {"status": "Warning", "description": "hot"}}]}'
    )
    plant(tmp_path, {"xpu-smi": f"#!/bin/sh\n[ \"$*\" = 'health -l -j' ] && echo '{said}'\n"})
    assert gpus.intel_health(gpu) == IntelHealth(warning=("GPU 0, power: hot",))
