"""The interpreter and the system that installers show by wheel tags, folders and their own words."""

import re
from collections import Counter
from typing import Literal, NamedTuple

from tunedoctor.facts import Fact, Host, Interpreter
from tunedoctor.lazy import pattern
from tunedoctor.readers.installing.operations import wheels
from tunedoctor.readers.installing.sentences import Text

Family = Literal["linux", "windows", "macos"]

_OWN_TAG = pattern(
    r"(?:You're on \w{1,20} \(`|matching platform tag \(e\.g\., `)(?P<tag>[a-z][\w.]{2,60})`\)"
)
_OWN_ABI = pattern(
    r"(?:You(?:'re using| require) CPython (?P<version>3\.\d{1,2})t? \(`|matching Python (?:ABI|implementation)"
    r" tag \(e\.g\., `)cp(?P<digits>3\d{1,2})(?P<free>t)?`\)"
)
_UV_PYTHON = pattern(
    r"Using (?:C?Python|CPython) (?P<version>3\.\d{1,2}(?:\.\d{1,3})?(?:(?:a|b|rc)\d{1,2})?)(?P<free>t|\+freethreaded)?"
    r" (?:interpreter|environment) at:? (?P<place>\S{1,300})"
)
_UV_KEY = pattern(
    r"`?cpython-(?P<version>3\.\d{1,2}\.\d{1,3})(?P<free>\+freethreaded)?-(?P<os>linux|windows|macos)-"
    r"(?P<machine>x86_64|aarch64|x86|i686|armv7)\w{0,20}-(?P<libc>gnu|musl|none)"
)
_ENDED = pattern(
    r"DEPRECATION: Python (\d\.\d{1,2}) (?:reached the end of its life|will reach the end)"
)
"""What pip says of the Python that runs it."""
_FOLDER = pattern(
    r"(?:[\\/]lib(?:64)?[\\/]python(?P<posix>3\.\d{1,2})(?P<free>t)?[\\/](?:site|dist)-packages"
    r"|[\\/]Python(?P<windows>3\d{1,2})(?P<bits>-32)?[\\/]Lib[\\/]site-packages)",
    re.IGNORECASE,
)
_WHEEL = pattern(
    r"-cp(?P<python>3\d{1,2})-cp(?P<abi>3\d{1,2})m?(?P<free>t)?-(?P<platform>[\w.]{3,120})\.whl$"
)
_PLATFORM = pattern(
    r"^(?:many(?P<glibc>linux_(?P<libc>2_\d{1,2}))|musl(?P<musl>linux_(?P<muslv>\d_\d))|(?P<linux>linux)"
    r"|macosx_(?P<macos>\d{1,2}_\d{1,2})|(?P<windows>win(?:32|_(?=amd64|arm64))))_?(?P<machine>\w{0,12})$"
)
_NARROW = pattern(
    r"\('32bit', '(?P<linkage>WindowsPE|ELF)?'\)|calcsize\(['\"]P['\"]\)(?: ?\* ?8\)*|\)*) (?:32|4)(?![\w.])"
    r"|(?<![\w.-])cp(?P<digits>3\d{1,2})-(?:cp3\d{1,2}m?|abi3|none)-(?P<platform>win32|(?:manylinux\S{1,30}|linux)_"
    r"(?:i[36]86|armv[67]l))(?![\w.])"
)
"""A pointer of 32 bits: platform.architecture(), struct.calcsize, a line of `pip debug --verbose`."""


class System(NamedTuple):
    """What a platform tag tells."""

    family: Family
    machine: str
    glibc: str = ""
    musl: str = ""
    macos: str = ""
    bits: int = 64


def system_of(tag: str) -> System | None:
    """Read manylinux_2_17_x86_64, musllinux_1_2_aarch64, macosx_14_0_arm64, win_amd64, win32; None for others."""
    found = _PLATFORM.match(tag)
    if found is None:
        return None
    machine = "" if found["machine"] in ("universal2", "fat64") else found["machine"]
    if found["windows"]:
        wide = machine in {"amd64", "arm64"}
        return System("windows", machine or "x86", bits=64 if wide else 32)
    bits = 32 if machine in ("i686", "i386", "armv7l", "armv6l") else 64
    if found["macos"]:
        return System("macos", machine, macos=found["macos"].replace("_", "."))
    glibc = (found["libc"] or "").replace("_", ".")
    musl = (found["muslv"] or "").replace("_", ".")
    return System("linux", machine, glibc=glibc, musl=musl, bits=bits)


def surroundings(text: Text, lines: list[str], python: str) -> list[Fact]:
    """Return the Interpreter and the Host that the lines of an installer show.

    `python` is the version that a refusal names; it has the first word. Where the lines show two Pythons, none is told.
    """
    body = text.text
    systems = [s for m in _OWN_TAG.finditer(body) if (s := system_of(m["tag"])) is not None]
    versions = [(python, False)] if python else []
    versions += [(_dotted(m["digits"]), bool(m["free"])) for m in _OWN_ABI.finditer(body)]
    versions += [(m[1], False) for m in _ENDED.finditer(body)]
    prefix = ""
    for found in _UV_PYTHON.finditer(body):
        versions.append((found["version"], bool(found["free"])))
        prefix = found["place"]
    for found in _UV_KEY.finditer(body):
        versions.append((found["version"], bool(found["free"])))
        systems.append(_of_key(found))
    bits = 64
    for file in _fetched(lines, body):
        if (one := _WHEEL.search(file)) and one["python"] == one["abi"]:
            versions.append((_dotted(one["abi"]), bool(one["free"])))
            systems += [_without_floor(s) for s in _systems(one["platform"])[:1]]
    for found in _FOLDER.finditer(_satisfied(lines)):
        versions.append((found["posix"] or _dotted(found["windows"]), bool(found["free"])))
        bits = 32 if found["bits"] else bits
    for found in _NARROW.finditer(body):
        bits = 32
        versions.append((_dotted(found["digits"]), False))
        systems += _systems(found["platform"] or "")[:1]
        systems += [System("windows", "x86", bits=32)] if found["linkage"] == "WindowsPE" else []
    facts: list[Fact] = []
    told = _one_version([v for v, _ in versions])
    system = _one_system(systems)
    if system is not None:
        bits = min(bits, system.bits)
        facts.append(_host(system))
    if told or bits == 32:
        machine = system.machine if system is not None else ""
        free = any(f for v, f in versions if f and v and told.startswith(v))
        facts.append(
            Interpreter(
                executable="",
                version=told,
                bits=bits,
                free_threaded=free,
                machine=machine,
                platform="win32" if bits == 32 and system and system.family == "windows" else "",
                prefix=prefix if prefix.startswith(("/", "~")) or prefix[1:2] == ":" else "",
            )
        )
    return facts


def _fetched(lines: list[str], body: str) -> set[str]:
    """Return the wheels that an installer took; of a text with refused ones, none."""
    if "is not a supported wheel" in body:
        return set()
    return {file for _, _, file in wheels(lines)}


def _satisfied(lines: list[str]) -> str:
    return "\n".join(
        line[:600]
        for line in lines
        if any(word in line for word in ("Requirement already", "Ignoring inv", "Location:"))
    )


def _dotted(digits: str | None) -> str:
    return f"{digits[0]}.{digits[1:]}" if digits else ""


def _one_version(versions: list[str]) -> str:
    """Return the most exact of versions that agree; "" where they contradict each other."""
    told = [v for v in versions if v]
    minors = Counter(".".join(v.split(".")[:2]) for v in told)
    if len(minors) != 1:
        return ""
    return max(told, key=lambda v: v.count("."))


def _one_system(systems: list[System]) -> System | None:
    families = {(s.family, s.machine) for s in systems}
    if len(families) != 1:
        return None
    return max(systems, key=lambda s: (bool(s.glibc), bool(s.musl), bool(s.macos)))


def _systems(platform: str) -> list[System]:
    return [s for tag in platform.split(".") if (s := system_of(_named(tag))) is not None]


def _named(tag: str) -> str:
    """Return the tag of PEP 600 of the older names."""
    old = {
        "manylinux1": "manylinux_2_5",
        "manylinux2010": "manylinux_2_12",
        "manylinux2014": "manylinux_2_17",
    }
    head, _, rest = tag.partition("_")
    return f"{old[head]}_{rest}" if head in old else tag


def _without_floor(system: System) -> System:
    """Leave out what a wheel's tag says of glibc and macOS: a floor, not what is there."""
    return system._replace(glibc="", musl="", macos="")


def _of_key(found: "re.Match[str]") -> System:
    family: Family = found["os"]  # type: ignore[assignment]  # the pattern allows no other
    narrow = found["machine"] in ("x86", "i686", "armv7")
    machine = (
        {"x86_64": "amd64"}.get(found["machine"], found["machine"])
        if family == "windows"
        else found["machine"]
    )
    if family == "macos" and machine == "aarch64":
        machine = "arm64"
    return System(family, machine, bits=32 if narrow else 64)


def _host(system: System) -> Host:
    libc: Literal["glibc", "musl", ""] = "musl" if system.musl else "glibc" if system.glibc else ""
    names = {"linux": "Linux", "windows": "Windows", "macos": "macOS"}
    return Host(
        os=system.family,
        name=f"{names[system.family]} {system.macos}".strip(),
        machine=system.machine,
        libc=libc,
        libc_version=system.glibc or system.musl,
        macos_version=system.macos,
    )
