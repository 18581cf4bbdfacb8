"""`nvidia-smi -L` and `nvidia-smi --version`."""

from collections.abc import Sequence

import msgspec

from tunedoctor.facts import NvidiaGpu
from tunedoctor.lazy import pattern
from tunedoctor.readers.smi.words import Seen, version
from tunedoctor.tables.gpus import nvidia_by_name

_LONGEST = 300
_GPU = pattern(r"GPU (\d{1,4}): (.{1,100}?) \(UUID: (GPU-[0-9a-fA-F-]{1,40})\)")
_BARE = pattern(r"GPU (\d{1,4}): (.{1,100})")
"""Some hide the uuid before they paste."""
_MIG = pattern(r"MIG \d{1,2}[cg]\S{0,30}\s{1,20}Device\s{1,9}\d{1,3}:")
_VERSION = pattern(r"(NVIDIA-SMI|DRIVER|KMD|CUDA UMD|CUDA) [Vv]ersion\s{0,20}:(.{0,60})")


def lists(lines: Sequence[str]) -> list[Seen]:
    """Return the GPUs that all lines of -L name, MIG devices counted to the GPU above them."""
    gpus: dict[int, NvidiaGpu] = {}
    last: int | None = None
    asked = False
    for whole in lines:
        line = whole[:_LONGEST]
        asked = asked or "nvidia-smi -L" in line
        gpu = _GPU.search(line) if "UUID" in line else None
        if gpu is None and asked and (bare := _BARE.fullmatch(line.strip())):
            index, name = int(bare[1]), bare[2].strip()
            if nvidia_by_name(name):
                gpus.setdefault(index, NvidiaGpu(index=index, name=name))
        elif gpu:
            index = int(gpu[1])
            # a list that is printed twice is still one list
            last = index if index not in gpus else None
            gpus.setdefault(index, NvidiaGpu(index=index, name=gpu[2].strip(), uuid=gpu[3]))
        elif last is not None and "MIG" in line and _MIG.search(line):
            one = gpus[last]
            gpus[last] = msgspec.structs.replace(one, mig=True, mig_instances=one.mig_instances + 1)
    return [Seen(gpus=tuple(gpus.values()))] if gpus else []


def versions(lines: Sequence[str]) -> list[Seen]:
    """Return what --version prints: four to six lines that begin with NVIDIA-SMI version."""
    start = next((n for n, line in enumerate(lines) if "NVIDIA-SMI version" in line), None)
    if start is None:
        return []
    said: dict[str, str] = {}
    for line in lines[start : start + 12]:
        if found := _VERSION.search(line[:_LONGEST]):
            said.setdefault(found[1], version(found[2]))
    driver = said.get("KMD") or said.get("DRIVER") or ""
    cuda = said.get("CUDA UMD") or said.get("CUDA") or ""
    return [Seen(driver=driver, library=said.get("NVIDIA-SMI", ""), cuda=cuda)] if driver else []
