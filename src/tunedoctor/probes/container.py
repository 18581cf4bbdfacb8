"""The container that the doctor runs in."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tunedoctor.facts import Absent, Container
from tunedoctor.probes.small_file import line, read
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

_OUTSIDE = Absent(why="not in a container")


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
    for name, kind in table("probes")["container_variables"].items():
        if variables.get(name):
            yield kind, f"variable {name}"
    for name, kind in table("probes")["container_files"].items():
        if (root / name).exists():
            yield kind, f"/{name}"
    for evidence, told in (
        ("/run/systemd/container", line(root / "run/systemd/container")),
        ("/proc/1/environ", in_environ(read(root / "proc/1/environ") or "")),
        ("variable container", variables.get("container", "")),
    ):
        if told and told != "wsl":  # systemd counts WSL among containers
            yield table("probes")["container_names"].get(told, "container"), evidence
    for name in ("proc/1/cgroup", "proc/self/cgroup"):
        kind = in_cgroup(read(root / name) or "")
        if kind:
            yield kind, f"/{name}"


def in_environ(text: str) -> str:
    """Return the variable `container` of a /proc/N/environ, whose entries end with NUL."""
    return next((e[10:] for e in text.split("\0") if e.startswith("container=")), "")


def in_cgroup(text: str) -> str:
    """Return what made the control groups of /proc/N/cgroup; "" for none that is a container's.

    Tells in version 1, or where the group namespace is the host's. docker.service is the daemon.
    """
    text = re.sub(r"/(?:docker|lxc|lxcfs|podman|libpod)[\w@-]*\.service", "", text)
    groups: dict[str, str] = table("probes")["container_groups"]
    return next((kind for mark, kind in groups.items() if f"/{mark}" in text), "")
