"""The interpreter and the system that installers show by wheel tags, folders and their own words."""

from collections import Counter
from typing import Literal

from msgspec.structs import replace

from tunedoctor.facts import Fact, Host, Interpreter
from tunedoctor.lazy import pattern
from tunedoctor.readers.installing.said import Text

_PLATFORM = pattern(
    r"(?:(?P<linux>(?P<libc>many|musl)?linux(?:\d{1,4}|_(?P<floor>\d_\d{1,2}))?)"
    r"|(?P<macos>macosx?)(?:_(?P<release>\d{1,2}_\d{1,2}))?|win(?:dows|32|(?=_a)))(?:_(?P<machine>[a-z]\w{0,12}))?"
)
_MACHINES = {
    "windows": {"x86_64": "amd64", "": "x86"},
    "macos": {"universal2": "", "fat64": "", "aarch64": "arm64"},
}
"""What the machine of a tag is called there."""
_NAMES = {"linux": "Linux", "windows": "Windows", "macos": "macOS"}
_NARROW = ("i686", "i386", "armv7l", "armv6l", "armv7", "x86")


def host_of(tag: str) -> Host | None:
    """Read manylinux_2_17_x86_64, macosx_14_0_arm64, win_amd64, linux-aarch64 of uv; None for others."""
    found = _PLATFORM.fullmatch(tag.replace("-", "_"))
    if found is None:
        return None
    system: Literal["linux", "windows", "macos"]
    system = "linux" if found["linux"] else "macos" if found["macos"] else "windows"
    machine, release = found["machine"] or "", (found["release"] or "").replace("_", ".")
    floor = (found["floor"] or "").replace("_", ".")
    return Host(
        os=system,
        name=f"{_NAMES[system]} {release}".strip(),
        machine=_MACHINES.get(system, {}).get(machine, machine),
        libc=("musl" if found["libc"] == "musl" else "glibc") if floor else "",
        libc_version=floor,
        macos_version=release,
    )


def surroundings(text: Text) -> list[Fact]:
    """Return the Interpreter and the Host that the lines of an installer show; none of which they show two."""
    refused = "is not a supported wheel" in text.text
    hosts: list[Host] = []
    versions: list[str] = []
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
        host = host_of(fields.get("platform", "").partition(".")[0])
        if host is not None and "fetched" in fields:
            # what a wheel's tag says of glibc and macOS is a floor, not what is there
            host = replace(host, name=_NAMES[host.os], libc="", libc_version="", macos_version="")
        hosts += [host] if host is not None else []
    one = len({(host.os, host.machine) for host in hosts}) == 1
    told = max(hosts, key=lambda h: (h.libc, h.macos_version)) if one else None
    facts: list[Fact] = [told] if told is not None else []
    bits = 32 if narrow or (told is not None and told.machine in _NARROW) else 64
    minors = Counter(".".join(version.split(".")[:2]) for version in versions)
    exact = max(versions, key=lambda v: v.count(".")) if len(minors) == 1 else ""
    if exact or bits == 32:
        windows = told is not None and told.os == "windows"
        facts.append(
            Interpreter(
                executable="",
                version=exact,
                bits=bits,
                free_threaded=any(exact.startswith(version) for version in free),
                machine=told.machine if told is not None else "",
                platform="win32" if bits == 32 and windows else "",
                prefix=prefix if prefix.startswith(("/", "~")) or prefix[1:2] == ":" else "",
            )
        )
    return facts
