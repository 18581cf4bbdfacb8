"""Why an index or an installer has no wheel for this interpreter and machine."""

import pytest

from tunedoctor.facts import Host, IndexAnswer, Interpreter, Refusal
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.wheels.refused import misplaced, refused

UNKNOWN_PYTHON = Facts(Snapshot({}).having()).interpreter
UNKNOWN_HOST = Facts(Snapshot({}).having()).host
PYTHON = Interpreter(executable="/my env/bin/python", version="3.12.7", machine="x86_64")
FREE_THREADED = Interpreter(executable="", version="3.13.1", free_threaded=True)
LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64", libc="glibc", libc_version="2.39")
MAC = Host(os="macos", name="macOS 15.1", machine="arm64", macos_version="15.1")
MUSL = Host(os="linux", name="Alpine", machine="x86_64", libc="musl", libc_version="1.2.5")
OLD_GLIBC = Host(os="linux", name="CentOS 7", machine="x86_64", libc="glibc", libc_version="2.17")
ARM_PYTHON = Interpreter(executable="/my env/bin/python", version="3.12.7", machine="arm64")


@pytest.mark.parametrize(
    ("refusal", "cause"),
    [
        (Refusal(name="torch", reason="platform", tag="win32"), "python-32bit"),
        (
            Refusal(
                name="torch",
                reason="platform",
                tag="manylinux_2_17_x86_64",
                wheel_tags=("manylinux_2_28_x86_64",),
            ),
            "glibc-too-old",
        ),
        (
            Refusal(
                name="torch",
                reason="platform",
                tag="macosx_13_0_arm64",
                wheel_tags=("macosx_14_0_arm64",),
            ),
            "macos-too-old",
        ),
        (
            Refusal(name="torch", reason="platform", tag="musllinux_1_2_x86_64"),
            "platform-unsupported",
        ),
        (Refusal(name="torch", offered=("0.1.2", "0.1.2.post1")), "python-unsupported"),
        (
            Refusal(
                name="torch", specifier="==9.9.9", reason="version", offered=("2.14.1", "2.15.0")
            ),
            "wheel-not-on-index",
        ),
        (
            Refusal(name="torch", specifier=">=2.3", reason="version", offered=("2.2.1", "2.2.2")),
            "platform-unsupported",
        ),
        (
            Refusal(name="torch", specifier="==2.5.1+cu128", reason="platform", installer="poetry"),
            "wheel-not-on-index",
        ),
        (
            Refusal(
                name="torch",
                specifier="==2.6.0",
                reason="platform",
                tag="win_amd64",
                wheel_tags=("linux_aarch64",),
                installer="uv",
            ),
            "wheel-not-on-index",
        ),
        (
            Refusal(
                name="torch",
                specifier="==2.6.0",
                reason="platform",
                tag="manylinux_2_35_x86_64",
                wheel_tags=("macosx_11_0_arm64",),
                installer="uv",
            ),
            "wheel-not-on-index",
        ),
        (
            Refusal(
                name="torch",
                specifier="==2.6.0",
                reason="platform",
                tag="win_arm64",
                wheel_tags=("win_amd64",),
                installer="uv",
            ),
            "platform-unsupported",
        ),
        (
            Refusal(
                name="torch",
                specifier="==2.6.0",
                reason="platform",
                tag="macosx_13_0_x86_64",
                wheel_tags=("macosx_11_0_arm64",),
                installer="uv",
            ),
            "platform-unsupported",
        ),
    ],
)
def test_the_tag_or_the_offered_versions_lead_to_the_cause(refusal, cause):
    refusal = refused(IndexAnswer(refusals=(refusal,)), UNKNOWN_PYTHON, UNKNOWN_HOST)
    assert refusal.cause == cause


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(name="torch", specifier="==2.5.1+cu124", reason="platform", installer="poetry"),
        Refusal(name="torch", specifier="==2.5.1", reason="platform", installer="poetry"),
        Refusal(name="flash-attn", specifier="==9", reason="version", offered=("2.0",)),
    ],
)
def test_a_refusal_that_does_not_tell_the_cause_is_left_alone(refusal):
    assert refused(IndexAnswer(refusals=(refusal,)), UNKNOWN_PYTHON, UNKNOWN_HOST) is None


@pytest.mark.parametrize(
    ("machine", "host", "cause"),
    [
        ("ARM64", Host(os="windows", name="Windows 11", machine="ARM64"), "platform-unsupported"),
        ("x86_64", UNKNOWN_HOST, "python-unsupported"),
    ],
)
def test_if_an_index_offers_nothing_the_machine_decides(machine, host, cause):
    refusal = refused(
        IndexAnswer(refusals=(Refusal(name="torch", reason="nothing", offered=()),)),
        Interpreter(executable="", version="3.12.4", machine=machine),
        host,
    )
    assert refusal.cause == cause


@pytest.mark.parametrize(
    ("tags", "own", "host", "cause"),
    [
        ("cp311-cp311-linux_x86_64", PYTHON, UNKNOWN_HOST, "python-unsupported"),
        ("cp313-cp313-manylinux_2_28_x86_64", FREE_THREADED, LINUX, "python-unsupported"),
        ("cp312-cp312-linux_x86_64", PYTHON, MAC, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_aarch64", PYTHON, LINUX, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, MUSL, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, OLD_GLIBC, "glibc-too-old"),
        ("py3-none-win_amd64", PYTHON, LINUX, "platform-unsupported"),
    ],
)
def test_a_wheel_for_another_python_or_platform_is_recognised_by_its_tags(tags, own, host, cause):
    refusal = misplaced(tags, own, host)
    assert refusal.cause == cause


@pytest.mark.parametrize(
    ("tags", "own", "host"),
    [
        ("cp312-none-macosx_11_0_arm64", ARM_PYTHON, MAC),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, LINUX),
        ("cp313-cp313t-manylinux_2_28_x86_64", FREE_THREADED, LINUX),
        ("cp38-abi3-linux_x86_64", PYTHON, LINUX),
        ("py3-none-any", PYTHON, LINUX),
        ("cp311-cp311-linux_x86_64", UNKNOWN_PYTHON, LINUX),
        ("", PYTHON, LINUX),
    ],
)
def test_a_wheel_that_fits_or_cannot_be_judged_is_left_alone(tags, own, host):
    assert misplaced(tags, own, host) is None
