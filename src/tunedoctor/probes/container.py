"""The container that the doctor runs in."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tunedoctor.facts import Absent, Container
from tunedoctor.probes.small_file import line, read
from tunedoctor.probing import probe

_OUTSIDE = Absent(why="not in a container")
_VARIABLES = {
    "APPTAINER_CONTAINER": "apptainer",
    "SINGULARITY_CONTAINER": "apptainer",
    "KUBERNETES_SERVICE_HOST": "kubernetes",
}
"""Variable -> what sets it inside."""
_FILES = {
    ".singularity.d": "apptainer",
    "run/.containerenv": "podman",
    ".dockerenv": "docker",
}
"""File or folder -> what makes it inside."""
_IN_CGROUP = {
    "kubepods": "kubernetes",
    "libpod": "podman",
    "docker": "docker",
    "lxc": "lxc",
    "machine.slice/machine-": "systemd-nspawn",
}
"""Part of a control group's path -> what made it."""


@probe(Container)
def container() -> Container | Absent:
    """Look for the marks that container programs leave."""
    if sys.platform != "linux":
        return _OUTSIDE
    return find(Path("/"), os.environ)


def find(root: Path, variables: Mapping[str, str]) -> Container | Absent:
    """Look for marks below `root` and in the environment; the innermost and surest first."""
    for kind, evidence in _marks(root, variables):
        return Container(kind=kind, evidence=evidence)
    return _OUTSIDE


def _marks(root: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, kind in _VARIABLES.items():
        if variables.get(name):
            yield kind, f"variable {name}"
    for name, kind in _FILES.items():
        if (root / name).exists():
            yield kind, f"/{name}"
    for evidence, told in (
        ("/run/systemd/container", line(root / "run/systemd/container")),
        ("/proc/1/environ", in_environ(read(root / "proc/1/environ") or "")),
        ("variable container", variables.get("container", "")),
    ):
        if told and told != "wsl":  # systemd counts WSL among containers
            yield kind_of(told), evidence
    for name in ("proc/1/cgroup", "proc/self/cgroup"):
        kind = in_cgroup(read(root / name) or "")
        if kind:
            yield kind, f"/{name}"


def kind_of(told: str) -> str:
    """Return our word for the value of the variable `container` (systemd's container interface)."""
    known = {"docker", "podman", "lxc", "systemd-nspawn", "apptainer", "kubernetes"}
    if told in known:
        return told
    return {"lxc-libvirt": "lxc", "singularity": "apptainer"}.get(told, "container")


def in_environ(text: str) -> str:
    """Return the variable `container` of a /proc/N/environ, whose entries end with NUL."""
    return next((e[10:] for e in text.split("\0") if e.startswith("container=")), "")


def in_cgroup(text: str) -> str:
    """Return what made the control groups of /proc/N/cgroup; "" for none that is a container's.

    Tells in version 1, or where the group namespace is the host's. docker.service is the daemon.
    """
    text = re.sub(r"/(?:docker|lxc|lxcfs|podman|libpod)[\w@-]*\.service", "", text)
    return next((kind for mark, kind in _IN_CGROUP.items() if f"/{mark}" in text), "")
