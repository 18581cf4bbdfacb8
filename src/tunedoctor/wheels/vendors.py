"""Machines whose GPUs one build cannot serve together: of two vendors, or of generations too far apart."""

from msgspec.structs import replace

from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Alternative, Choice
from tunedoctor.wheels.install import installed, with_said
from tunedoctor.wheels.machine import Gpu
from tunedoctor.wheels.pick import Found, pick_cuda
from tunedoctor.wheels.say_cuda import about_old_gpus
from tunedoctor.wheels.situation import Said, Situation, capabilities_of, names_of


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


def for_some(s: Situation) -> Choice | None:
    """Choose for the newest GPUs that one build can serve together, where no build serves all."""
    kept, found = _together(s)
    left = [gpu for gpu in s.gpus.nvidia if gpu not in kept]
    if not found or not left:
        return None
    gpus = s.gpus._replace(nvidia=kept)
    narrow = s._replace(gpus=gpus, question=s.question._replace(capabilities=gpus.capabilities))
    choice = installed(narrow, "install_partial", found)
    others = pick_cuda(s.question._replace(capabilities=capabilities_of(left)))
    names = names_of(left)
    why = f"no build holds code for all GPUs; this one leaves out {names}: hide it with CUDA_VISIBLE_DEVICES"
    said: list[Said] = [("no_build_covers_all", why), *about_old_gpus(s)]
    rest = (Alternative(others[0].build, f"for the {names} only"),) if others else ()
    choice = replace(
        choice,
        alternatives=(*choice.alternatives, *rest),
        hidden=tuple(g.name for g in left),
    )
    return with_said(choice, said)


def _together(s: Situation) -> tuple[tuple[Gpu, ...], tuple[Found, ...]]:
    """Return the newest GPUs that one build can serve, and the builds that serve them."""
    kept: tuple[Gpu, ...] = ()
    found: tuple[Found, ...] = ()
    for gpu in sorted(s.gpus.nvidia, key=lambda g: parts(g.compute_capability), reverse=True):
        now = pick_cuda(s.question._replace(capabilities=capabilities_of((*kept, gpu))))
        if now:
            kept, found = (*kept, gpu), now
    return kept, found
