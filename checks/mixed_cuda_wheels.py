from collections import defaultdict

from tunedoctor import api

COLLIDE = ("nvidia-nccl", "nvidia-cudnn")
"""Wheels of these for two majors own the same files. Source: their RECORDs."""
ANEW = ("--force-reinstall", "--no-deps")


@api.check("mixed-cuda-wheels")
def mixed_cuda_wheels(facts: api.Facts) -> api.Finding | None:
    """Find one library in two majors; else wheels whose major is not that of torch."""
    if not facts.cuda_wheels:
        return _from_error(facts)
    own = (api.parts(facts.torch.cuda) or (0,))[0]
    by_library = defaultdict[str, list[api.CudaWheel]](list)
    for wheel in facts.cuda_wheels.wheels:
        if wheel.cuda_major:
            by_library[_library(wheel.name)].append(wheel)
    twice = {n: ws for n, ws in by_library.items() if len({w.cuda_major for w in ws}) > 1}
    collide = {n: ws for n, ws in twice.items() if n in COLLIDE}
    shown = [wheel for ws in (collide or twice or by_library).values() for wheel in ws]
    keep = own or (max(wheel.cuda_major for wheel in shown) if twice else 0)
    foreign = [wheel.name for wheel in shown if keep and wheel.cuda_major != keep]
    mine = [wheel for wheel in shown if wheel.cuda_major == keep]
    cure = facts.pip("uninstall", *foreign)
    if twice:
        again = (f"{wheel.name}=={wheel.version}" for wheel in mine)
        return facts.worded(
            "mixed-cuda-wheels:collide" if collide else "mixed-cuda-wheels:twice",
            "mixed-cuda-wheels",
            said=facts.heard("mixed-cuda-wheels", "mixed-cuda-wheels/symbol"),
            cure=cure.then(facts.pip("install", *ANEW, *again)),
            wheels=[f"{wheel.name} {wheel.version}" for wheel in shown],
        )
    if mine or not facts.torch or not any(_library(name) in COLLIDE for name in foreign):
        return None
    return facts.worded("mixed-cuda-wheels/other-major", cure=cure, wheels=foreign)


def _library(name: str) -> str:
    """Return "nvidia-nccl" of "nvidia-nccl-cu12"."""
    head, _, tail = name.rpartition("-cu")
    return head if head and tail.isdigit() else name


def _from_error(facts: api.Facts) -> api.Finding | None:
    """Tell of an NCCL that lacks a symbol, where nobody knows which wheels are there."""
    said = facts.heard("mixed-cuda-wheels/symbol")
    hidden = any(shadow.library == "libnccl" for shadow in facts.library_path.shadows)
    if not said or hidden:
        return None
    major = (api.parts(facts.torch.cuda) or (12,))[0]
    listing = api.pip_line(facts.interpreter, "list")
    return facts.worded("mixed-cuda-wheels/from-error", said=said, major=major, pip_list=listing)
