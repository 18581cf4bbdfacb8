"""The system: os-release, lsb_release, uname, hostnamectl, systeminfo, wsl -l -v, ldd --version, nv_tegra_release."""

import re
from typing import Literal

from tunedoctor.facts import Host
from tunedoctor.probes.host import from_os_release, windows_host, wsl_version
from tunedoctor.readers.paste import Paste

_IDS = {"redhatenterprise": "rhel", "amazon": "amzn"}
_FIRST_WSL2 = 18362
"""Windows builds below it have WSL 1 alone. Source: Microsoft, "WSL 2 on Windows 10 1903 and 1909"."""
_FIELDS = 40
"""Lines of os-release that are read."""


def host(paste: Paste) -> Host | None:
    """Return the Host that these tools tell of; fields that they do not tell are empty."""
    told = paste.told("host")
    build, kernel = int(told.get("build", 0)), told.get("kernel", "")
    wsl = int(told.get("wsl", 0))
    if 0 < build < _FIRST_WSL2 and paste.has("wsl_words"):
        wsl = 1
    if told.get("family") == "Darwin":
        return Host(os="macos", name="macOS", kernel=kernel, machine=told.get("machine", ""))
    linux = bool(kernel or wsl or {"distributor", "tegra"} & told.keys())
    lines = [found[1] for found in paste.all("os_release")[:_FIELDS]]
    names = {line.partition("=")[0] for line in lines}
    release = from_os_release("\n".join(lines)) if "ID" in names and len(names) > 1 else None
    linux = linux or release is not None
    if not linux and build:
        return windows_host((10, 0, build), "", server=False)
    libc: tuple[Literal["glibc", "musl", ""], str] = ("", "")
    if "glibc" in told:
        libc = ("glibc", told["glibc"])
    elif "musl" in told and "musl_version" in told:
        libc = ("musl", told["musl_version"])
    if not linux and not libc[0]:
        return Host(os="macos", name="macOS", machine="arm64") if "apple" in told else None
    distributor = told.get("distributor", "").lower()
    version = told.get("version", "") or (release.version if release else "")
    name = (release.name if release else "") or told.get("distributor", "")
    pretty = re.sub(r"(\d{2}\.\d{2})\.\d.*", r"\1", told.get("pretty", ""))
    board = told.get("board") or told.get("model") or ("NVIDIA Jetson" if "tegra" in told else "")
    return Host(
        os="linux",
        name=f"{name} {version}".strip() if name else pretty or "Linux",
        distro=(release.id if release else "") or _IDS.get(distributor, distributor),
        distro_version=version,
        kernel=kernel,
        machine=told.get("machine", "").replace("x86-64", "x86_64"),
        libc=libc[0],
        libc_version=libc[1],
        wsl=1 if wsl == 1 else 2 if wsl else wsl_version(kernel, special_folder=False),
        model=board if "NVIDIA" in board else "",
    )
