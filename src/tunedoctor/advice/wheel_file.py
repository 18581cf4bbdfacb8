"""A wheel that was named as a file against the machine that was to take it, by the tags of its name."""

import re
from typing import Literal, NamedTuple

from tunedoctor.facts import Host, Interpreter
from tunedoctor.versions import parts
from tunedoctor.wheels.rules import one_spelling

Cause = Literal["python-unsupported", "platform-unsupported", "glibc-too-old"]


class Misplaced(NamedTuple):
    """What does not fit first: the system, then its C library, then the Python."""

    cause: Cause
    said: str
    """ "for cp311, and this is Python 3.14.0"."""


def misplaced(tags: str, own: Interpreter | None, host: Host | None) -> Misplaced | None:
    """Return why a file with the tags "cp311-cp311-linux_x86_64" does not fit; None where nothing speaks against it."""
    python, _, rest = tags.partition("-")
    abi, _, platform = rest.partition("-")
    return _system(platform, host) or _python(python, abi, own)


def _system(platform: str, host: Host | None) -> Misplaced | None:
    family = _family_of(platform)
    if host is None or not family or host.os == "other":
        return None
    here = f"and this is {host.name or host.os} {host.machine}".rstrip()
    if family != host.os:
        return Misplaced("platform-unsupported", f"for {platform}, {here}")
    machine = re.sub(r"^(?:(?:many|musl)?linux|macosx)(?:_?\d{1,4}){0,2}_|^win_", "", platform)
    wanted, mine = one_spelling(machine.removesuffix("universal2")), one_spelling(host.machine)
    if wanted and mine and wanted != mine:
        return Misplaced("platform-unsupported", f"for {platform}, {here}")
    if platform.startswith("manylinux") and host.libc == "musl":
        return Misplaced("platform-unsupported", f"for {platform}, {here} with musl")
    floors = [(int(a), int(b)) for a, b in re.findall(r"manylinux_(\d{1,2})_(\d{1,3})_", platform)]
    have = parts(host.libc_version) if host.libc == "glibc" else ()
    if floors and have and have < min(floors):
        floor = ".".join(map(str, min(floors)))
        return Misplaced(
            "glibc-too-old", f"for glibc {floor} and newer, and here is {host.libc_version}"
        )
    return None


def _python(python: str, abi: str, own: Interpreter | None) -> Misplaced | None:
    found = re.fullmatch(r"cp(\d)(\d{1,2})", python)
    have = parts(own.version)[:2] if own is not None else ()
    if found is None or own is None or len(have) < 2:
        return None
    wanted = (int(found[1]), int(found[2]))
    fits = have >= wanted if abi == "abi3" else have == wanted
    if fits and own.free_threaded == abi.endswith("t"):
        return None
    free = ", free-threaded" if own.free_threaded else ""
    return Misplaced(
        "python-unsupported", f"for {python}-{abi}, and this is Python {own.version}{free}"
    )


def _family_of(platform: str) -> str:
    if "linux" in platform:
        return "linux"
    return "macos" if platform.startswith("macosx") else "windows" if "win" in platform else ""
