"""The table of GPU models."""

import pytest

from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name, nvidia_by_name, nvidia_by_pci


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NVIDIA GeForce RTX 4080 SUPER", ("8.9", "either", "", False)),
        # old drivers leave the prefix out; a MIG device of torch is its GPU; two rows of one name: 8 and 12 GB
        ("NVIDIA GeForce GTX 1070 Ti", ("6.1", "proprietary", "580", False)),
        ("GeForce GTX 1070 Ti", ("6.1", "proprietary", "580", False)),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", ("9.0", "either", "", False)),
        ("NVIDIA GeForce RTX 5090", ("12.0", "open", "", False)),
        ("NVIDIA GeForce RTX 3060", ("8.6", "either", "", False)),
        ("NVIDIA GB10", ("12.1", "open", "", True)),
        ("Orin (nvgpu)", ("8.7", "either", "", True)),
        ("NVIDIA Thor", ("11.0", "open", "", True)),
        # cut, unknown and unverified ones
        *(
            (name, None)
            for name in ("NVIDIA GeForce RTX 4080 ...", "", "NVIDIA", "ERR!", "x" * 9000)
        ),
        ("NVIDIA B100", None),
        ("NVIDIA H20-3e", None),
    ],
)
def test_a_name_tells_the_model(name: str, told: tuple[object, ...] | None) -> None:
    one = nvidia_by_name(name)
    assert (one and (one.compute_capability, one.module, one.last_branch, one.unified)) == told


def test_pci_ids() -> None:
    for device, capability in (
        ("2330", "9.0"),
        ("2c09", "12.0"),
    ):  # the second is newer than the rows
        model = nvidia_by_pci(device)
        assert model is not None
        assert model.compute_capability == capability
    assert nvidia_by_pci("ffff") is None


def test_amd() -> None:
    assert amd_gfx("744c") == "gfx1100"
    assert amd_gfx("1114") == "gfx1152"
    assert amd_gfx("1902") == ""  # its gfx was not verified
    assert amd_gfx_by_name("Radeon RX 6800 XT") == "gfx1030"
    assert amd_gfx("0000") == ""
