"""Which JetPack a Jetson runs: up to 6 it has a driver stack of its own, from 7 on the one of servers."""

import re

from tunedoctor.versions import parts
from tunedoctor.wheels.machine import Machine

_JETPACK_OF_L4T = {32: 4, 34: 5, 35: 5, 36: 6, 38: 7, 39: 7}
"""Major of the L4T release -> JetPack."""
_TOLD = r"tegra|jetpack|l4t|jetson"
DRIVER_OF_JETPACK_7 = "580.00"
"""What JetPack 7.0 reports: the driver comes with the system, and is there where nobody read its number."""


def jetpack_of(machine: Machine) -> int | None:
    """Return the major of JetPack on a Jetson, 0 where only its age is known, None elsewhere or from 7 where not told.

    L4T 36 and older, or a driver below 580, tell a JetPack up to 6; Thor starts with 7.
    """
    told = [v for k, v in machine.env.items() if re.search(_TOLD, f"{k} {v}", re.IGNORECASE)]
    text = " ".join(told)
    if named := re.search(r"JetPack[\s_]*(?:SDK\s*)?(\d+)", text, re.IGNORECASE):
        return int(named[1])
    if named := re.search(
        r"(?:\bR|L4T\s*(?:R|release)?\s*|^)(\d{2})(?:\b|_|\.)", text, re.IGNORECASE
    ):
        l4t = int(named[1])
        return _JETPACK_OF_L4T.get(l4t, 7 if l4t > 36 else 0)
    if any(g.compute_capability == "11.0" for g in machine.gpus):
        return 7 if _is_arm(machine) else None
    jetson = bool(told) or any(
        g.compute_capability in ("5.3", "6.2", "7.2", "8.7")
        or re.search(r"nvgpu|\bOrin\b|Xavier|Tegra|Jetson", g.name, re.IGNORECASE)
        for g in machine.gpus
    )
    if jetson and _is_arm(machine) and machine.platform == "linux":
        driver = parts(machine.driver_version)
        return None if driver >= (580,) else 0
    return None


def _is_arm(machine: Machine) -> bool:
    return machine.arch.lower() in ("arm64", "aarch64")
