"""Find what ROCm's tools printed in any text: GPUs, the compute device, groups and versions."""

import re
from typing import Literal

from tunedoctor.facts import AmdGpus, Fact, Host, RocmStack
from tunedoctor.readers.paste import Paste, search
from tunedoctor.readers.rocm.gpus import agents, by_system, gpu_of, properties

Kfd = Literal["ok", "missing", "denied", "refused", "no memory", "not tried"]

_STATES: dict[str, Kfd] = {
    "permission denied": "denied",
    "operation not permitted": "denied",
    "no such file or directory": "missing",
    "no such device": "missing",
    "cannot allocate memory": "no memory",
}


def read(lines: list[str]) -> list[Fact]:
    """Return AmdGpus, RocmStack and Host (WSL), as far as the lines tell. Never raises."""
    paste = Paste(lines)
    listed = agents(paste)
    facts, kfd = _stack(paste, agents=bool(listed))
    told = listed or properties(paste)
    system = list(by_system(paste).values())
    if len(told) == len(system):  # both count alike
        told = [{**other, **one} for one, other in zip(told, system, strict=True)]
    elif not told and kfd not in ("no memory", "refused", "missing"):
        # what the tools that read /sys list, the compute driver does else not offer
        told = system
    gpus = tuple(gpu for at, one in enumerate(told) if (gpu := gpu_of(one, at)) is not None)
    return [*facts, AmdGpus(gpus=gpus)] if gpus else facts


def _stack(paste: Paste, *, agents: bool) -> tuple[list[Fact], Kfd]:
    """Return RocmStack and, of WSL, Host, and how the device opened. `agents`: rocminfo listed a GPU, so it did."""
    # where `ls` shows /dev/dxg, or the installer was asked for WSL, no /dev/kfd is wanted
    wsl = paste.has("rocm_wsl")
    refused = paste.first("kfd.open").strip().lower()
    kfd: Kfd = "not tried"
    if not wsl and refused:
        kfd = _STATES.get(refused, "refused")
    elif not wsl:
        kfd = "missing" if paste.has("kfd.missing") else "ok" if agents else kfd
    groups = re.findall(r"\w+", " ".join(hit.found[1] for hit in paste.each("rocm_groups")))
    version, driver = _version(paste), paste.first("amd_driver")
    facts: list[Fact] = []
    if kfd != "not tried" or groups or version or driver or wsl:
        missing = tuple(dict.fromkeys(groups))
        facts.append(
            RocmStack(kfd, groups_missing=missing, version=version, dxg=wsl or None, driver=driver)
        )
    if wsl:
        facts.append(Host(os="linux", name="Linux", wsl=1 if paste.has("amd_words.wsl1") else 2))
    elif paste.has("wsl2_kernel"):
        facts.append(Host(os="linux", name="", wsl=2))
    return facts, kfd


def _version(paste: Paste) -> str:
    """Return the version of ROCm that a tool, a package list or a folder states."""
    for line, row, found in paste.each("rocm_version"):
        if row != "asked":
            return found[1]
        if bare := search("amd_words.bare_version", paste.line(line + 1)):
            return bare[1]
    return ""
