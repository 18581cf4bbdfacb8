"""AMD GPUs and ROCm, read from files of the kernel and of ROCm."""

import pytest
from planting import Link, plant

from tunedoctor.facts import Absent, AmdGpu, AmdGpus, Host, RocmStack, Unknown
from tunedoctor.probes.amd import (
    amd,
    from_adapters,
    gfx_name,
    hsa_libraries,
    kernel_gpus,
    open_kfd,
    rocm_folders,
    rocm_version,
)
from tunedoctor.probes.gpus import Adapter

CPU_NODE = "cpu_cores_count 16\nsimd_count 0\nmem_banks_count 1\ngfx_target_version 0\n"
LINUX = Host(os="linux", name="x")
WSL = Host(os="linux", name="x", wsl=2)


def gpu_node(location: int = 768, gfx: int = 110000, device: int = 29772) -> str:
    """Return the properties that the kernel gives for a GPU, here a Radeon RX 7900."""
    return (
        "cpu_cores_count 0\n"
        "simd_count 192\n"
        "local_mem_size 0\n"
        f"gfx_target_version {gfx}\n"
        "vendor_id 4098\n"
        f"device_id {device}\n"
        f"location_id {location}\n"
        "domain 0\n"
        "drm_render_minor 128\n"
        "unique_id 1234567890123456789\n"
    )


def test_the_gpus_of_the_kernel_are_read_with_their_memory(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/0/properties": CPU_NODE,
            "sys/class/kfd/kfd/topology/nodes/1/properties": gpu_node(),
            "sys/class/kfd/kfd/topology/nodes/2/properties": (
                "cpu_cores_count 0\n"
                "simd_count 4\n"
                "gfx_target_version 100306\n"
                "vendor_id 4098\n"
                "device_id 5710\n"
                "location_id 3584\n"
                "domain 0\n"
                "drm_render_minor 129\n"
            ),
            "sys/class/drm/renderD128/device/mem_info_vram_total": "25753026560\n",
            "sys/class/drm/renderD129/device/mem_info_vram_total": "536870912\n",
            "sys/class/drm/renderD129/device/mem_info_gtt_total": "16106127360\n",
        },
    )
    assert kernel_gpus(tmp_path, 1) == AmdGpus(
        gpus=(
            AmdGpu(
                index=0,
                gfx="gfx1100",
                name="Radeon RX 7900 XTX",
                slot="0000:03:00.0",
                memory_total=25753026560,
            ),
            AmdGpu(
                index=1,
                gfx="gfx1036",
                name="Radeon 610M (Raphael / Granite Ridge iGPU)",
                slot="0000:0e:00.0",
                memory_total=16642998272,
                integrated=True,
            ),
        )
    )


@pytest.mark.parametrize(
    ("memory", "model"),
    [
        ("21474836480", "Radeon RX 7900 XT"),
        ("17179869184", "Radeon RX 7900 GRE"),
    ],
)
def test_the_memory_tells_models_of_one_number_apart(memory, model, tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/1/properties": gpu_node(),
            "sys/class/drm/renderD128/device/mem_info_vram_total": memory,
        },
    )
    result = kernel_gpus(tmp_path, 1)
    assert [(item.name, item.integrated) for item in result.gpus] == [(model, False)]


def test_memory_is_read_from_the_memory_banks(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/1/properties": gpu_node(),
            "sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties": "size_in_bytes 21474836480\n",
        },
    )
    result = kernel_gpus(tmp_path, 1)
    assert [(item.name, item.integrated) for item in result.gpus] == [("Radeon RX 7900 XT", False)]


def test_gpus_are_in_the_order_of_their_numbers(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/10/properties": gpu_node(2560),
            "sys/class/kfd/kfd/topology/nodes/9/properties": gpu_node(2304),
            "sys/class/kfd/kfd/topology/nodes/2/properties": gpu_node(512),
        },
    )
    result = kernel_gpus(tmp_path, 1)
    assert [item.slot for item in result.gpus] == ["0000:02:00.0", "0000:09:00.0", "0000:0a:00.0"]


def test_a_node_without_gpus_has_an_empty_list(tmp_path):
    plant(tmp_path, {"sys/class/kfd/kfd/topology/nodes/0/properties": CPU_NODE})
    assert kernel_gpus(tmp_path, 1) == AmdGpus(gpus=())


def test_without_gpus_on_the_bus_there_is_no_amd_gpu(tmp_path):
    plant(tmp_path, {"sys/class/kfd/kfd/topology/nodes/0/properties": CPU_NODE})
    assert kernel_gpus(tmp_path, 0) == Absent(why="no AMD GPU")


def test_a_node_that_cannot_be_read_is_unknown(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/0/properties": CPU_NODE,
            "sys/class/kfd/kfd/topology/nodes/1": None,
        },
    )
    assert isinstance(kernel_gpus(tmp_path, 1), Unknown)


def test_uncorrected_errors_are_counted_by_block(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/1/properties": gpu_node(gfx=90402, device=29857),
            "sys/class/drm/renderD128/device/mem_info_vram_total": "205822885888\n",
            "sys/class/drm/renderD128/device/ras/umc_err_count": "ue: 2\nce: 11\nde: 0\n",
            "sys/class/drm/renderD128/device/ras/gfx_err_count": "ue: 0\nce: 0\n",
            "sys/class/drm/renderD128/device/ras/xgmi_wafl_err_count": "ue: 1\nce: 0\n",
            "sys/class/drm/renderD128/device/ras/features": "feature mask: 0x37ff\n",
            "sys/class/drm/renderD128/device/ras/sdma_err_count": "query failed",
        },
    )
    result = kernel_gpus(tmp_path, 1)
    assert [(item.gfx, item.ras_uncorrected, item.ras_blocks) for item in result.gpus] == [
        ("gfx942", 3, ("umc", "xgmi_wafl"))
    ]


def test_without_counters_errors_are_unknown(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/1/properties": gpu_node(gfx=90402, device=29857),
            "sys/class/drm/renderD128/device/mem_info_vram_total": "205822885888\n",
        },
    )
    result = kernel_gpus(tmp_path, 1)
    assert [(item.ras_uncorrected, item.ras_blocks) for item in result.gpus] == [(None, ())]


def test_a_list_with_an_unreadable_node_is_partial(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/0/properties": "cpu_cores_count 96\nsimd_count 0\n",
            "sys/class/kfd/kfd/topology/nodes/1/properties": (
                "cpu_cores_count 0\n"
                "simd_count 1216\n"
                "gfx_target_version 90402\n"
                "vendor_id 4098\n"
                "device_id 29857\n"
                "location_id 1280\n"
                "domain 0\n"
                "drm_render_minor 128\n"
            ),
            "sys/class/kfd/kfd/topology/nodes/2": None,
        },
    )
    result = kernel_gpus(tmp_path, 8)
    assert result.partial is True
    assert [(item.gfx, item.slot) for item in result.gpus] == [("gfx942", "0000:05:00.0")]


def test_a_list_of_readable_nodes_is_not_partial(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/kfd/kfd/topology/nodes/0/properties": "cpu_cores_count 96\nsimd_count 0\n",
            "sys/class/kfd/kfd/topology/nodes/1/properties": (
                "cpu_cores_count 0\n"
                "simd_count 1216\n"
                "gfx_target_version 90402\n"
                "vendor_id 4098\n"
                "device_id 29857\n"
                "location_id 1280\n"
                "domain 0\n"
                "drm_render_minor 128\n"
            ),
        },
    )
    result = kernel_gpus(tmp_path, 8)
    assert result.partial is False
    assert [(item.throttle, item.xgmi_active) for item in result.gpus] == [((), None)]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (90006, "gfx906"),
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (0, ""),
        (110501, "gfx1151"),
        (120001, "gfx1201"),
    ],
)
def test_the_number_of_the_kernel_becomes_a_gfx_name(version, expected):
    assert gfx_name(version) == expected


def test_without_amd_there_are_no_facts(tmp_path):
    assert amd(None, LINUX, root=tmp_path, environ={}) == (
        Absent(why="no AMD GPU"),
        Absent(why="no AMD GPU and no ROCm"),
    )


def test_rocm_without_a_gpu_is_read(tmp_path):
    plant(tmp_path, {"opt/rocm/.info/version": "6.4.1-83\n"})
    result = amd(None, LINUX, root=tmp_path, environ={})
    assert len(result) == 2
    assert result[0] == Absent(why="no AMD GPU")
    assert result[1].version == "6.4.1"
    assert result[1].kfd == "missing"


def test_wsl_with_an_nvidia_driver_has_no_amd_gpu(tmp_path):
    plant(tmp_path, {"dev/dxg": "", "usr/lib/wsl/drivers/nv_dispi.inf_amd64_1/x": ""})
    assert amd(None, WSL, root=tmp_path, environ={}) == (
        Absent(why="no AMD GPU"),
        Absent(why="no AMD GPU and no ROCm"),
    )


def test_wsl_with_an_amd_driver_is_recognised(tmp_path):
    plant(tmp_path, {"dev/dxg": "", "usr/lib/wsl/drivers/u0406143.inf_amd64_2/x": ""})
    result = amd(None, WSL, root=tmp_path, environ={})
    assert len(result) == 2
    assert isinstance(result[0], Unknown)
    assert result[1] == RocmStack(kfd="missing", dxg=True)


def test_adapters_of_windows_are_read():
    result = from_adapters(
        (
            Adapter("10de", "2684", "NVIDIA GeForce RTX 4090", 25769803776),
            Adapter("1002", "744c", "AMD Radeon RX 7900 XTX", 25769803776),
            Adapter("1002", "164e", "AMD Radeon(TM) Graphics", 536870912),
        )
    )
    assert [(item.gfx, item.name, item.integrated) for item in result.gpus] == [
        ("gfx1100", "AMD Radeon RX 7900 XTX", False),
        ("gfx1036", "AMD Radeon(TM) Graphics", True),
    ]


def test_without_adapters_windows_is_unknown():
    assert isinstance(from_adapters(None), Unknown)


def test_a_missing_device_file_counts_as_refused(tmp_path):
    assert open_kfd(tmp_path) == "refused"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"opt/rocm/.info/version": "6.4.1-83\n"}, "6.4.1"),
        ({"opt/rocm-6.3.0/.info/version": "6.3.0-39", "opt/rocm/.info/version": "7.0.2"}, "7.0.2"),
        ({"opt/rocm/core-10.0/bin/rocminfo": ""}, "10.0"),
        ({"opt/rocm/core-7.14/x": "", "opt/rocm/core-10.0/.info/version": "10.0.1\n"}, "10.0.1"),
        ({"opt/rocm-7.2.0/bin/rocminfo": ""}, "7.2.0"),
        ({"opt/rocm-6.10.0/x": "", "opt/rocm-6.9.1/x": ""}, "6.10.0"),
        ({"opt/rocm/bin/rocminfo": ""}, ""),
        ({"opt/other/x": ""}, ""),
    ],
)
def test_the_version_of_rocm_is_the_newest_that_its_folders_say(files, expected, tmp_path):
    plant(tmp_path, files)
    assert rocm_version(rocm_folders(tmp_path)) == expected


def test_without_folders_rocm_has_no_version(tmp_path):
    assert rocm_version(rocm_folders(tmp_path)) == ""


def test_the_hsa_libraries_are_found_once(tmp_path):
    plant(
        tmp_path,
        {
            "usr/lib/x86_64-linux-gnu/libhsa-runtime64.so.1": "",
            "opt/rocm-7.2.0/lib/libhsa-runtime64.so.1": "",
            "opt/rocm-10/core-10.0/lib/libhsa-runtime64.so.1": "",
            "opt/rocm": Link("rocm-7.2.0"),
        },
    )
    assert hsa_libraries(tmp_path, rocm_folders(tmp_path)) == (
        f"{tmp_path}/usr/lib/x86_64-linux-gnu/libhsa-runtime64.so.1",
        f"{tmp_path}/opt/rocm-7.2.0/lib/libhsa-runtime64.so.1",
        f"{tmp_path}/opt/rocm-10/core-10.0/lib/libhsa-runtime64.so.1",
    )
