"""Which of the machine's NVIDIA GPUs a process sees, for which a torch build holds code, and what to say of the others.

Sources: the compatibility rule of tables/torch_wheels.json; CUDA release notes for the first release of each generation
of GPUs; CUDA C++ programming guide, environment variables, for CUDA_VISIBLE_DEVICES: the list ends at its first entry
that names no device; indexes follow the order of CUDA, fastest first, unless CUDA_DEVICE_ORDER is PCI_BUS_ID.
"""

import re
from collections.abc import Iterable
from itertools import takewhile
from typing import NamedTuple

from tunedoctor.facts import Environment, Errors, Host, NvidiaGpu, Runtime, TorchBuild
from tunedoctor.model.findings import Finding, set_variable
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Facts
from tunedoctor.model.versions import parts
from tunedoctor.model.wording import listed
from tunedoctor.wheels.rules import Family, archs_run, family, knows, table_archs


def entries(value: str) -> list[str]:
    """Return the entries of such a list, as written."""
    return [entry.strip() for entry in value.split(",")] if value.strip() else []


def visible_gpus(gpus: Iterable[NvidiaGpu], known: Environment) -> tuple[NvidiaGpu, ...]:
    """Return the GPUs that a process started here would see, in CUDA's order: unlike cards by compute capability."""
    cards, setting = tuple(gpus), known.get("CUDA_VISIBLE_DEVICES")
    if setting is None:
        return cards
    if known.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and len({card.name for card in cards}) > 1:
        cards = tuple(sorted(cards, key=lambda c: parts(c.compute_capability), reverse=True))
    named = (_named(entry, cards) for entry in entries(setting))
    return tuple(card for card in takewhile(bool, named) if card)


def _named(entry: str, cards: tuple[NvidiaGpu, ...]) -> NvidiaGpu | None:
    """Return the card that an index or the beginning of a UUID names; a MIG id names the first with MIG on."""
    if entry.isascii() and entry.isdigit():
        return cards[int(entry)] if int(entry[:9]) < len(cards) else None
    if entry.startswith("MIG-"):
        return next((card for card in cards if card.mig), None)
    if entry.startswith("GPU-"):
        unknown = next((card for card in cards if not card.uuid), None)
        return next((card for card in cards if card.uuid.startswith(entry)), unknown)
    return None


class Coverage(NamedTuple):
    """GPUs that a build has code for, and GPUs that it has none for."""

    works: tuple[NvidiaGpu, ...]
    too_new: tuple[NvidiaGpu, ...]
    too_old: tuple[NvidiaGpu, ...]
    archs: tuple[str, ...]
    """What is compiled in: sm_80 …; empty where only the CUDA release tells."""
    source: str
    """Where that was read."""


def coverage(facts: Facts) -> Coverage | None:
    """Sort the GPUs that a process would see; None where build, its code or GPUs are not known, or not CUDA's."""
    torch, runtime = facts.torch, facts.runtime
    cuda = torch.cuda or runtime.torch_cuda
    cards = [card for card in _cards(facts) if card.compute_capability]
    archs, source = _archs(facts) if cuda and cards else ((), "")
    if not (cuda and cards) or (not archs and torch.conda):
        return None  # conda builds of old releases carry PTX that nobody wrote down
    known = bool(archs)
    found: dict[str, list[NvidiaGpu]] = {"works": [], "new": [], "old": []}
    for card in cards:
        capability = card.compute_capability
        runs = _seen_to_run(card, cards, runtime) or archs_run(archs, capability, cuda)
        if runs is None and _is_before(cuda, capability):
            runs = False
        known = known or runs is not None
        lacks = "new" if is_too_new(capability, archs, cuda) else "old"
        found["works" if runs is not False else lacks].append(card)
    works, new, old = map(tuple, found.values())
    return Coverage(works, new, old, archs, source) if known else None


def _cards(facts: Facts) -> tuple[NvidiaGpu, ...]:
    if facts.nvidia.gpus:
        return visible_gpus(facts.nvidia.gpus, facts.environment)
    # asked last: a fact that a check asks for and that is unknown makes its answer unknown
    return tuple(
        NvidiaGpu(index=d.index, name=d.name, compute_capability=d.compute_capability)
        for d in facts.runtime.devices
        if d.kind == "cuda"
    )


def is_too_new(capability: str, archs: Iterable[str], cuda: str) -> bool:
    """Tell whether a GPU without code is younger than the build; else the build dropped it, or never had it.

    Jetson boards count as too new, since server builds learn to run on them with later CUDA releases.
    """
    codes = (a.removeprefix("sm_").rstrip("af") for a in archs if a.startswith("sm_"))
    highest = max(((int(c[:-1]), int(c[-1])) for c in codes if c.isdigit()), default=())
    above = not highest or parts(capability) > highest
    return above or _is_before(cuda, capability) or capability in ("7.2", "8.7")


def _is_before(cuda: str, capability: str) -> bool:
    """Tell whether a CUDA release knows nothing of a generation of GPUs; all of today know those before Ampere."""
    major = (parts(capability) or (0,))[0]
    return major >= 8 and bool(cuda) and not knows(cuda, f"{major}.0")


def _archs(facts: Facts) -> tuple[tuple[str, ...], str]:
    torch, host, own = facts.torch, facts.host, facts.interpreter
    if any(a.startswith("sm_") for a in facts.runtime.archs):
        return facts.runtime.archs, "torch.cuda.get_arch_list()"
    if any(a.startswith("sm_") for a in torch.archs):
        return torch.archs, torch.location or torch.archs_source
    where: Family = "win_amd64" if host.os == "windows" else "linux_x86_64"
    if host and own and (own.machine or host.os == "macos"):
        where = family(host, own)
    archs = table_archs(torch.version, torch.variant, where) if torch and not torch.conda else ()
    return archs, "the table of PyTorch wheels" if archs else ""


def _seen_to_run(card: NvidiaGpu, cards: list[NvidiaGpu], runtime: Runtime) -> bool:
    """Tell whether a computation was seen to go well on the card; torch's numbers are matched by capability."""
    same = [d for d in runtime.devices if d.compute_capability == card.compute_capability]
    if not same and len(cards) == 1 and len(runtime.devices) == 1:
        same = list(runtime.devices)
    stages = (runtime.stage(f"matmul cuda:{device.index} float32") for device in same)
    return any(stage is not None and stage.outcome == "ok" for stage in stages)


NO_KERNEL = (
    "the first kernel on it fails with 'no kernel image is available for execution on the device'"
)
_CARD = pattern(
    r"Found GPU\d{1,2} (?P<name>[^\n]{2,80}?) which is of (?:cuda|compute) capability (?P<listed>\(CC\) )?"
    r"(?P<of>\d{1,2}\.\d)"
    r"|(?P<refused>\S{1,200} \S{1,200} [^:\n]{0,60})with CUDA capability sm_(?P<sm>\d{2,3})\S{0,9} is not compatible"
)
"""Source: torch/cuda/__init__.py. Since torch 2.11 with (CC): said only of a card for which the build has no code."""
_RANGE = pattern(r"\((?P<low>\d{1,2}\.\d)\) - \((?P<high>\d{1,2})\.\d\)")


def cards_named(cards: tuple[NvidiaGpu, ...]) -> str:
    """Return "NVIDIA GeForce RTX 5090 (12.0)" for each kind of card."""
    return listed(dict.fromkeys(f"{card.name} ({card.compute_capability})" for card in cards))


def code_of(build: TorchBuild | None, seen: Coverage | None) -> str:
    """Return what the build has code for, as far as it is known."""
    name = f"torch {build.version}" if build else "this PyTorch"
    if seen is not None and seen.archs:
        codes = (arch for arch in seen.archs if arch.startswith("sm_"))
        return f"{name} has code for {listed(codes, most=99)}"
    if build and build.cuda:
        return f"{name} is built with CUDA {build.cuda}, which knows no such GPU"
    return f"{name} says that it is not compatible"


def card_refused(errors: Errors) -> NvidiaGpu | None:
    """Return the card that torch's own warning calls incompatible, or that is outside of the range that it states.

    The end of the range holds for its major only: code for 12.0 runs on 12.1, and torch 2.9 warned of that too.
    """
    text = "\n".join(error.text for error in errors.errors)
    limits = _RANGE.search(text)
    for card in _CARD.finditer(text):
        name = re.sub(r".*(?:Warning|Error):\s*", "", card["refused"] or card["name"]).strip()
        capability = card["of"] or f"{card['sm'][:-1]}.{card['sm'][-1]}"
        have = parts(capability)
        outside = limits and not (parts(limits["low"]) <= have < (int(limits["high"]) + 1,))
        if card["refused"] or card["listed"] or outside:
            return NvidiaGpu(index=0, name=name, compute_capability=capability)
    return None


def one_of_several(title: str, found: str, seen: Coverage, host: Host | None) -> Finding:
    """Return the finding for a machine on whose other GPUs the build runs: leave that one out."""
    uuids = [card.uuid or str(card.index) for card in seen.works]
    return Finding(
        title=title,
        severity="warning",
        found=f"{found}; it runs on {listed(dict.fromkeys(c.name for c in seen.works))}",
        means=f"{NO_KERNEL}; Trainer and device_map='auto' use all GPUs",
        cure=set_variable(host, "CUDA_VISIBLE_DEVICES", ",".join(uuids)),
        cure_note="leaves that GPU out",
        evidence=(seen.source,) if seen.source else (),
    )


def gfx_targets(facts: Facts) -> tuple[str, ...]:
    """Return the targets of AMD that a run, else the files of the build, name; () where neither does."""
    for archs in (facts.runtime.archs, facts.torch.archs):
        if found := dict.fromkeys(a.split(":")[0] for a in archs if a.startswith("gfx")):
            return tuple(found)
    return ()
