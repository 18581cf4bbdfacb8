"""The table of GPU models."""

from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name, nvidia_by_name, nvidia_by_pci


def test_a_name_tells_the_compute_capability() -> None:
    model = nvidia_by_name("NVIDIA GeForce RTX 4080 SUPER")
    assert model is not None
    assert model.compute_capability == "8.9"
    assert model.module == "either"
    assert model.last_branch == ""


def test_old_drivers_leave_the_prefix_out() -> None:
    for name in ("NVIDIA GeForce GTX 1070 Ti", "GeForce GTX 1070 Ti"):
        model = nvidia_by_name(name)
        assert model is not None
        assert model.compute_capability == "6.1"
        assert model.module == "proprietary"
        assert model.last_branch == "580"


def test_a_mig_device_of_torch_is_its_gpu() -> None:
    model = nvidia_by_name("NVIDIA H100 80GB HBM3 MIG 1g.10gb")
    assert model is not None
    assert model.compute_capability == "9.0"


def test_blackwell_needs_the_open_module() -> None:
    model = nvidia_by_name("NVIDIA GeForce RTX 5090")
    assert model is not None
    assert model.module == "open"
    assert model.compute_capability == "12.0"


def test_boards_of_one_name_agree_or_say_nothing() -> None:
    model = nvidia_by_name("NVIDIA GeForce RTX 3060")  # two rows: 8 and 12 GB
    assert model is not None
    assert model.compute_capability == "8.6"


def test_unified_memory() -> None:
    for name in ("NVIDIA GB10", "Orin (nvgpu)", "NVIDIA Thor"):
        model = nvidia_by_name(name)
        assert model is not None
        assert model.unified is True, name


def test_cut_and_unknown_names_are_not_known() -> None:
    for name in ("NVIDIA GeForce RTX 4080 ...", "", "NVIDIA", "ERR!", "x" * 9000):
        assert nvidia_by_name(name) is None


def test_unverified_rows_are_never_used() -> None:
    assert nvidia_by_name("NVIDIA B100") is None
    assert nvidia_by_name("NVIDIA H20-3e") is None


def test_pci_ids() -> None:
    model = nvidia_by_pci("2330")
    assert model is not None
    assert model.compute_capability == "9.0"
    assert nvidia_by_pci("ffff") is None


def test_a_pci_id_newer_than_the_rows_goes_by_its_name() -> None:
    model = nvidia_by_pci("2c09")
    assert model is not None
    assert model.compute_capability == "12.0"


def test_amd() -> None:
    assert amd_gfx("744c") == "gfx1100"
    assert amd_gfx("1114") == "gfx1152"
    assert amd_gfx("1902") == ""  # its gfx was not verified
    assert amd_gfx_by_name("Radeon RX 6800 XT") == "gfx1030"
    assert amd_gfx("0000") == ""
