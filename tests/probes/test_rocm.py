"""The AMD compute device and ROCm below made-up roots."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tunedoctor.probes.rocm import (
    groups_missing,
    hsa_libraries,
    kfd_state,
    open_kfd,
    rocm_folders,
    rocm_stack,
    rocm_version,
)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (errno.ENOENT, "missing"),
        (errno.ENXIO, "missing"),
        (errno.EACCES, "denied"),
        (errno.EPERM, "denied"),
        (errno.EINVAL, "refused"),
        (errno.ENOMEM, "no memory"),
        (0, "refused"),
    ],
)
def test_error_numbers(number: int, state: str) -> None:
    assert kfd_state(number) == state


def test_the_device_is_opened(tmp_path: Path) -> None:
    assert open_kfd(tmp_path / "kfd") == "missing"
    (tmp_path / "kfd").touch()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208
    assert open_kfd(tmp_path / "kfd") == "ok"
    after = len(os.listdir("/proc/self/fd")) if before else 0  # noqa: PTH208
    assert after == before
    assert open_kfd(tmp_path) == "refused"


def test_nodes_of_others_are_left_out_and_refusals_are_told(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "dev/kfd": "",
            "dev/dri/renderD128": "",
            "dev/dri/renderD129": "",
            "dev/dri/renderD130": "",
            "dev/dri/card0": "",
            "sys/class/drm/renderD128/device/vendor": "0x10de\n",
            "sys/class/drm/renderD129/device/vendor": "0x1002\n",
            "sys/class/drm/renderD130/device/vendor": "0x1002\n",
            "sys/module/amdgpu/version": "6.12.12\n",
        },
    )
    found = rocm_stack(tmp_path, "7.2.0", ("/x",), lambda path: path.name != "renderD130")
    nodes = [str(tmp_path / "dev/dri" / name) for name in ("renderD129", "renderD130")]
    assert found.kfd == "ok"
    assert found.render_nodes == tuple(nodes)
    assert found.render_denied == (nodes[1],)
    assert (found.version, found.driver, found.dxg) == ("7.2.0", "6.12.12", False)
    assert found.hsa_libraries == ("/x",)


def test_groups_that_this_process_is_in_do_not_count(tmp_path: Path) -> None:
    import grp

    node = tmp_path / "renderD128"
    node.touch()
    owner = node.stat().st_gid
    nodes = [node, tmp_path / "missing", node]
    assert groups_missing(nodes, frozenset({owner})) == ()
    assert groups_missing(nodes, frozenset()) == (grp.getgrgid(owner).gr_name,)


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
def test_versions_of_every_layout(tmp_path: Path, files: dict[str, str], version: str) -> None:
    assert rocm_version(rocm_folders(tree(tmp_path, files))) == version


def test_copies_of_the_runtime_are_told_once(tmp_path: Path) -> None:
    name = "libhsa-runtime64.so.1"
    tree(
        tmp_path,
        {
            f"opt/rocm-7.2.0/lib/{name}": "",
            f"usr/lib/x86_64-linux-gnu/{name}": "",
            f"opt/rocm-10/core-10.0/lib/{name}": "",
        },
    )
    (tmp_path / "opt/rocm").symlink_to("rocm-7.2.0")
    found = hsa_libraries(tmp_path, rocm_folders(tmp_path))
    assert found == tuple(
        str(tmp_path.resolve() / place / name)
        for place in ("usr/lib/x86_64-linux-gnu", "opt/rocm-7.2.0/lib", "opt/rocm-10/core-10.0/lib")
    )
