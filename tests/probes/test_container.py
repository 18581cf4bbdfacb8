"""Which container doctor runs in."""

import pytest
from planting import plant

from tunedoctor.facts import Absent, Container
from tunedoctor.probes.system import container


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": 'engine="podman-5.0"'}, "podman"),
        ({".singularity.d/runscript": ""}, "apptainer"),
        ({"run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"),
        ({"run/systemd/container": "lxc-libvirt\n"}, "lxc"),
        ({"run/systemd/container": "oci\n"}, "container"),
        ({"proc/1/environ": "PATH=/bin\x00container=lxc\x00"}, "lxc"),
        ({"proc/self/cgroup": "5:memory:/docker/0123abc\n"}, "docker"),
        ({"proc/self/cgroup": "5:memory:/kubepods/besteffort/pod1/2\n"}, "kubernetes"),
        ({"proc/1/cgroup": "0::/machine.slice/libpod-12.scope\n"}, "podman"),
    ],
)
def test_a_container_is_recognised_by_its_files(files, kind, tmp_path):
    plant(tmp_path, files)
    result = container(root=tmp_path, variables={"HOME": "/root"})
    assert isinstance(result, Container)
    assert result.kind == kind


@pytest.mark.parametrize(
    "files",
    [
        {"run/systemd/container": "wsl\n"},
        {"proc/self/cgroup": "3:memory:/user.slice\n0::/system.slice/docker.service\n"},
    ],
)
def test_wsl_and_services_are_no_container(files, tmp_path):
    plant(tmp_path, files)
    result = container(root=tmp_path, variables={"HOME": "/root"})
    assert isinstance(result, Absent)


@pytest.mark.parametrize(
    ("variables", "kind", "evidence"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes", "variable KUBERNETES_SERVICE_HOST"),
        ({"APPTAINER_CONTAINER": "/x.sif"}, "apptainer", "variable APPTAINER_CONTAINER"),
        ({"container": "podman"}, "podman", "variable container"),
    ],
)
def test_a_container_is_recognised_by_variables(variables, kind, evidence, tmp_path):
    assert container(root=tmp_path, variables=variables) == Container(kind=kind, evidence=evidence)


def test_apptainer_in_kubernetes_is_apptainer(tmp_path):
    plant(tmp_path, {".dockerenv": ""})
    result = container(
        root=tmp_path, variables={"KUBERNETES_SERVICE_HOST": "1", "APPTAINER_CONTAINER": "x"}
    )
    assert result.kind == "apptainer"
