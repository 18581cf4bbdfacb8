"""The operating system and the machine below it."""

import os
import re
import sys
from pathlib import Path
from typing import Literal

import msgspec

from tunedoctor.facts import Host
from tunedoctor.lazy import pattern
from tunedoctor.probes.small_file import line, read
from tunedoctor.probing import probe
from tunedoctor.versions import at_least, parts

WINDOWS_11 = 22000
"""First build of Windows 11; its version number still says 10."""
SERVERS = {14393: "2016", 17763: "2019", 20348: "2022", 25398: "23H2", 26100: "2025"}
"""Build of a Windows Server -> its name."""

_TELLING = pattern(r"nvidia|jetson|tegra|\bdgx\b|\bgh200|\bgb(?:10|200|300)\b|grace", re.IGNORECASE)
"""Models that decide something: the GPU shares the machine's RAM there."""


class Distro(msgspec.Struct, frozen=True):
    """What a Linux distribution calls itself; empty strings where it does not tell."""

    name: str = ""
    id: str = ""
    version: str = ""


@probe(Host)
def host() -> Host:
    """Find out which system this is."""
    if sys.platform == "win32":
        return _windows()
    system = os.uname()
    if sys.platform == "darwin":
        return _macos(system.release, system.machine)
    if system.sysname != "Linux":
        name = f"{system.sysname} {system.release}"
        return Host(os="other", name=name, kernel=system.release, machine=system.machine)
    return linux_host(Path("/"), system.release, system.machine, _glibc())


def linux_host(root: Path, kernel: str, machine: str, glibc: str) -> Host:
    """Make the fact of files below `root`, uname's answers and glibc's version ("" for none)."""
    distro = distribution(root)
    libc, version = libc_of(root, glibc)
    return Host(
        os="linux",
        name=" ".join(filter(None, (distro.name or "Linux", distro.version))),
        distro=distro.id,
        distro_version=distro.version,
        kernel=kernel,
        machine=machine,
        libc=libc,
        libc_version=version,
        wsl=wsl_version(kernel, special_folder=(root / "run/WSL").exists()),
        model=model(root),
    )


def distribution(root: Path) -> Distro:
    """Read os-release or, on systems older than it, what the distro library knows to find."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        text = read(root / name)
        if text is not None:
            return from_os_release(text)
    import distro  # noqa: PLC0415  6 ms and `logging`, for systems that are older than os-release

    # lsb_release would be a child
    found = distro.LinuxDistribution(
        include_lsb=False, include_uname=False, include_oslevel=False, root_dir=str(root)
    )
    return Distro(found.name(), found.id(), found.version())


def from_os_release(text: str) -> Distro:
    """Read os-release: assignments as a shell has them (freedesktop.org, os-release(5))."""
    import shlex  # noqa: PLC0415  only Linux needs it

    values: dict[str, str] = {}
    for one in text.splitlines():
        name, equals, value = one.partition("=")
        if equals and name.strip() in ("NAME", "ID", "VERSION_ID"):
            try:
                values[name.strip()] = "".join(shlex.split(value)[:1])
            except ValueError:  # a quote that does not end
                values[name.strip()] = value.strip("\"' ")
    return Distro(values.get("NAME", ""), values.get("ID", ""), values.get("VERSION_ID", ""))


def _glibc() -> str:
    """Return "2.39" where this process runs on glibc, else ""."""
    if sys.platform == "win32":
        return ""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # musl does not know the name
        return ""
    return text.removeprefix("glibc ").strip()


def libc_of(root: Path, glibc: str) -> tuple[Literal["glibc", "musl", ""], str]:
    """Return kind and version of the C library; `glibc` is what it told of itself, or ""."""
    if glibc:
        return "glibc", glibc
    loaders = sorted((root / "lib").glob("ld-musl-*.so.1"))
    return ("musl", musl_version(_run_loader(loaders[0]))) if loaders else ("", "")


def _run_loader(loader: Path) -> str:
    from tunedoctor.child import run  # noqa: PLC0415  few systems have musl

    return run([str(loader)], timeout=2, limit=4096).err


def musl_version(text: str) -> str:
    """Return the version that musl's loader prints when it is started alone."""
    found = re.search(r"^Version (\d[\w.]*)", text, re.MULTILINE)
    return found[1] if found else ""


def wsl_version(kernel: str, *, special_folder: bool) -> Literal[0, 1, 2]:
    """Return the version of the Windows Subsystem for Linux, 0 outside of it.

    Version 1 has no kernel of its own and says "4.4.0-19041-Microsoft"; version 2 says
    "5.15.90.1-microsoft-standard-WSL2". A kernel that the user built may say
    neither: then /run/WSL tells.
    """
    if "microsoft" not in kernel.lower():
        return 2 if special_folder else 0
    if kernel.endswith("-Microsoft") and not at_least(kernel, "4.19"):
        return 1
    return 2


def model(root: Path) -> str:
    """Return the board's or product's name where it decides something, else ""."""
    for name in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        found = line(root / name).replace("_", " ")
        if _TELLING.search(found):
            return found
    return "NVIDIA Jetson" if (root / "etc/nv_tegra_release").exists() else ""


def _windows() -> Host:
    if sys.platform != "win32":
        msg = "the version of Windows is asked on Windows alone"
        raise OSError(msg)
    version = sys.getwindowsversion()
    machine = os.environ.get("PROCESSOR_ARCHITEW6432") or os.environ.get(
        "PROCESSOR_ARCHITECTURE", ""
    )
    return windows_host(
        (version.major, version.minor, version.build), machine, server=version.product_type != 1
    )


def windows_host(version: tuple[int, int, int], machine: str, *, server: bool) -> Host:
    """Make the fact of Windows' own numbers: major, minor and build."""
    major, minor, build = version
    if server:
        name = f"Windows Server {SERVERS.get(build, f'build {build}')}"
    elif build >= WINDOWS_11:
        name = "Windows 11"
    else:
        name = f"Windows {major}" if major >= 10 else f"Windows {major}.{minor}"
    return Host(os="windows", name=name, kernel=f"{major}.{minor}.{build}", machine=machine)


def _macos(kernel: str, machine: str) -> Host:
    from tunedoctor.probes.apple import sysctl_number  # noqa: PLC0415  ctypes

    path = Path("/System/Library/CoreServices/SystemVersion.plist")
    version = plist_version(read(path) or "")
    if not version or parts(version)[:2] == (10, 16):
        # the kernel shows 10.16 to programs built for an old macOS, unless this variable says no
        from tunedoctor.child import run  # noqa: PLC0415

        environment = {**os.environ, "SYSTEM_VERSION_COMPAT": "0"}
        told = run(["/usr/bin/sw_vers", "-productVersion"], timeout=2, env=environment, limit=4096)
        version = told.out.strip() if told.ok else ""
    return macos_host(
        version, kernel, machine, rosetta=sysctl_number("sysctl.proc_translated") == 1
    )


def macos_host(version: str, kernel: str, machine: str, *, rosetta: bool) -> Host:
    """Make the fact; under Rosetta uname says x86_64 on a machine that is arm64."""
    return Host(
        os="macos",
        name=f"macOS {version}".strip(),
        kernel=kernel,
        machine="arm64" if rosetta else machine,
        macos_version=version,
        rosetta=rosetta,
    )


def plist_version(text: str) -> str:
    """Return ProductVersion of SystemVersion.plist; "" where it has none."""
    found = re.search(r"<key>ProductVersion</key>\s*<string>([^<]*)</string>", text)
    return found[1].strip() if found else ""
