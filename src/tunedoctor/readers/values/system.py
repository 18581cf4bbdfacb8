"""The operating system, from what a report says of it."""

import re
from typing import Literal

from tunedoctor.facts import Fact, Host
from tunedoctor.lazy import pattern
from tunedoctor.readers.values.said import Collected, told, yes_or_no
from tunedoctor.versions import parts

Os = Literal["linux", "windows", "macos", "other"]

_LINUX = pattern(
    r"linux|ubuntu|debian|fedora|centos|red ?hat|rhel|rocky|opensuse|suse|\barch\b|manjaro|mint|nixos|pop!?_?os"
    r"|kali|gentoo|alpine|amazon|endeavour|cachyos|wsl|euler|kylin|\bl4t\b|\bel[789]\b|anolis|oracle",
    re.IGNORECASE,
)
_WINDOWS = pattern(r"\bwin(?:dows|32|64|\s?1[01]\b)|microsoft win", re.IGNORECASE)
_MAC = pattern(
    r"mac ?os|\bmac\b|macbook|imac\b|mac osx|darwin|\bos ?x\b|sequoia|sonoma|ventura|monterey|tahoe",
    re.IGNORECASE,
)
_MACHINE = pattern(r"\b(x86_64|amd64|aarch64|arm64|ppc64le|i[3-6]86|armv[5-7]l)\b", re.IGNORECASE)
_LINUX_ONLY = pattern(r"armv[5-8]l|aarch64|ppc64le|s390x|riscv64")
"""Machines whose name only Linux writes so."""
_UPPER = pattern(r"RELEASE_(X86_64|ARM64)")
_LIBC = pattern(r"(glibc|musl)\s*-?\s*(\d{1,2}\.\d{1,3})", re.IGNORECASE)
_MAC_VERSION = pattern(
    r"mac\s?os(?:\s?x)?\s*-?(?:[a-z]{3,12}\s)?v?(\d{2}(?:\.\d{1,3}){0,2})", re.IGNORECASE
)
_DARWIN = pattern(r"Darwin(?: Kernel Version)?[ -](\d{2})\.", re.IGNORECASE)
_NT = pattern(r"10\.0\.(\d{5})")
_WINDOWS_11 = 22000
"""First build of Windows 11."""
_DISTROS = pattern(
    r"\b(ubuntu|debian|fedora|centos|rocky|almalinux|alpine|arch|nixos|rhel|red hat|opensuse|linux ?mint|pop!?_?os"
    r"|kali|amazon linux)\b(?:\s?(?:gnu/linux|linux|stream|enterprise linux(?: server)?|os))*"
    r"\s*(?:release|version|v)?\s*(\d{1,2}(?:\.\d{1,2})?)?",
    re.IGNORECASE,
)
_IDS = {
    "red hat": "rhel",
    "linuxmint": "linuxmint",
    "linux mint": "linuxmint",
    "amazon linux": "amzn",
    "pop!_os": "pop",
    "pop os": "pop",
}
_GLIBC = {
    "ubuntu": {"18.04": "2.27", "20.04": "2.31", "22.04": "2.35", "24.04": "2.39"},
    "centos": {"7": "2.17"},
}
"""What these releases ship for good; checked against their package lists."""
_OLDEST = (2, 17)
"""Oldest glibc that torch and Python 3.8 and newer from conda ran on."""
_LONGEST_TYPED, _LONGEST, _EARLY = 60, 200, 40
"""Characters: a system is named early in what is told of it."""
_DARWIN_OFFSET = ((25, 26, 1), (20, 11, -9))
"""Darwin 20 to 24 are macOS 11 to 15; 25 is macOS 26."""


def family_of(text: str) -> Os | None:
    """Return the family of systems that a text names, None for none."""
    if _WINDOWS.search(text) and not re.search(r"\bwsl|ubuntu", text, re.IGNORECASE):
        return "windows"
    if _MAC.search(text):
        return "macos"
    if _LINUX.search(text):
        return "linux"
    return None


def host(said: Collected) -> list[Fact]:
    """Make the Host of every value that speaks of the system; nothing where none does."""
    named = [v for one in said.all("os") if family_of(v := _system(one.value, typed=one.typed))]
    macs = (told(one.value) for one in said.all("machine", "model", "gpu", "cpu"))
    named += [
        m for m in macs if len(m) <= _LONGEST_TYPED and family_of(m) == "macos"
    ]  # "Intel Mac"
    platforms = [
        told(one.value) for one in said.all("platform", "kernel") if _is_platform(one.value)
    ]
    build, version, python = said.first("windows_build"), said.first("mac"), said.first("python")
    both = " ".join(
        [
            *named[:2],
            *platforms[:3],
            f"Windows-10-{build}" if build else "",
            f"macOS {version}" if re.fullmatch(r"\d{2}(?:\.\d{1,3}){1,2}", version) else "",
        ]
    ).strip()
    family = family_of(both) or _by_python(python)
    if family is None and (platforms or _LINUX_ONLY.match(said.first("machine"))):
        family = "linux"
    if family is None:
        return []
    machine = _machine(both, python, said)
    translated = machine == "x86_64" or any("x86_64" in one for one in platforms)
    rosetta = family == "macos" and translated and (machine == "arm64" or _apple(said))
    libc, libc_version = _libc(said, both, family)
    distro, distro_version = _distro(both) if family == "linux" else ("", "")
    return [
        Host(
            os=family,
            name=_name(family, named, both),
            distro=distro,
            distro_version=distro_version,
            kernel=(platforms[0] if platforms else "")[:120],
            machine="arm64" if rosetta else machine,
            libc=libc,
            libc_version=libc_version,
            macos_version=_mac_version(both) if family == "macos" else "",
            wsl=_wsl(both, said),
            model=_model(said, both),
            rosetta=rosetta,
        )
    ]


def _apple(said: Collected) -> bool:
    """Tell whether the processor is Apple's; under Rosetta it can be called VirtualApple."""
    return any(re.match(r"(?:Virtual)?Apple\b", one.value) for one in said.all("cpu", "gpu"))


def _libc(said: Collected, both: str, family: Os) -> tuple[Literal["glibc", "musl", ""], str]:
    """Return the C library and its version; where only the release of the system is told, what that ships."""
    if family != "linux":
        return "", ""
    found = _LIBC.search(said.first("libc")) or _LIBC.search(both)
    if found and found[1].lower() == "musl":
        return "musl", found[2]
    # an older one is a symbol version that builds of Python tell in platform.platform()
    if found and parts(found[2]) >= _OLDEST:
        return "glibc", found[2]
    distro, version = _distro(both)
    shipped = _GLIBC.get(distro, {})
    plain = shipped.get(version) or shipped.get(version.partition(".")[0], "")
    return ("glibc", plain) if plain else ("", "")


def _name(family: Os, named: list[str], both: str) -> str:
    ends = r"\s*\((?:x86_64|amd64|aarch64|arm64)\)$"
    name = re.sub(ends, "", named[0], flags=re.IGNORECASE)[:80] if named else ""
    if family == "windows":
        return _windows_name(name, both)
    return _mac_name(name, both) if family == "macos" else name or "linux"


def _system(value: str, *, typed: bool) -> str:
    plain = told(value)
    prose = len(plain) > (_LONGEST_TYPED if typed else _LONGEST) or not family_of(plain[:_EARLY])
    return "" if prose else plain


def _is_platform(value: str) -> bool:
    return bool(
        re.match(r"\A['\"]?(?:Linux|Windows|[Mm]ac ?OS|Darwin|\d{1,2}\.\d{1,3}\.\d)", value.strip())
    )


def _by_python(python: str) -> Os | None:
    """Go by the compiler of CPython: MSC stands for Windows, Clang with "on darwin" for macOS."""
    if "[MSC v" in python or " on win32" in python:
        return "windows"
    if " on darwin" in python or "(clang-" in python:
        return "macos"
    return "linux" if " on linux" in python or "[GCC " in python else None


def _machine(both: str, python: str, said: Collected) -> str:
    if kernel := _UPPER.search(both):
        return kernel[1].lower()
    for text in (both, *(one.value for one in said.all("machine")), python):
        if found := _MACHINE.search(text):
            return "x86_64" if found[1] == "i386" and _MAC.search(both) else found[1].lower()
    if re.search(
        r"\bintel\b.{0,20}\b(?:mac|imac|macbook)|\b(?:mac|macbook).{0,20}\bintel\b",
        both,
        re.IGNORECASE,
    ):
        return "x86_64"
    if re.search(
        r"Apple M\d|Apple Silicon|\bM[1-5](?: Pro| Max| Ultra)? mac",
        " ".join(one.value for one in said.all("cpu", "gpu", "os", "model")),
        re.IGNORECASE,
    ):
        return "arm64"
    # Qualcomm's processors for Windows are all of ARM64
    if "Snapdragon" in said.first("machine"):
        return "arm64"
    return ""


def _wsl(both: str, said: Collected) -> Literal[0, 1, 2]:
    if found := re.search(
        r"\bWSL\s?-?([12])?\b",
        both + "".join(f" {v}" for one in said.all("wsl") if (v := one.value)),
        re.IGNORECASE,
    ):
        return 1 if found[1] == "1" else 2
    if "microsoft" in both.lower() and not re.search(r"microsoft windows", both, re.IGNORECASE):
        return 2 if "standard" in both.lower() else 1
    return 2 if any(yes_or_no(one.value) for one in said.all("wsl")) else 0


def _distro(text: str) -> tuple[str, str]:
    found = _DISTROS.search(text)
    if found is None:
        return "", ""
    name = found[1].lower()
    return _IDS.get(name, name), found[2] or ""


def _windows_name(name: str, both: str) -> str:
    build = _NT.search(both)
    if build and int(build[1]) >= _WINDOWS_11 and "server" not in both.lower():
        return "Windows 11"
    if build and not name:
        return "Windows 10"
    found = re.search(
        r"Windows(?: Server)?(?: \d{1,4}| XP| 8\.1)?", name.removeprefix("Microsoft ")
    )
    edition = re.search(r"(?:Microsoft )?(Windows [\w .]{1,40})", name)
    return edition[1].strip() if edition else found[0] if found else "Windows"


def _mac_version(both: str) -> str:
    found = _MAC_VERSION.search(both)
    if found and not found[1].startswith("10.16"):
        return found[1]
    if darwin := _DARWIN.search(both):
        number = int(darwin[1])
        for least, _, offset in _DARWIN_OFFSET:
            if number >= least:
                return str(number + offset)
    return ""


def _mac_name(name: str, both: str) -> str:
    version = _mac_version(both)
    return name if re.search(r"\d", name) and "Darwin" not in name else f"macOS {version}".strip()


def _model(said: Collected, both: str) -> str:
    told_ = " ".join(one.value for one in said.all("model", "gpu", "os"))
    if found := re.search(r"(?:NVIDIA\s+)?Jetson[\w \-]{0,30}", told_):
        return found[0].strip()
    if "tegra" in both.lower() or re.search(r"\(nvgpu\)", told_):
        return "NVIDIA Jetson"
    jetpack = said.first("model")
    return (
        f"NVIDIA Jetson, JetPack {jetpack}"
        if re.match(r"\d", jetpack)
        and any("jetpack" in one.value.lower() for one in said.all("model"))
        else ""
    )
