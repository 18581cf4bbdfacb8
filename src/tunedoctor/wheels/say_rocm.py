"""What must be said of a ROCm choice: code against GPU, what rocBLAS lacks, what was only read."""

from tunedoctor.wheels.choice import Said
from tunedoctor.wheels.coverage import first_release, in_none
from tunedoctor.wheels.pick import Found, native_gfx
from tunedoctor.wheels.situation import Situation, names_of

_INDEX = "linux_x86_64"
"""The one platform with ROCm builds on PyTorch's index."""


def about_rocm(s: Situation, best: Found) -> list[Said]:
    """Return what to say of a ROCm build that fits."""
    said = _without_kernels(s)
    if not best.verified and best.row.seen:
        targets = ", ".join(sorted(s.question.gfx))
        why = f"that it holds code for {targets} was read in a build script, not measured"
        said.append(("", why))
    return said


def about_gfx(s: Situation, *, newer: bool) -> list[Said]:
    """Say where the releases asked for hold no code that runs on an AMD GPU."""
    q = s.question
    said = _without_kernels(s)
    lacking = [
        g for g in s.gpus.amd if g.gfx and in_none("rocm", native_gfx(g.gfx), _INDEX, q.torch)
    ]
    if not lacking:
        return said
    names = names_of(lacking)
    inside = f" of torch {q.torch}" if q.torch else ""
    why = f"no ROCm build{inside} holds code for {names}"
    if not _without_kernels(s):
        said.append(("gpu_not_in_this_build", why))
    first = first_release("rocm", frozenset(native_gfx(g.gfx) for g in lacking), _INDEX)
    if newer and first:
        said.append(("gpu_too_new_for_torch", f"the first torch with code for {names} is {first}"))
    return said


def _without_kernels(s: Situation) -> list[Said]:
    old = sorted({g.gfx for g in s.gpus.amd} & {"gfx906", "gfx900"})
    if not old:
        return []
    why = (
        f"rocBLAS holds no kernels for {' and '.join(old)} from ROCm 6.4 on, although torch lists it: rocm6.3 is "
        "the last that works"
    )
    return [("rocblas_dropped_gfx906", why)]
