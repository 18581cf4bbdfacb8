"""AMD GPUs in a made-up KFD topology, their device files, and ROCm below made-up roots."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tunedoctor.facts import Absent, AmdGpu, AmdGpus, Host, RocmStack, Unknown
from tunedoctor.probes.amd import (
    amd,
    from_adapters,
    gfx_name,
    groups_missing,
    hsa_libraries,
    kernel_gpus,
    open_kfd,
    rocm_folders,
    rocm_stack,
    rocm_version,
)
from tunedoctor.probes.gpus import Adapter

Tree = Callable[..., Path]
GIB = 2**30
LINUX, WSL = Host(os="linux", name="x"), Host(os="linux", name="x", wsl=2)
NODES = "sys/class/kfd/kfd/topology/nodes"
DRM = "sys/class/drm/renderD{}/device/mem_info_{}_total"
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


def gpus_in(root: Path) -> tuple[AmdGpu, ...]:
    found = kernel_gpus(root, 1)
    assert isinstance(found, AmdGpus)
    return found.gpus


def test_a_card_and_the_graphics_of_the_processor(tree: Tree) -> None:
    root = tree(
        {
            **{f"{NODES}/{n}/properties": text for n, text in enumerate((CPU, XTX, RAPHAEL))},
            DRM.format(128, "vram"): f"{24 * GIB - 2**24}\n",
            DRM.format(129, "vram"): f"{GIB // 2}\n",
            DRM.format(129, "gtt"): f"{15 * GIB}\n",
        },
    )
    assert gpus_in(root) == (
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


@pytest.mark.parametrize(
    ("file", "name"),
    [
        # one id of three cards is told apart by memory
        ({DRM.format(128, "vram"): f"{20 * GIB}"}, "Radeon RX 7900 XT"),
        ({DRM.format(128, "vram"): f"{16 * GIB}"}, "Radeon RX 7900 GRE"),
        # the banks tell where DRM is hidden
        ({f"{NODES}/1/mem_banks/0/properties": f"size_in_bytes {20 * GIB}\n"}, "Radeon RX 7900 XT"),
    ],
)
def test_memory_tells_cards_of_one_id_apart(tree: Tree, file: dict[str, str], name: str) -> None:
    (gpu,) = gpus_in(tree({f"{NODES}/1/properties": XTX, **file}))
    assert (gpu.name, gpu.integrated) == (name, False)


def test_nodes_are_in_the_order_of_their_numbers(tree: Tree) -> None:
    root = tree({f"{NODES}/{n}/properties": XTX.replace("768", str(n << 8)) for n in (10, 9, 2)})
    assert [gpu.slot[5:7] for gpu in gpus_in(root)] == ["02", "09", "0a"]


def test_a_card_that_the_kernel_does_not_offer_or_hides(tree: Tree, tmp_path: Path) -> None:
    root = tree({f"{NODES}/0/properties": CPU})
    assert kernel_gpus(root, 1) == AmdGpus(gpus=())
    assert kernel_gpus(root, 0) == Absent(why="no AMD GPU")
    (tmp_path / NODES / "1").mkdir(parents=True)
    assert isinstance(kernel_gpus(tmp_path, 1), Unknown)


def test_gfx_names() -> None:
    names = {90006: "gfx906", 90010: "gfx90a", 90402: "gfx942", 90500: "gfx950", 0: ""}
    names |= {100306: "gfx1036", 110501: "gfx1151", 120001: "gfx1201"}
    assert {number: gfx_name(number) for number in names} == names


def test_rocm_without_a_gpu_is_a_stack(tree: Tree, tmp_path: Path) -> None:
    nothing = (Absent(why="no AMD GPU"), Absent(why="no AMD GPU and no ROCm"))
    assert amd(None, LINUX, root=tmp_path, environ={}) == nothing
    root = tree({"opt/rocm/.info/version": "6.4.1-83\n"})
    gpus, stack = amd(None, LINUX, root=root, environ={})
    assert isinstance(gpus, Absent)
    assert isinstance(stack, RocmStack)
    assert (stack.version, stack.kfd) == ("6.4.1", "missing")


def test_wsl_tells_only_that_windows_has_one(tree: Tree, tmp_path: Path) -> None:
    assert amd(None, WSL, root=tmp_path, environ={})[0] == Absent(why="no AMD GPU")
    tree({"dev/dxg": "", "usr/lib/wsl/drivers/nv_dispi.inf_amd64_1/x": ""})
    assert amd(None, WSL, root=tmp_path, environ={})[1] == Absent(why="no AMD GPU and no ROCm")
    tree({"usr/lib/wsl/drivers/u0406143.inf_amd64_2/x": ""})
    gpus, stack = amd(None, WSL, root=tmp_path, environ={})
    assert isinstance(gpus, Unknown)
    assert isinstance(stack, RocmStack)
    assert (stack.dxg, stack.kfd) == (True, "missing")


def test_windows_adapters_and_macs() -> None:
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
    assert all(isinstance(one, Absent) for one in amd(None, Host(os="macos", name="macOS 15.1")))


def test_the_compute_device_is_opened_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_kfd(tmp_path / "kfd") == "missing"
    (tmp_path / "kfd").touch()
    closed: list[int] = []
    monkeypatch.setattr(os, "close", closed.append)
    assert open_kfd(tmp_path / "kfd") == "ok"
    assert len(closed) == 1
    monkeypatch.undo()
    os.close(closed[0])
    assert open_kfd(tmp_path) == "refused"

    # ENXIO, EACCES, EPERM, EINVAL, ENOMEM
    numbers = iter((6, 13, 1, 22, 12))

    def fails(*_: object) -> int:
        raise OSError(next(numbers), "")

    monkeypatch.setattr(os, "open", fails)
    told = [open_kfd(tmp_path) for _ in range(5)]
    assert told == ["missing", "denied", "denied", "refused", "no memory"]


def test_nodes_of_others_are_left_out_and_refusals_are_told(tree: Tree) -> None:
    vendors = {"renderD128": "0x10de", "renderD129": "0x1002", "renderD130": "0x1002"}
    files = {f"sys/class/drm/{n}/device/vendor": f"{vendor}\n" for n, vendor in vendors.items()}
    files |= {f"dev/dri/{name}": "" for name in (*vendors, "card0")}
    root = tree({**files, "dev/kfd": "", "sys/module/amdgpu/version": "6.12.12\n"})
    found = rocm_stack(root, "7.2.0", ("/x",), lambda path: path.name != "renderD130")
    nodes = tuple(str(root / "dev/dri" / name) for name in ("renderD129", "renderD130"))
    assert (found.kfd, found.render_nodes, found.render_denied) == ("ok", nodes, nodes[1:])
    assert (found.version, found.driver, found.dxg) == ("7.2.0", "6.12.12", False)
    assert found.hsa_libraries == ("/x",)


def test_groups_that_this_process_is_in_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grp

    (tmp_path / "node").touch()
    owner = (tmp_path / "node").stat().st_gid
    nodes = [tmp_path / "node", tmp_path / "missing", tmp_path / "node"]
    assert groups_missing(nodes) == ()
    monkeypatch.setattr(os, "getgroups", list)
    monkeypatch.setattr(os, "getegid", lambda: owner + 1)
    assert groups_missing(nodes) == (grp.getgrgid(owner).gr_name,)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"opt/rocm/.info/version": "6.4.1-83\n"}, "6.4.1"),
        ({"opt/rocm-6.3.0/.info/version": "6.3.0-39", "opt/rocm/.info/version": "7.0.2"}, "7.0.2"),
        ({"opt/rocm/core-10.0/bin/rocminfo": ""}, "10.0"),
        ({"opt/rocm/core-7.14/x": "", "opt/rocm/core-10.0/.info/version": "10.0.1\n"}, "10.0.1"),
        ({"opt/rocm-7.2.0/bin/rocminfo": ""}, "7.2.0"),
        ({"opt/rocm-6.10.0/x": "", "opt/rocm-6.9.1/x": ""}, "6.10.0"),
        ({"opt/rocm/bin/rocminfo": ""}, ""),
        ({"opt/other/x": ""}, ""),
        ({}, ""),
    ],
)
def test_versions_of_every_layout(tree: Tree, files: dict[str, str], version: str) -> None:
    assert rocm_version(rocm_folders(tree(files))) == version


def test_copies_of_the_runtime_are_told_once(tree: Tree) -> None:
    places = ("usr/lib/x86_64-linux-gnu", "opt/rocm-7.2.0/lib", "opt/rocm-10/core-10.0/lib")
    names = [f"{place}/libhsa-runtime64.so.1" for place in places]
    root = tree(dict.fromkeys(names, ""))
    (root / "opt/rocm").symlink_to("rocm-7.2.0")
    found = hsa_libraries(root, rocm_folders(root))
    assert found == tuple(str(root.resolve() / name) for name in names)
