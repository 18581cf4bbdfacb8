"""Machines whose GPUs one build cannot serve together: of two vendors, or of generations too far apart."""

from collections.abc import Iterable

from msgspec.structs import replace

from tunedoctor.tables.wheels import Numbers
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Alternative, Choice, Said
from tunedoctor.wheels.install import installed, with_said
from tunedoctor.wheels.machine import Gpu
from tunedoctor.wheels.pick import Found, pick_cuda, pick_rocm
from tunedoctor.wheels.say_cuda import about_old_gpus
from tunedoctor.wheels.situation import Situation, names_of

TWO_VENDORS: Said = (
    "two_vendors",
    "one build serves one vendor: choose whose GPUs are to work",
)


def which_vendor(s: Situation, fits: dict[str, tuple[Found, ...]]) -> Choice:
    """GPUs of several vendors can work: ask. The default is the one with the most memory, else NVIDIA, AMD, Intel."""
    memory = {v: sum(g.memory_gib for g in s.gpus.of(v)) for v in fits}
    order = list(fits)
    if all(memory.values()):
        order.sort(key=memory.__getitem__, reverse=True)
    choice = installed(s, "ask", fits[order[0]])
    names = " and ".join(names_of(s.gpus.of(vendor)) for vendor in fits)
    why = f"one build serves one vendor, and {names} can each work: choose between them"
    others = tuple(Alternative(f.build) for vendor in order[1:] for f in fits[vendor])
    choice = replace(choice, alternatives=(*others, *choice.alternatives))
    return with_said(choice, [("two_vendors", why)], first=True)


def for_some(s: Situation, vendor: str) -> Choice | None:
    """Choose for the newest GPUs of a vendor that one build can serve together, where no build serves all."""
    kept, found = _together(s, vendor)
    left = [gpu for gpu in s.gpus.of(vendor) if gpu not in kept]
    if not found or not left:
        return None
    choice = installed(_narrow(s, vendor, kept), "install_partial", found)
    others = _pick(s, vendor, left)
    names = names_of(left)
    variable = "CUDA_VISIBLE_DEVICES" if vendor == "nvidia" else "HIP_VISIBLE_DEVICES"
    why = f"no build holds code for all GPUs; this one leaves out {names}: hide it with {variable}"
    said: list[Said] = [("no_build_covers_all", why), *about_old_gpus(s)]
    rest = (Alternative(others[0].build, f"for the {names} only"),) if others else ()
    choice = replace(
        choice,
        alternatives=(*choice.alternatives, *rest),
        hidden=tuple(g.name for g in left),
    )
    return with_said(choice, said, first=True)


def _together(s: Situation, vendor: str) -> tuple[tuple[Gpu, ...], tuple[Found, ...]]:
    """Return the newest GPUs that one build can serve, and the builds that serve them."""
    kept: tuple[Gpu, ...] = ()
    found: tuple[Found, ...] = ()
    for gpu in sorted(s.gpus.of(vendor), key=_newness, reverse=True):
        now = _pick(s, vendor, (*kept, gpu))
        if now:
            kept, found = (*kept, gpu), now
    return kept, found


def _newness(gpu: Gpu) -> tuple[Numbers, float, int, str]:
    """Order GPUs by compute capability, or by memory and gfx target."""
    return parts(gpu.compute_capability), gpu.memory_gib, len(gpu.gfx), gpu.gfx


def _pick(s: Situation, vendor: str, gpus: Iterable[Gpu]) -> tuple[Found, ...]:
    question = _narrow(s, vendor, tuple(gpus)).question
    return pick_cuda(question) if vendor == "nvidia" else pick_rocm(question)


def _narrow(s: Situation, vendor: str, kept: tuple[Gpu, ...]) -> Situation:
    """Return the situation with some GPUs of a vendor alone."""
    gpus = s.gpus._replace(nvidia=kept) if vendor == "nvidia" else s.gpus._replace(amd=kept)
    gfx = frozenset(g.gfx for g in gpus.amd if g.gfx)
    return s._replace(
        gpus=gpus, question=s.question._replace(capabilities=gpus.capabilities, gfx=gfx)
    )
