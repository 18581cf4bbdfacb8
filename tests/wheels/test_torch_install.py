"""Commands that put a fitting torch into the target."""

import msgspec
import pytest

from tunedoctor.cure import Cure
from tunedoctor.facts import (
    Fact,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
    PciBus,
    PciDevice,
    TorchBuild,
)
from tunedoctor.snapshot import Facts, Snapshot
from tunedoctor.wheels.cures import companion_install, same_torch, torch_install
from tunedoctor.wheels.rules import has_wheel

LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64", libc="glibc", libc_version="2.39")
PYTHON = Interpreter(executable="/v/bin/python", version="3.12.7", machine="x86_64")
CARD = NvidiaGpus(gpus=(NvidiaGpu(index=0, name="RTX 4090", compute_capability="8.9"),))


def of(*facts: Fact) -> Facts:
    return Facts(Snapshot.of(facts))


def test_without_a_gpu_it_is_the_cpu_build() -> None:
    fit = torch_install(of(LINUX, PYTHON))
    assert fit.variant == "cpu"
    assert has_wheel(fit.version, "3.12", "linux_x86_64")
    assert fit.cure.command.startswith("/v/bin/python -m pip install torch==")
    assert fit.cure.command.endswith("/cpu")


@pytest.mark.parametrize(("driver", "major"), [("535.183.01", "12"), ("580.95.05", "13")])
def test_the_driver_decides(driver: str, major: str) -> None:
    fit = torch_install(of(LINUX, PYTHON, CARD, NvidiaDriver(version=driver)))
    assert fit.variant.startswith(f"cu{major}")


def test_a_floor_is_kept() -> None:
    fit = torch_install(of(LINUX, PYTHON), wanted=">=2.6,<2.8")
    assert fit.version == "2.7.1"
    none = torch_install(of(LINUX, PYTHON), wanted=">=99")
    assert none[:3] == ("", "", Cure())
    assert ">=99" in none.why


def test_where_no_driver_is_loaded_yet_it_is_the_build_for_after_it() -> None:
    card = PciDevice("0000:01:00.0", "10de", device="2684", device_class="030000")
    bus = PciBus(devices=(card,))
    fit = torch_install(of(LINUX, PYTHON, bus))
    assert fit.variant.startswith("cu"), fit
    assert torch_install(of(LINUX, PYTHON)).variant == "cpu"


def test_an_old_python_gets_the_last_release_for_it() -> None:
    old = msgspec.structs.replace(PYTHON, version="3.9.19")
    assert torch_install(of(LINUX, old)).version == "2.8.0"


def test_an_old_glibc_gets_the_last_release_for_it() -> None:
    old = msgspec.structs.replace(LINUX, libc_version="2.17")
    assert torch_install(of(old, PYTHON)).version == "2.6.0"


def test_a_mac_needs_no_index() -> None:
    mac = Host(os="macos", name="macOS 15.1", machine="arm64", macos_version="15.1")
    fit = torch_install(of(mac, msgspec.structs.replace(PYTHON, machine="arm64")))
    assert "index-url" not in fit.cure.command
    old = msgspec.structs.replace(mac, macos_version="13.6")
    older = torch_install(of(old, msgspec.structs.replace(PYTHON, machine="arm64")))
    assert older.version < fit.version or older.version == "2.11.0"


def test_musl_has_none() -> None:
    musl = msgspec.structs.replace(LINUX, libc="musl", libc_version="1.2.5")
    assert torch_install(of(musl, PYTHON)).cure.command == ""


def test_unknown_facts_name_no_release() -> None:
    command = torch_install(of(), wanted=">=2.6").cure.command
    assert command == 'python -m pip install "torch>=2.6" torchvision'


def test_a_companion_comes_from_the_index_of_torch() -> None:
    build = TorchBuild(version="2.9.1+cu126", cuda="12.6", accelerator="cuda", variant="cu126")
    command = companion_install(PYTHON, build, "torchvision", "0.24.1").command
    assert "torchvision==0.24.1+cu126" in command
    assert command.endswith("/cu126")
    plain = TorchBuild(version="2.9.1", accelerator="mps", variant="mps")
    assert "index-url" not in companion_install(PYTHON, plain, "torchvision", "0.24.1").command


def test_the_same_build_once_more() -> None:
    assert same_torch(PYTHON, "2.9.1+cu126", "cu126").command.endswith(
        "--no-deps --force-reinstall torch==2.9.1+cu126 --index-url https://download.pytorch.org/whl/cu126"
    )
    assert same_torch(None, "2.9.1", "mps").command == (
        "python -m pip install --no-deps --force-reinstall torch==2.9.1"
    )
