"""Marks of containers."""

from pathlib import Path

import pytest

from tunedoctor.facts import Absent, Container
from tunedoctor.probes.container import find


def test_none(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(
        "3:memory:/user.slice\n0::/system.slice/docker.service\n"
    )
    assert find(tmp_path, {"HOME": "/root"}) == Absent(why="not in a container")


@pytest.mark.parametrize(
    ("file", "text", "kind"),
    [
        (".dockerenv", "", "docker"),
        ("run/.containerenv", 'engine="podman-5.0"', "podman"),
        (".singularity.d/runscript", "", "apptainer"),
        ("run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"),
        ("run/systemd/container", "lxc-libvirt\n", "lxc"),
        ("run/systemd/container", "oci\n", "container"),
        ("proc/1/environ", "PATH=/bin\0container=lxc\0", "lxc"),
        ("proc/self/cgroup", "5:memory:/docker/0123abc\n", "docker"),
        ("proc/self/cgroup", "5:memory:/kubepods/besteffort/pod1/2\n", "kubernetes"),
        ("proc/1/cgroup", "0::/machine.slice/libpod-12.scope\n", "podman"),
        ("proc/1/cgroup", "5:memory:/lxc/web\n", "lxc"),
    ],
)
def test_marks_in_files(tmp_path: Path, file: str, text: str, kind: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    found = find(tmp_path, {})
    assert isinstance(found, Container)
    assert found.kind == kind
    assert found.evidence.lstrip("/").split("/")[0] in file


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1", "kubernetes"),
        ("APPTAINER_CONTAINER", "/x.sif", "apptainer"),
        ("SINGULARITY_CONTAINER", "/x.sif", "apptainer"),
        ("container", "podman", "podman"),
    ],
)
def test_marks_in_variables(tmp_path: Path, name: str, value: str, kind: str) -> None:
    assert find(tmp_path, {name: value}) == Container(kind=kind, evidence=f"variable {name}")


def test_wsl_is_no_container(tmp_path: Path) -> None:
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/container").write_text("wsl\n")
    assert isinstance(find(tmp_path, {}), Absent)


def test_apptainer_inside_of_kubernetes_is_the_inner_one(tmp_path: Path) -> None:
    (tmp_path / ".dockerenv").touch()
    found = find(tmp_path, {"KUBERNETES_SERVICE_HOST": "1", "APPTAINER_CONTAINER": "x"})
    assert isinstance(found, Container)
    assert found.kind == "apptainer"
