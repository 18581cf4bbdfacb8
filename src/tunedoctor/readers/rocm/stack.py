"""What ROCm's tools say of the compute device, of groups and of versions."""

import re
from typing import Literal

from tunedoctor.facts import Fact, Host, RocmStack
from tunedoctor.readers.paste import Paste, search

Kfd = Literal["ok", "missing", "denied", "refused", "no memory", "not tried"]

_STATES: dict[str, Kfd] = {
    "permission denied": "denied",
    "operation not permitted": "denied",
    "no such file or directory": "missing",
    "no such device": "missing",
    "cannot allocate memory": "no memory",
}


def stack(paste: Paste, *, agents: bool) -> list[Fact]:
    """Return RocmStack and, of WSL, Host. `agents`: rocminfo listed a GPU, so it has opened the device."""
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
    return facts


def _version(paste: Paste) -> str:
    """Return the version of ROCm that a tool, a package list or a folder states."""
    for line, row, found in paste.each("rocm_version"):
        if row != "asked":
            return found[1]
        if bare := search("amd_words.bare_version", paste.line(line + 1)):
            return bare[1]
    return ""
