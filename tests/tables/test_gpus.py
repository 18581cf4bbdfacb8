"""Names and PCI ids of GPUs lead to their architecture and to the kernel module that drives them."""

import pytest

from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name, nvidia_by_name, nvidia_by_pci


@pytest.mark.parametrize(
    ("name", "compute_capability", "module", "last_branch", "unified"),
    [
        ("NVIDIA GeForce RTX 4080 SUPER", "8.9", "either", "", False),
        ("NVIDIA GeForce GTX 1070 Ti", "6.1", "proprietary", "580", False),
        ("GeForce GTX 1070 Ti", "6.1", "proprietary", "580", False),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "9.0", "either", "", False),
        ("NVIDIA GeForce RTX 5090", "12.0", "open", "", False),
        ("NVIDIA GeForce RTX 3060", "8.6", "either", "", False),
        ("NVIDIA GB10", "12.1", "open", "", True),
        ("Orin (nvgpu)", "8.7", "either", "", True),
        ("NVIDIA Thor", "11.0", "open", "", True),
    ],
)
def test_the_name_of_an_nvidia_gpu_leads_to_its_architecture(
    name, compute_capability, module, last_branch, unified
):
    gpu = nvidia_by_name(name)
    assert gpu.compute_capability == compute_capability
    assert gpu.module == module
    assert gpu.last_branch == last_branch
    assert gpu.unified is unified


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4080 ...",
        "",
        "NVIDIA",
        "ERR!",
        "x" * 900,
    ],
)
def test_a_name_that_is_cut_off_or_no_name_leads_to_no_nvidia_gpu(name):
    assert nvidia_by_name(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA B100",
        "NVIDIA H20-3e",
    ],
)
def test_a_model_that_the_table_lacks_is_not_guessed_from_its_name(name):
    assert nvidia_by_name(name) is None


@pytest.mark.parametrize(
    ("device", "compute_capability"),
    [
        ("2330", "9.0"),
        ("2c09", "12.0"),
    ],
)
def test_a_pci_id_leads_to_the_compute_capability(device, compute_capability):
    gpu = nvidia_by_pci(device)
    assert gpu.compute_capability == compute_capability


def test_an_unknown_pci_id_leads_to_no_nvidia_gpu():
    assert nvidia_by_pci("ffff") is None


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("744c", "gfx1100"),
        ("1114", "gfx1152"),
        ("1902", ""),
        ("0000", ""),
    ],
)
def test_a_pci_id_leads_to_the_gfx_name_of_an_amd_gpu(device, expected):
    assert amd_gfx(device) == expected


def test_the_name_of_an_amd_gpu_leads_to_its_gfx_name():
    assert amd_gfx_by_name("Radeon RX 6800 XT") == "gfx1030"
