"""The command that puts a fitting build into the target."""

from tunedoctor.facts import Host, Interpreter, TorchBuild
from tunedoctor.versions import release
from tunedoctor.wheels.cures import rebuild_cuda, rebuild_xpu

LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64", libc="glibc", libc_version="2.39")
OWN = Interpreter(executable="/opt/my env/bin/python", version="3.12.7", machine="x86_64")


def _torch(version: str) -> TorchBuild:
    return TorchBuild(version=version, accelerator="cuda")


def test_the_same_release_is_kept_where_it_has_a_build_that_fits() -> None:
    fit = rebuild_cuda(LINUX, OWN, _torch("2.9.1+cu130"), "550.144.03", ("8.9",))
    assert fit is not None
    assert fit.version == "2.9.1"
    assert fit.variant.startswith("cu12")


def test_the_label_is_named_so_that_pip_does_not_keep_the_old_build() -> None:
    fit = rebuild_cuda(LINUX, OWN, _torch("2.9.1+cpu"), "550.144.03", ("8.9",))
    assert fit is not None
    assert f"torch==2.9.1+{fit.variant} torchvision==0.24.1+{fit.variant}" in fit.cure.command
    assert fit.cure.command.startswith("'/opt/my env/bin/python' -m pip install ")
    assert fit.cure.command.endswith(f"/whl/{fit.variant}")


def test_else_the_next_newer_release_that_fits() -> None:
    fit = rebuild_cuda(LINUX, OWN, _torch("2.6.0+cu124"), "580.95.05", ("12.0",))
    assert fit is not None
    assert release(fit.version)[:2] == (2, 7)


def test_else_an_older_one() -> None:
    fit = rebuild_cuda(LINUX, OWN, _torch("2.15.0+cu132"), "580.95.05", ("7.0",))
    assert fit is not None
    assert fit.variant == "cu126"
    assert release(fit.version)[:2] == (2, 14)


def test_no_build_for_kepler_nor_for_two_ages_at_once() -> None:
    assert rebuild_cuda(LINUX, OWN, None, "470.256.02", ("3.5",)) is None
    assert rebuild_cuda(LINUX, OWN, None, "580.95.05", ("6.1", "12.0")) is None


def test_no_cuda_build_for_macos_or_musl() -> None:
    mac = Host(os="macos", name="macOS 15", machine="arm64")
    assert rebuild_cuda(mac, OWN, None, "", ("8.9",)) is None
    musl = Host(os="linux", name="Alpine", machine="x86_64", libc="musl")
    assert rebuild_cuda(musl, OWN, None, "", ("8.9",)) is None


def test_an_unknown_machine_gets_a_command_without_versions() -> None:
    fit = rebuild_cuda(None, None, None, "525.60.13", ())
    assert fit is not None
    assert "torch==" not in fit.cure.command
    assert fit.variant.startswith("cu12")


def test_xpu_keeps_the_release_and_names_none_of_an_unknown_system() -> None:
    fit = rebuild_xpu(LINUX, OWN, _torch("2.9.1+cpu"))
    assert "torch==2.9.1+xpu" in fit.command
    unknown = rebuild_xpu(None, None, None).command
    assert unknown.startswith("python -m pip")
    assert "torch==" not in unknown
