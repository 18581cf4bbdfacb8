"""Find what ROCm's tools printed in any text and put it together."""

from tunedoctor.facts import AmdGpu, AmdGpus, Fact
from tunedoctor.readers.rocm.amd_smi import amd_smi
from tunedoctor.readers.rocm.properties import properties
from tunedoctor.readers.rocm.rocm_smi import rocm_smi
from tunedoctor.readers.rocm.rocminfo import agents, enumerated, logged
from tunedoctor.readers.rocm.stack import stack
from tunedoctor.readers.rocm.words import Part

_MARKS = ("gfx", "rocm", "amd", "kfd", "hsa", "rock module", "vram", "radeon", "group", "wsl")


def read(lines: list[str]) -> list[Fact]:
    """Return AmdGpus, RocmStack, Host (WSL) and Errors, as far as the lines tell. Never raises."""
    if not any(any(mark in line[:2000].lower() for mark in _MARKS) for line in lines):
        return []
    by_runtime = agents(lines)
    seen = by_runtime or enumerated(lines) or logged(lines) or properties(lines)
    told = stack(lines, agents=bool(by_runtime))
    by_system = _united(amd_smi(lines), rocm_smi(lines))
    parts = _filled(seen, by_system)
    # these two tools list cards that the compute driver refuses
    if not seen and told.kfd not in ("no memory", "refused", "missing"):
        parts = [by_system[n] for n in sorted(by_system)]
    gpus = tuple(gpu for at, part in enumerate(parts) if (gpu := part.gpu(at)) is not None)
    return [*told.facts, *([_fact(gpus)] if gpus else [])]


def _fact(gpus: tuple[AmdGpu, ...]) -> AmdGpus:
    return AmdGpus(gpus=gpus)


def _united(one: dict[int, Part], other: dict[int, Part]) -> dict[int, Part]:
    for number, part in other.items():
        one[number] = _merged(one[number], part) if number in one else part
    return one


def _filled(seen: list[Part], by_system: dict[int, Part]) -> list[Part]:
    """Complete what the runtime lists from the tools that read /sys, where both count alike."""
    if len(seen) != len(by_system):
        return seen
    return [
        _merged(one, by_system[number]) for one, number in zip(seen, sorted(by_system), strict=True)
    ]


def _merged(one: Part, other: Part) -> Part:
    return Part(
        gfx=one.gfx or other.gfx,
        name=one.name or other.name,
        device=one.device or other.device,
        slot=one.slot or other.slot,
        memory=one.memory or other.memory,
        apu=one.apu or other.apu,
    )
