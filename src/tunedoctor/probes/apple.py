"""The GPU of an Apple processor."""

import sys

from tunedoctor.facts import Absent, AppleGpu, Host, Unknown
from tunedoctor.probing import probe


@probe(AppleGpu)
def apple_gpu(host: Host) -> AppleGpu | Absent | Unknown:
    """Ask macOS for the processor's name: the GPU is part of it."""
    brand = ""
    if sys.platform == "darwin":
        from tunedoctor.probes.sysctl import sysctl_text  # noqa: PLC0415  ctypes

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
