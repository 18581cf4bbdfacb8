"""The interpreter and the system that installers show by wheel tags, folders and their own words."""

import re
from collections import Counter
from typing import Literal, NamedTuple

from tunedoctor.facts import Fact, Host, Interpreter
from tunedoctor.readers.installing.said import Text

_PLATFORM = re.compile(
    r"(?:many(?P<glibc>linux_(?P<libc>2_\d{1,2}))|musl(?P<musl>linux_(?P<muslv>\d_\d))|(?P<linux>linux)"
    r"|macos(?:x_(?P<macos>\d{1,2}_\d{1,2}))?|(?P<windows>win(?:dows|32|(?=_amd64|_arm64))))_?(?P<machine>\w{0,12})"
)
_OLDER = {
    "manylinux1": "manylinux_2_5",
    "manylinux2010": "manylinux_2_12",
    "manylinux2014": "manylinux_2_17",
}
"""Names of PEP 600 for the older ones."""
_NAMES = {"linux": "Linux", "windows": "Windows", "macos": "macOS"}
_NARROW = ("i686", "i386", "armv7l", "armv6l", "armv7", "x86")


class System(NamedTuple):
    """What a platform tag tells."""

    family: Literal["linux", "windows", "macos"]
    machine: str
    glibc: str = ""
    musl: str = ""
    macos: str = ""

    @property
    def bits(self) -> int:
        """Of a pointer."""
        return 32 if self.machine in _NARROW else 64


def system_of(tag: str) -> System | None:
    """Read manylinux_2_17_x86_64, macosx_14_0_arm64, win_amd64, linux-aarch64 of uv; None for others."""
    head, _, rest = tag.replace("-", "_").partition("_")
    found = _PLATFORM.fullmatch(f"{_OLDER.get(head, head)}_{rest}".rstrip("_"))
    if found is None:
        return None
    machine = found["machine"].removesuffix("_")
    if found["windows"]:
        return System("windows", {"x86_64": "amd64", "": "x86"}.get(machine, machine))
    if "macos" in tag:
        machine = {"universal2": "", "fat64": "", "aarch64": "arm64"}.get(machine, machine)
        return System("macos", machine, macos=(found["macos"] or "").replace("_", "."))
    libc, musl = ((found[key] or "").replace("_", ".") for key in ("libc", "muslv"))
    return System("linux", machine, glibc=libc, musl=musl)


def surroundings(text: Text, python: str) -> list[Fact]:
    """Return the Interpreter and the Host that the lines of an installer show.

    `python` is the version that a refusal names; it has the first word. Where the lines show two Pythons, none is told.
    """
    refused = "is not a supported wheel" in text.text
    systems: list[System] = []
    versions = [python] if python else []
    free: set[str] = set()
    prefix, narrow = "", False
    for said in text.said("runs"):
        fields = said.fields
        if "fetched" in fields and refused:
            continue
        digits = fields.get("digits", "")
        version = fields.get("version", "") or (f"{digits[0]}.{digits[1:]}" if digits else "")
        versions += [version] if version else []
        free |= {version} if "free" in fields else set()
        prefix = fields.get("place", prefix)
        narrow = narrow or "narrow" in fields
        system = system_of(fields.get("platform", "").partition(".")[0])
        if system is not None and "fetched" in fields:
            # what a wheel's tag says of glibc and macOS is a floor, not what is there
            system = system._replace(glibc="", musl="", macos="")
        systems += [system] if system is not None else []
    told, system = _one_version(versions), _one_system(systems)
    facts: list[Fact] = [_host(system)] if system is not None else []
    bits = 32 if narrow or (system is not None and system.bits == 32) else 64
    if told or bits == 32:
        windows = system is not None and system.family == "windows"
        facts.append(
            Interpreter(
                executable="",
                version=told,
                bits=bits,
                free_threaded=any(told.startswith(one) for one in free),
                machine=system.machine if system is not None else "",
                platform="win32" if bits == 32 and windows else "",
                prefix=prefix if prefix.startswith(("/", "~")) or prefix[1:2] == ":" else "",
            )
        )
    return facts


def _one_version(told: list[str]) -> str:
    """Return the most exact of versions that agree; "" where they contradict each other."""
    minors = Counter(".".join(v.split(".")[:2]) for v in told)
    return max(told, key=lambda v: v.count(".")) if len(minors) == 1 else ""


def _one_system(systems: list[System]) -> System | None:
    if len({(s.family, s.machine) for s in systems}) != 1:
        return None
    return max(systems, key=lambda s: (bool(s.glibc), bool(s.musl), bool(s.macos)))


def _host(system: System) -> Host:
    libc: Literal["glibc", "musl", ""] = "musl" if system.musl else "glibc" if system.glibc else ""
    return Host(
        os=system.family,
        name=f"{_NAMES[system.family]} {system.macos}".strip(),
        machine=system.machine,
        libc=libc,
        libc_version=system.glibc or system.musl,
        macos_version=system.macos,
    )
