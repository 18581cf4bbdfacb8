"""AMD GPUs in a made-up KFD topology."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tunedoctor.facts import Absent, AmdGpu, AmdGpus, Host, RocmStack, Unknown
from tunedoctor.probes.amd import amd, from_adapters, gfx_name, kernel_gpus, linux
from tunedoctor.probes.pci import Adapter

GIB = 2**30
NODES = "sys/class/kfd/kfd/topology/nodes"
CPU = "cpu_cores_count 16\nsimd_count 0\nmem_banks_count 1\ngfx_target_version 0\n"
XTX = (
    "cpu_cores_count 0\nsimd_count 192\nlocal_mem_size 0\ngfx_target_version 110000\n"
    "vendor_id 4098\ndevice_id 29772\nlocation_id 768\ndomain 0\ndrm_render_minor 128\n"
    "unique_id 1234567890123456789\n"
)
RAPHAEL = (
    "cpu_cores_count 0\nsimd_count 4\ngfx_target_version 100306\nvendor_id 4098\n"
    "device_id 5710\nlocation_id 3584\ndomain 0\ndrm_render_minor 129\n"
)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_card_and_the_graphics_of_the_processor(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            f"{NODES}/0/properties": CPU,
            f"{NODES}/1/properties": XTX,
            f"{NODES}/2/properties": RAPHAEL,
            "sys/class/drm/renderD128/device/mem_info_vram_total": f"{24 * GIB - 2**24}\n",
            "sys/class/drm/renderD129/device/mem_info_vram_total": f"{GIB // 2}\n",
            "sys/class/drm/renderD129/device/mem_info_gtt_total": f"{15 * GIB}\n",
        },
    )
    assert kernel_gpus(root, 2) == AmdGpus(
        gpus=(
            AmdGpu(
                index=0,
                gfx="gfx1100",
                name="Radeon RX 7900 XTX",
                slot="0000:03:00.0",
                memory_total=24 * GIB - 2**24,
            ),
            AmdGpu(
                index=1,
                gfx="gfx1036",
                name="Radeon 610M (Raphael / Granite Ridge iGPU)",
                slot="0000:0e:00.0",
                memory_total=GIB // 2 + 15 * GIB,
                integrated=True,
            ),
        )
    )


def test_one_id_of_three_cards_is_told_apart_by_memory(tmp_path: Path) -> None:
    size = "sys/class/drm/renderD128/device/mem_info_vram_total"
    for gib, name in ((20, "Radeon RX 7900 XT"), (16, "Radeon RX 7900 GRE")):
        found = kernel_gpus(tree(tmp_path, {f"{NODES}/1/properties": XTX, size: f"{gib * GIB}"}), 1)
        assert isinstance(found, AmdGpus)
        assert found.gpus[0].name == name


def test_memory_comes_from_the_banks_where_drm_is_hidden(tmp_path: Path) -> None:
    bank = f"{NODES}/1/mem_banks/0/properties"
    text = f"heap_type 1\nsize_in_bytes {20 * GIB}\nflags 0\n"
    found = kernel_gpus(tree(tmp_path, {f"{NODES}/1/properties": XTX, bank: text}), 1)
    assert isinstance(found, AmdGpus)
    assert found.gpus[0].memory_total == 20 * GIB
    assert not found.gpus[0].integrated


def test_nodes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    files = {f"{NODES}/{n}/properties": XTX.replace("768", str(n << 8)) for n in (10, 9, 2)}
    found = kernel_gpus(tree(tmp_path, files), 3)
    assert isinstance(found, AmdGpus)
    assert [gpu.slot for gpu in found.gpus] == ["0000:02:00.0", "0000:09:00.0", "0000:0a:00.0"]


def test_a_card_that_the_kernel_does_not_offer(tmp_path: Path) -> None:
    root = tree(tmp_path, {f"{NODES}/0/properties": CPU})
    assert kernel_gpus(root, 1) == AmdGpus(gpus=())
    assert kernel_gpus(root, 0) == Absent(why="no AMD GPU")


def test_nodes_that_may_not_be_read_are_unknown(tmp_path: Path) -> None:
    (tmp_path / NODES / "1").mkdir(parents=True)
    assert isinstance(kernel_gpus(tmp_path, 1), Unknown)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (90006, "gfx906"),
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (90500, "gfx950"),
        (100306, "gfx1036"),
        (110501, "gfx1151"),
        (120001, "gfx1201"),
        (0, ""),
    ],
)
def test_gfx_names(version: int, name: str) -> None:
    assert gfx_name(version) == name


def test_nothing_of_amd(tmp_path: Path) -> None:
    assert linux(tmp_path, 0, wsl=False) == (
        Absent(why="no AMD GPU"),
        Absent(why="no AMD GPU and no ROCm"),
    )


def test_rocm_without_a_gpu_is_a_stack(tmp_path: Path) -> None:
    tree(tmp_path, {"opt/rocm/.info/version": "6.4.1-83\n"})
    gpus, stack = linux(tmp_path, 0, wsl=False)
    assert isinstance(gpus, Absent)
    assert isinstance(stack, RocmStack)
    assert (stack.version, stack.kfd) == ("6.4.1", "missing")


def test_wsl_tells_only_that_windows_has_one(tmp_path: Path) -> None:
    assert linux(tmp_path, 0, wsl=True)[0] == Absent(why="no AMD GPU")
    tree(tmp_path, {"dev/dxg": "", "usr/lib/wsl/drivers/nv_dispi.inf_amd64_1/x": ""})
    assert linux(tmp_path, 0, wsl=True)[1] == Absent(why="no AMD GPU and no ROCm")
    tree(tmp_path, {"usr/lib/wsl/drivers/u0406143.inf_amd64_2/x": ""})
    gpus, stack = linux(tmp_path, 0, wsl=True)
    assert isinstance(gpus, Unknown)
    assert isinstance(stack, RocmStack)
    assert (stack.dxg, stack.kfd) == (True, "missing")


def test_windows_adapters() -> None:
    found = from_adapters(
        (
            Adapter("10de", "2684", "NVIDIA GeForce RTX 4090", 24 * GIB),
            Adapter("1002", "744c", "AMD Radeon RX 7900 XTX", 24 * GIB),
            Adapter("1002", "164e", "AMD Radeon(TM) Graphics", GIB // 2),
        )
    )
    assert isinstance(found, AmdGpus)
    assert [(g.gfx, g.name, g.integrated) for g in found.gpus] == [
        ("gfx1100", "AMD Radeon RX 7900 XTX", False),
        ("gfx1036", "AMD Radeon(TM) Graphics", True),
    ]
    assert from_adapters(()) == Absent(why="no AMD GPU")
    assert isinstance(from_adapters(None), Unknown)


def test_a_mac_has_none() -> None:
    gpus, stack = amd(None, Host(os="macos", name="macOS 15.1"))
    assert isinstance(gpus, Absent)
    assert isinstance(stack, Absent)
