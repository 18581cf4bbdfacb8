"""Which of the machine's NVIDIA GPUs a torch build holds code for.

Source: the compatibility rule of tables/torch_wheels.json; CUDA release notes for the first release of each
generation of GPUs.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.advice.visible import visible_gpus
from tunedoctor.facts import (
    Environment,
    Host,
    Interpreter,
    NvidiaGpu,
    NvidiaGpus,
    Runtime,
    TorchBuild,
    Unknown,
)
from tunedoctor.versions import at_least, parts
from tunedoctor.wheels.rules import Family, archs_run, family, table_archs

_FIRST_CUDA = {7: "9.0", 8: "11.0", 9: "11.8", 10: "12.8", 11: "13.0", 12: "12.8"}
"""Major compute capability -> first CUDA release that compiles for it."""


class Coverage(NamedTuple):
    """GPUs that a build has code for, and GPUs that it has none for."""

    works: tuple[NvidiaGpu, ...]
    too_new: tuple[NvidiaGpu, ...]
    too_old: tuple[NvidiaGpu, ...]
    archs: tuple[str, ...]
    """What is compiled in: sm_80 …; empty where only the CUDA release tells."""
    source: str
    """Where that was read."""


def coverage(  # noqa: PLR0913  what decides it
    torch: TorchBuild | None,
    gpus: NvidiaGpus | None,
    runtime: Runtime | None,
    host: Host | None,
    interpreter: Interpreter | None,
    environment: Environment | Unknown | None,
) -> Coverage | None:
    """Sort the GPUs that a process would see; None where the build or the GPUs are not known, or not CUDA's.

    So it is where nobody knows what a build has code for: then what torch says of a card has the word.
    """
    cuda = (torch.cuda if torch else "") or (runtime.torch_cuda if runtime else "")
    cards = [card for card in _cards(gpus, runtime, environment) if card.compute_capability]
    if not cuda or not cards:
        return None
    archs, source = _archs(torch, runtime, host, interpreter)
    if not archs and torch is not None and torch.conda:
        return None  # conda builds of old releases carry PTX that nobody wrote down
    known = bool(archs)
    works: list[NvidiaGpu] = []
    new: list[NvidiaGpu] = []
    old: list[NvidiaGpu] = []
    for card in cards:
        runs = _seen_to_run(card, cards, runtime)
        if runs is None:
            runs = archs_run(archs, card.compute_capability, cuda)
        if runs is None and _is_before(cuda, card.compute_capability):
            runs = False
        known = known or runs is not None
        if runs is None or runs:
            works.append(card)
        elif is_too_new(card.compute_capability, archs, cuda):
            new.append(card)
        else:
            old.append(card)
    if not known:
        return None
    return Coverage(tuple(works), tuple(new), tuple(old), archs, source)


def is_too_new(capability: str, archs: Iterable[str], cuda: str) -> bool:
    """Tell whether a GPU without code is younger than the build; else the build dropped it, or never had it.

    Jetson boards count as too new, since server builds learn to run on them with later CUDA releases.
    """
    highest = max((_numbers(a) for a in archs if a.startswith("sm_")), default=())
    return (
        not highest
        or parts(capability) > highest
        or _is_before(cuda, capability)
        or capability in ("7.2", "8.7")
    )


def code_list(archs: Iterable[str]) -> str:
    """Return what is compiled in, as people read it: "sm_80 to sm_90 and sm_120"."""
    codes = [a for a in archs if a.startswith("sm_")]
    return (
        codes[0] if len(codes) == 1 else f"{', '.join(codes[:-1])} and {codes[-1]}" if codes else ""
    )


def _numbers(arch: str) -> tuple[int, ...]:
    digits = re.match(r"sm_(\d+)(\d)", arch)
    return (int(digits[1]), int(digits[2])) if digits else ()


def _is_before(cuda: str, capability: str) -> bool:
    """Tell whether a CUDA release knows nothing of a generation of GPUs."""
    first = _FIRST_CUDA.get((parts(capability) or (0,))[0])
    return bool(first and cuda) and not at_least(cuda, first or "")


def _cards(
    gpus: NvidiaGpus | None, runtime: Runtime | None, environment: Environment | Unknown | None
) -> tuple[NvidiaGpu, ...]:
    if gpus is not None and gpus.gpus:
        return visible_gpus(gpus.gpus, environment)
    return tuple(
        NvidiaGpu(index=d.index, name=d.name, compute_capability=d.compute_capability)
        for d in (runtime.devices if runtime else ())
        if d.kind == "cuda"
    )


def _archs(
    torch: TorchBuild | None,
    runtime: Runtime | None,
    host: Host | None,
    interpreter: Interpreter | None,
) -> tuple[tuple[str, ...], str]:
    if runtime is not None and any(a.startswith("sm_") for a in runtime.archs):
        return runtime.archs, "torch.cuda.get_arch_list()"
    if torch is None:
        return (), ""
    if any(a.startswith("sm_") for a in torch.archs):
        return torch.archs, torch.location or torch.archs_source
    where: Family = "linux_x86_64"
    if host and interpreter and (interpreter.machine or host.os == "macos"):
        where = family(host, interpreter)
    elif host and host.os == "windows":
        where = "win_amd64"
    archs = () if torch.conda else table_archs(torch.version, torch.variant, where)
    return archs, "the table of PyTorch wheels" if archs else ""


def _seen_to_run(card: NvidiaGpu, cards: list[NvidiaGpu], runtime: Runtime | None) -> bool | None:
    """Return what a computation on the card showed; torch's numbers are matched by capability."""
    if runtime is None:
        return None
    same = [d for d in runtime.devices if d.compute_capability == card.compute_capability]
    if not same and len(cards) == 1 and len(runtime.devices) == 1:
        same = list(runtime.devices)
    for device in same:
        stage = runtime.stage(f"matmul cuda:{device.index} float32")
        if stage is not None and stage.outcome == "ok":
            return True
    return None
