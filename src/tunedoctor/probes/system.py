"""The operating system, the machine it runs on, the container around doctor, and the age of doctor's tables."""

import os
import platform
import sys
from _blake2 import blake2b  # hashlib loads OpenSSL: 7 ms
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from tunedoctor.facts import Absent, Container, Host, Knowledge, Node
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import at_least
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import line, read
from tunedoctor.tables.load import WheelTable, table, wheel_table

WINDOWS_11 = 22000
"""First build of Windows 11; its version number is still 10."""
SERVERS = {14393: "2016", 17763: "2019", 20348: "2022", 25398: "23H2", 26100: "2025"}
"""Build of a Windows Server -> its name."""

_TELLING = pattern(r"(?i)nvidia|jetson|tegra|\bdgx\b|\bgh200|\bgb(?:10|200|300)\b|grace")
"""Models that matter because their GPU shares the machine's RAM."""


@probe(Host)
def host() -> Host:
    """Return which system this is."""
    if sys.platform == "win32":
        version = sys.getwindowsversion()
        own = os.environ.get("PROCESSOR_ARCHITEW6432") or os.environ.get("PROCESSOR_ARCHITECTURE")
        numbers = (version.major, version.minor, version.build)
        return windows_host(numbers, own or "", server=version.product_type != 1)
    system = os.uname()
    if sys.platform == "darwin":
        return _macos(system.release, system.machine)
    if system.sysname != "Linux":
        name = f"{system.sysname} {system.release}"
        return Host(os="other", name=name, kernel=system.release, machine=system.machine)
    try:
        glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ").strip()
    except (ValueError, OSError):  # musl does not know the name
        glibc = ""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    if not release.get("ID"):
        release = old_release("/")
    return linux_host(Path("/"), release, system.release, system.machine, glibc)


def old_release(root: str) -> dict[str, str]:
    """Return NAME, ID and VERSION_ID of a system without os-release, from files such as etc/centos-release.

    Systems older than 2012 and small images have no os-release. No program is started: lsb_release can be the user's.
    """
    try:
        from distro import LinuxDistribution  # noqa: PLC0415  few systems need it

        distribution = LinuxDistribution(
            include_lsb=False, include_uname=False, include_oslevel=False, root_dir=root
        )
        return {
            "NAME": distribution.name(),
            "ID": distribution.id(),
            "VERSION_ID": distribution.version(),
        }
    except (OSError, ValueError, ImportError):  # fleet's copy on a node lacks distro
        return {}


def linux_host(
    root: Path, release: Mapping[str, str], kernel: str, machine: str, glibc: str
) -> Host:
    """Return the fact from files below `root`, os-release, uname's values and glibc's version ("" if it has none)."""
    version = release.get("VERSION_ID", "")
    loader = next(iter(sorted((root / "lib").glob("ld-musl-*.so.1"))), None)
    return Host(
        os="linux",
        name=f"{release.get('NAME') or 'Linux'} {version}".strip(),
        distro=release.get("ID", ""),
        distro_version=version,
        kernel=kernel,
        machine=machine,
        libc="glibc" if glibc else "musl" if loader else "",
        libc_version=glibc or (_musl_version(loader) if loader else ""),
        wsl=wsl_version(kernel, special_folder=(root / "run/WSL").exists()),
        model=model(root),
    )


def _musl_version(loader: Path) -> str:
    """Return the version that musl's loader prints when it is run alone."""
    from tunedoctor.system.child import run  # noqa: PLC0415  few systems have musl

    output_lines = run([str(loader)], timeout=2, limit=4096).err.splitlines()
    return next((row[8:].strip() for row in output_lines if row.startswith("Version ")), "")


def wsl_version(kernel: str, *, special_folder: bool) -> Literal[0, 1, 2]:
    """Return the version of WSL from "4.4.0-19041-Microsoft", "5.15-microsoft-standard-WSL2" or its folder; 0: none."""
    if "microsoft" not in kernel.lower():
        return 2 if special_folder else 0
    return 1 if kernel.endswith("-Microsoft") and not at_least(kernel, "4.19") else 2


def model(root: Path) -> str:
    """Return the name of the board or product if it matters, else ""."""
    for name in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        product = line(root / name).replace("_", " ")
        if _TELLING.search(product):
            return product
    return "NVIDIA Jetson" if (root / "etc/nv_tegra_release").exists() else ""


def windows_host(version: tuple[int, int, int], machine: str, *, server: bool) -> Host:
    """Return the fact from Windows' own numbers: major, minor and build."""
    major, minor, build = version
    name = f"Windows {major}"
    if server:
        name = f"Windows Server {SERVERS.get(build, f'build {build}')}"
    elif build >= WINDOWS_11:
        name = "Windows 11"
    return Host(os="windows", name=name, kernel=f"{major}.{minor}.{build}", machine=machine)


def _macos(kernel: str, machine: str) -> Host:
    from tunedoctor.system.child import run  # noqa: PLC0415

    # the kernel reports 10.16 to programs built for an old macOS, unless this variable is 0
    environment = {**os.environ, "SYSTEM_VERSION_COMPAT": "0"}
    completed = run(["/usr/bin/sw_vers", "-productVersion"], timeout=2, env=environment, limit=4096)
    rosetta = _sysctl("sysctl.proc_translated") == "1"
    return macos_host(
        completed.out.strip() if completed.ok else "", kernel, machine, rosetta=rosetta
    )


def macos_host(version: str, kernel: str, machine: str, *, rosetta: bool) -> Host:
    """Return the fact; under Rosetta, uname reports x86_64 on an arm64 machine."""
    return Host(
        os="macos",
        name=f"macOS {version}".strip(),
        kernel=kernel,
        machine="arm64" if rosetta else machine,
        macos_version=version,
        rosetta=rosetta,
    )


def mac_processor() -> str:
    """Return the name of a Mac's processor; "" on other systems."""
    return _sysctl("machdep.cpu.brand_string") if sys.platform == "darwin" else ""


def _sysctl(name: str) -> str:
    """Return a kernel setting of macOS; "" if it does not exist."""
    from tunedoctor.system.child import run  # noqa: PLC0415

    return run(["/usr/sbin/sysctl", "-n", name], timeout=2, limit=4096).out.strip()


@probe(Node)
def node(*, variables: Mapping[str, str] = os.environ) -> Node:
    """Return this machine's own name and its name in its cluster."""
    own = variables.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    id_ = line("/proc/sys/kernel/random/boot_id").encode()
    boot = blake2b(id_, digest_size=8).hexdigest() if id_ else ""
    for name, cluster in table("probes")["node_variables"].items():
        if called := variables.get(name, "").strip():
            return Node(host=own, name=called[:253], cluster=cluster, boot=boot)
    return Node(host=own, boot=boot)


@probe(Container)
def container(
    *, root: Path = Path("/"), variables: Mapping[str, str] = os.environ
) -> Container | Absent:
    """Look for the files and variables of container programs; the innermost and most certain first."""
    marks = _marks(root, variables) if sys.platform == "linux" else iter(())
    containers = (Container(kind=kind, evidence=mark) for kind, mark in marks if kind)
    return next(containers, Absent(why="not in a container"))


def _marks(root: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    tables = table("probes")
    for name, kind in tables["container_variables"].items():
        yield kind if variables.get(name) else "", f"variable {name}"
    for name, kind in tables["container_files"].items():
        yield kind if (root / name).exists() else "", f"/{name}"
    first = (read(root / "proc/1/environ") or "").split("\0")
    for evidence, container_name in (
        ("/run/systemd/container", line(root / "run/systemd/container")),
        ("/proc/1/environ", next((e[10:] for e in first if e.startswith("container=")), "")),
        ("variable container", variables.get("container", "")),
    ):
        if container_name and container_name != "wsl":  # systemd counts WSL as a container
            yield tables["container_names"].get(container_name, "container"), evidence
    # only useful with cgroup v1, or if the cgroup namespace is the host's; docker.service is the daemon
    for name in ("proc/1/cgroup", "proc/self/cgroup"):
        lines = [
            parts_of_line.split("/") for parts_of_line in (read(root / name) or "").splitlines()
        ]
        groups = [
            "/".join(p for p in parts_of_line if not p.endswith(".service"))
            for parts_of_line in lines
        ]
        for mark, kind in tables["container_groups"].items():
            yield kind if any(f"/{mark}" in group for group in groups) else "", f"/{name}"


@probe(Knowledge)
def knowledge(*, wheels: WheelTable | None = None, today: date | None = None) -> Knowledge:
    """Return the age of the wheel table in days; a clock behind its date counts as 0 days."""
    wheels = wheels or wheel_table()
    days = ((today or datetime.now(UTC).date()) - date.fromisoformat(wheels.date)).days
    return Knowledge(wheels.date, days=max(days, 0), source=wheels.source, problem=wheels.problem)
