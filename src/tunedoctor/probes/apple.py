"""The GPU of an Apple processor, and kernel settings of macOS, read without a child."""

import sys

from tunedoctor.facts import Absent, AppleGpu, Host, Unknown
from tunedoctor.probing import probe


@probe(AppleGpu)
def apple_gpu(host: Host) -> AppleGpu | Absent | Unknown:
    """Ask macOS for the processor's name: the GPU is part of it."""
    brand = ""
    if sys.platform == "darwin":
        from tunedoctor.probes.apple import sysctl_text  # noqa: PLC0415  ctypes

        brand = sysctl_text("machdep.cpu.brand_string") or ""
    return from_brand(host, brand)


def from_brand(host: Host, brand: str) -> AppleGpu | Absent | Unknown:
    """Make the fact of the processor's name: "Apple M2 Pro"; under Rosetta "VirtualApple @ …"."""
    if host.os != "macos":
        return Absent(why="not a Mac")
    if host.machine != "arm64":
        return Absent(why="this Mac has an Intel processor")
    if not brand:
        return Unknown(why="macOS did not name the processor")
    return AppleGpu(name="Apple" if brand.startswith("VirtualApple") else brand)


def sysctl_text(name: str) -> str | None:
    """Return a setting that is a string; None where there is none of that name."""
    raw = _raw(name)
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace") if raw is not None else None


def sysctl_number(name: str) -> int | None:
    """Return a setting that is a number; None where there is none of that name."""
    raw = _raw(name)
    return int.from_bytes(raw[:8], "little") if raw else None


def _raw(name: str) -> bytes | None:
    import ctypes  # noqa: PLC0415  3 ms that only macOS needs

    ask = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    if ask is None:
        return None
    size = ctypes.c_size_t(1024)
    room = ctypes.create_string_buffer(size.value)
    if ask(name.encode(), room, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return None
    return room.raw[: size.value]
