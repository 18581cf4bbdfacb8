"""Intel GPUs."""

from pathlib import Path

import pytest

from tunedoctor.facts import Absent, Host, IntelGpu, PciBus, PciDevice
from tunedoctor.probes.intel import describe, has_level_zero, intel_gpu, is_supported
from tunedoctor.probes.pci import Adapter


def adapter(device: str) -> Adapter:
    return Adapter("8086", device)


@pytest.mark.parametrize(
    ("device", "supported"),
    [
        ("56a0", True),
        ("e20b", True),
        ("0bd5", True),
        ("64a0", True),
        ("7d55", True),
        ("a780", False),
        ("4905", False),
        ("9a49", False),
        ("", False),
    ],
)
def test_families_that_xpu_builds_run_on(device: str, supported: bool) -> None:
    assert is_supported(device) is supported


def test_names_nodes_and_level_zero(tmp_path: Path) -> None:
    (tmp_path / "dev/dri").mkdir(parents=True)
    for node, vendor in (("renderD128", "0x10de"), ("renderD129", "0x8086")):
        (tmp_path / "dev/dri" / node).touch()
        (tmp_path / f"sys/class/drm/{node}/device").mkdir(parents=True)
        (tmp_path / f"sys/class/drm/{node}/device/vendor").write_text(f"{vendor}\n")
    (tmp_path / "usr/lib64").mkdir(parents=True)
    (tmp_path / "usr/lib64/libze_loader.so.1").touch()
    found = describe(
        (adapter("56a0"), adapter("a780")), tmp_path, {}, linux=True, allowed=lambda _: False
    )
    assert found == IntelGpu(
        names=("Intel Arc A770", "Intel graphics a780"),
        discrete=True,
        render_denied=(str(tmp_path / "dev/dri/renderD129"),),
        level_zero=True,
    )


def test_level_zero_on_the_loaders_path(tmp_path: Path) -> None:
    assert not has_level_zero(tmp_path, {}, linux=True)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/libze_loader.so.1").touch()
    assert has_level_zero(tmp_path, {"LD_LIBRARY_PATH": f":{tmp_path}/own"}, linux=True)


def test_level_zero_on_windows(tmp_path: Path) -> None:
    assert not has_level_zero(tmp_path, {}, linux=False)
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32/ze_loader.dll").touch()
    assert has_level_zero(tmp_path, {"SYSTEMROOT": str(tmp_path)}, linux=False)


def test_none_on_the_bus() -> None:
    host = Host(os="linux", name="Ubuntu 24.04")
    nvidia = PciDevice(slot="0", vendor="10de", device="2684", device_class="030000")
    assert intel_gpu(PciBus(devices=(nvidia,)), host) == Absent(why="no Intel GPU")
    assert intel_gpu(None, host) == Absent(why="no Intel GPU")


def test_an_older_processors_graphics_are_not_discrete() -> None:
    host = Host(os="linux", name="Ubuntu 24.04")
    bus = PciBus(
        devices=(PciDevice(slot="0", vendor="8086", device="a780", device_class="030000"),)
    )
    found = intel_gpu(bus, host)
    assert isinstance(found, IntelGpu)
    assert not found.discrete
