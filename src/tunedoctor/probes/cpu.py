"""Processors that this process may use."""

import os
import sys
from pathlib import Path

from tunedoctor.facts import Cpu
from tunedoctor.probes.cgroup import cpu_quota
from tunedoctor.probes.small_file import read
from tunedoctor.probing import probe


@probe(Cpu)
def cpu() -> Cpu:
    """Count processors and read what affinity and control groups leave of them."""
    count = os.cpu_count() or 1
    if sys.platform == "linux":
        root = Path("/")
        usable = len(os.sched_getaffinity(0))
        text = read(root / "proc/cpuinfo", 4096) or ""  # the first processor is enough
        return Cpu(count=count, usable=usable, quota=cpu_quota(root), model=model_in(text))
    return Cpu(count=count, usable=count, model=_model())


def model_in(cpuinfo: str) -> str:
    """Return the model that /proc/cpuinfo names; "" where it names none, as on ARM."""
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() == "model name":
            return " ".join(value.split())
    return ""


def _model() -> str:
    if sys.platform == "darwin":
        from tunedoctor.probes.sysctl import sysctl_text  # noqa: PLC0415  ctypes

        return sysctl_text("machdep.cpu.brand_string") or ""
    return os.environ.get("PROCESSOR_IDENTIFIER", "")
