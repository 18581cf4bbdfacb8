"""Wheels that were named as files, against the machine by their tags."""

import pytest

from tunedoctor.facts import Host, Interpreter
from tunedoctor.wheels.refused import misplaced

LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64", libc="glibc", libc_version="2.39")
OLD = Host(os="linux", name="CentOS 7", machine="x86_64", libc="glibc", libc_version="2.17")
MAC = Host(os="macos", name="macOS 14.5", machine="arm64")
ALPINE = Host(os="linux", name="Alpine", machine="x86_64", libc="musl")
PYTHON = Interpreter(executable="", version="3.12.3")
FREE = Interpreter(executable="", version="3.13.1", free_threaded=True)


@pytest.mark.parametrize(
    ("tags", "own", "host", "cause"),
    [
        ("cp311-cp311-linux_x86_64", PYTHON, None, "python-unsupported"),
        ("cp313-cp313-manylinux_2_28_x86_64", FREE, LINUX, "python-unsupported"),
        ("cp312-cp312-linux_x86_64", PYTHON, MAC, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_aarch64", PYTHON, LINUX, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, ALPINE, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, OLD, "glibc-too-old"),
        ("cp312-none-macosx_11_0_arm64", PYTHON, MAC, None),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, LINUX, None),
        ("cp313-cp313t-manylinux_2_28_x86_64", FREE, LINUX, None),
        ("cp38-abi3-linux_x86_64", PYTHON, LINUX, None),
        ("py3-none-any", PYTHON, LINUX, None),
        ("py3-none-win_amd64", PYTHON, LINUX, "platform-unsupported"),
        ("cp311-cp311-linux_x86_64", None, None, None),
        ("", PYTHON, LINUX, None),
    ],
)
def test_what_does_not_fit(
    tags: str, own: Interpreter | None, host: Host | None, cause: str | None
) -> None:
    found = misplaced(tags, own, host)
    assert (found.cause if found else None) == cause
