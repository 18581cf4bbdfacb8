"""Tools that say what nvidia-smi says: gpustat, nvitop's head, CUDA's deviceQuery, vulkaninfo."""

from collections.abc import Sequence
from typing import Any

from tunedoctor.facts import NvidiaGpu
from tunedoctor.lazy import pattern
from tunedoctor.readers.smi.words import Seen, size
from tunedoctor.tables.gpus import nvidia_by_name

_LONGEST = 300
_STAT = pattern(
    r"^\W{0,4}\[(\d{1,3})\]\s{1,4}(\S[^|]{2,60}?)\s{0,20}\|\s{0,4}\d{1,3}'?C,.{0,60}?\|\s{0,9}(\d{1,9}) / (\d{1,9}) MB"
)
_STAT_HEAD = pattern(r"\d\d:\d\d:\d\d \d{4}\s{1,8}(\d{3}\.\d{1,3}(?:\.\d{1,3})?)\s*$")
_NVITOP = pattern(
    r"NVITOP [\d.]{1,20}\s{1,40}Driver Version: (\d{3}[\d.]{2,12})\s{1,40}CUDA (?:Driver )?Version: (\d{1,2}\.\d)"
)
_VULKAN_NAME = pattern(r"^\s{0,12}deviceName\s{1,40}= (\S.{2,80}?)\s*$")
_VULKAN_DRIVER = pattern(r"^\s{0,12}driverInfo\s{1,40}= (\d{3}\.[\d.]{2,12})\s*$")
_DEVICE = pattern(r"^\W{0,4}Device (\d{1,3}): \"([^\"\n]{3,80})\"\s*$")
_CAPABILITY = pattern(r"^\s{0,8}CUDA Capability Major/Minor version number:\s{1,20}(\d{1,2}\.\d)")
_MEMORY = pattern(r"^\s{0,8}Total amount of global memory:\s{1,30}(\d{1,9}) MBytes")


def gpustat(lines: Sequence[str]) -> list[Seen]:
    """Return the GPUs of gpustat's rows, and the driver of its head or nvitop's."""
    gpus: dict[int, NvidiaGpu] = {}
    driver = cuda = ""
    for whole in lines:
        line = whole[:_LONGEST]
        if "MB" in line and (row := _STAT.match(line)):
            used, total = size(row[3]) or 0, size(row[4]) or 0
            gpus.setdefault(
                int(row[1]),
                NvidiaGpu(
                    index=int(row[1]),
                    name=row[2],
                    memory_total=total,
                    memory_free=max(total - used, 0),
                ),
            )
        elif head := _NVITOP.search(line):
            driver, cuda = head[1], head[2]
        elif "." in line and not driver and (head := _STAT_HEAD.search(line)):
            driver = head[1]
    if not gpus and not cuda:
        return []
    return [Seen(driver=driver, cuda=cuda, gpus=tuple(gpus.values()))]


def vulkan(lines: Sequence[str]) -> list[Seen]:
    """Return the NVIDIA GPUs that vulkaninfo names, and their driver."""
    names: list[str] = []
    driver = ""
    ours = False
    for whole in lines:
        line = whole[:_LONGEST]
        if name := _VULKAN_NAME.match(line):
            ours = "NVIDIA" in name[1]
            names += [name[1]] if ours else []
        elif ours and (info := _VULKAN_DRIVER.match(line)):
            driver = driver or info[1]
    if not names:
        return []
    return [
        Seen(driver=driver, gpus=tuple(NvidiaGpu(index=n, name=one) for n, one in enumerate(names)))
    ]


def device_query(lines: Sequence[str]) -> list[Seen]:
    """Return the GPUs that deviceQuery describes."""
    gpus: dict[int, dict[str, Any]] = {}
    current: dict[str, Any] | None = None
    for whole in lines:
        line = whole[:_LONGEST]
        if device := _DEVICE.match(line):
            current = {"index": int(device[1]), "name": device[2]}
            gpus.setdefault(int(device[1]), current)
        elif current is not None and (capability := _CAPABILITY.match(line)):
            current["compute_capability"] = capability[1]
        elif current is not None and (memory := _MEMORY.match(line)):
            current["memory_total"] = size(memory[1])
    known = [
        one
        for one in gpus.values()
        if "compute_capability" in one or nvidia_by_name(one["name"]) is not None
    ]
    return [Seen(gpus=tuple(NvidiaGpu(**one) for one in known))] if known else []
