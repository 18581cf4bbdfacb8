"""The text of /proc/driver/nvidia/version."""

from tunedoctor.facts import NvidiaDriver
from tunedoctor.lazy import pattern

SOURCE = "/proc/driver/nvidia/version"
_LINE = pattern(
    r"NVRM version:\s{1,9}NVIDIA UNIX (Open Kernel Module for )?\S{1,40}(?: Kernel Module)?"
    r"\s{1,9}(\d{1,6}(?:\.\d{1,6}){1,4})"
)


def proc_version(text: str) -> NvidiaDriver | None:
    """Return the version of the kernel module and its kind, or None where `text` does not tell."""
    found = _LINE.search(text) if "NVRM version" in text else None
    if not found:
        return None
    return NvidiaDriver(version=found[2], source=SOURCE, open_module=bool(found[1]))
