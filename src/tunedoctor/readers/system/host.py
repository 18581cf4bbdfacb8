"""The system: os-release, lsb_release, uname, hostnamectl, systeminfo, wsl -l -v, ldd --version, nv_tegra_release."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from tunedoctor.facts import Host
from tunedoctor.lazy import pattern
from tunedoctor.probes.host import from_os_release, windows_host, wsl_version
from tunedoctor.readers.system.shell import LONGEST

_RELEASE = pattern(r"^\W{0,4}(NAME|ID|VERSION_ID|PRETTY_NAME)=(\S.{0,100})$")
_LSB = pattern(r"^\W{0,4}(Distributor ID|Release):\s{1,10}(\S.{0,60})$")
_UNAME = pattern(
    r"^\W{0,4}(Linux|Darwin) \S{1,80} (\d{1,2}\.\d{1,3}[\w.+-]{0,80}) .{0,200}?"
    r"\b(x86_64|aarch64|arm64|ppc64le|i[3-6]86)\b"
)
_PROC = pattern(r"^\W{0,4}Linux version (\d{1,2}\.\d{1,3}[\w.+-]{0,80}) \(")
_CTL = pattern(
    r"^\W{0,20}(Operating System|Kernel|Architecture|Hardware Model):\s{1,8}(\S.{0,100})$"
)
_LDD = pattern(r"^\W{0,4}ldd \(.{1,60}\) (\d\.\d{1,3})\s*$")
_MUSL = pattern(r"^\W{0,4}musl libc \(")
_MUSL_VERSION = pattern(r"^\W{0,4}Version (\d\.\d{1,3}\.\d{1,3})\s*$")
_WINDOWS = pattern(
    r"^\W{0,4}(?:OS Version|BS-Version|Version du système|操作系统版本)\s?:\s{1,20}10\.0\.(\d{5})\b"
    r"|\(OS Build (\d{5})(?:\.\d{1,6})?\)|^\W{0,6}Microsoft Windows \[\S{1,12} 10\.0\.(\d{5})"
)
_APPLE = pattern(r"^\W{0,6}Apple M\d{1,2}(?: (?:Pro|Max|Ultra))?\W{0,3}$")
"""A line that names the chip and nothing else, as people end a report."""
_WSL1_KERNEL = pattern(r"\b(\d\.\d{1,2}\.0-\d{2,5}-Microsoft)\b")
"""Only WSL 1 names its kernel so."""
_WSL_WORDS = pattern(r"\bWSL\b|Windows Subsystem for Linux|Bash on Ubuntu on Windows")
_FIRST_WSL2 = 18362
"""Windows builds below it have WSL 1 alone. Source: Microsoft, "WSL 2 on Windows 10 1903 and 1909"."""
_WSL_HEAD = pattern(r"^\s{0,6}NAME\s{1,60}STATE\s{1,40}VERSION\s*$")
_WSL_ROW = pattern(
    r"^\s{0,6}(\*?)\s{0,4}(\S{1,60})\s{1,60}(?:Running|Stopped|Installing)\s{1,40}([12])\s*$"
)
_JETSON = pattern(r"^\W{0,4}R\d{2} \(release\), REVISION: \d{1,2}\.\d{1,2}")
_MODEL = pattern(r"(NVIDIA (?:Jetson|DGX Spark|Orin)[\w .-]{0,60}?)(?:\s*$|\x00)")
_IDS = {"redhatenterprise": "rhel", "linuxmint": "linuxmint", "pop": "pop", "amazon": "amzn"}

_FIELDS = 40
"""Lines of os-release that are read."""

Machine = dict[str, Any]


def host(lines: Sequence[str]) -> Host | None:
    """Return the Host that these tools tell of; fields that they do not tell are empty."""
    found: Machine = {}
    release: list[str] = []
    listed = musl = False
    for whole in lines:
        line = whole[:LONGEST]
        if len(release) < _FIELDS and _RELEASE.match(line):
            release.append(line.strip(" >|*-"))
        elif "inux" in line or "arwin" in line or "Kernel" in line:
            _kernel(line, found)
        elif "ldd (" in line and (ldd := _LDD.match(line)):
            found.setdefault("libc", ("glibc", ldd[1]))
        elif musl and (version := _MUSL_VERSION.match(line)):
            found.setdefault("libc", ("musl", version[1]))
        elif _WSL_HEAD.match(line):
            listed = True
        elif listed and (row := _WSL_ROW.match(line)):
            _distribution(row, found)
        else:
            _others(line, found)
        musl = bool(_MUSL.match(line)) or (musl and not line.strip())
    _release(release, found)
    if found.get("build", _FIRST_WSL2) < _FIRST_WSL2 and any(
        _WSL_WORDS.search(line[:LONGEST]) for line in lines
    ):
        found["wsl"] = 1
    return _fact(found)


def _kernel(line: str, found: Machine) -> None:
    if uname := _UNAME.match(line):
        found.setdefault("family", uname[1])
        found.setdefault("kernel", uname[2])
        found.setdefault("machine", uname[3])
    elif "-Microsoft" not in line and (proc := _PROC.match(line)):
        found.setdefault("family", "Linux")
        found.setdefault("kernel", proc[1])
    else:
        _others(line, found)


def _distribution(row: "re.Match[str]", found: Machine) -> None:
    """Take the version of the default distribution, which bears a star."""
    if row[1] and not row[2].startswith("docker-desktop"):
        found.setdefault("wsl", int(row[3]))


def _others(line: str, found: Machine) -> None:
    if "Apple M" in line and _APPLE.match(line):
        found["apple"] = True
    elif "-Microsoft" in line and (kernel := _WSL1_KERNEL.search(line)):
        found.setdefault("family", "Linux")
        found.setdefault("kernel", kernel[1])
    elif lsb := _LSB.match(line):
        found.setdefault({"Release": "version"}.get(lsb[1], "distributor"), lsb[2].strip())
    elif ctl := _CTL.match(line):
        key = {"Operating System": "pretty", "Hardware Model": "model"}.get(ctl[1], ctl[1].lower())
        said = ctl[2].strip()
        if key == "kernel":
            said = said.removeprefix("Linux ")
            found.setdefault("family", "Linux")
        found.setdefault(
            "machine" if key == "architecture" else key, said.replace("x86-64", "x86_64")
        )
    elif _JETSON.match(line):
        found.setdefault("model", "NVIDIA Jetson")
        found.setdefault("family", "Linux")
    elif "NVIDIA" in line and len(line) < 80 and (model := _MODEL.fullmatch(line.strip())):
        found.setdefault("board", model[1])
    elif windows := _WINDOWS.search(line):
        found.setdefault("build", int(windows[1] or windows[2] or windows[3]))


def _release(lines: list[str], found: Machine) -> None:
    """Read os-release where at least its id stands there."""
    keys = {line.partition("=")[0] for line in lines}
    if "ID" in keys and len(keys) > 1:
        distro = from_os_release("\n".join(lines))
        found["id"], found["name"] = distro.id, distro.name
        found.setdefault("version", distro.version)


def _fact(found: Machine) -> Host | None:
    kernel, wsl = found.get("kernel", ""), found.get("wsl", 0)
    linux = found.get("family") == "Linux" or "id" in found or "distributor" in found or wsl
    if not linux and "build" in found:
        build = found["build"]
        return windows_host((10, 0, build), "", server=False)
    if found.get("family") == "Darwin":
        return Host(os="macos", name="macOS", kernel=kernel, machine=found.get("machine", ""))
    if not linux and "libc" not in found:
        return Host(os="macos", name="macOS", machine="arm64") if "apple" in found else None
    libc: tuple[Literal["glibc", "musl", ""], str] = found.get("libc", ("", ""))
    distributor = str(found.get("distributor", "")).lower()
    version = str(found.get("version", ""))
    name = found.get("name") or found.get("distributor") or ""
    return Host(
        os="linux",
        name=f"{name} {version}".strip() if name else _pretty(found) or "Linux",
        distro=found.get("id") or _IDS.get(distributor, distributor),
        distro_version=version,
        kernel=kernel,
        machine=found.get("machine", ""),
        libc=libc[0],
        libc_version=libc[1],
        wsl=wsl or wsl_version(kernel, special_folder=False),
        model=found.get("board") or found.get("model", "") if _is_board(found) else "",
    )


def _pretty(found: Machine) -> str:
    return re.sub(r"(\d{2}\.\d{2})\.\d.*", r"\1", str(found.get("pretty", "")))


def _is_board(found: Machine) -> bool:
    return "NVIDIA" in f"{found.get('board', '')}{found.get('model', '')}"
