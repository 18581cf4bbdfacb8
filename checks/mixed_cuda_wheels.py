from tunedoctor.api import (
    CudaWheel,
    Facts,
    Finding,
    check,
    listed,
    parts,
    pip,
    python,
    told,
    worded,
)

COLLIDE = ("nvidia-nccl", "nvidia-cudnn")
"""Wheels of these for two majors own the same files. Source: their RECORDs."""


SAID = (
    r"undefined symbol: nccl\w+",
    r"CUDNN_STATUS_SUBLIBRARY",
    r"cuDNN version incompat",
)


@check("mixed-cuda-wheels")
def mixed_cuda_wheels(facts: Facts) -> Finding | None:
    """Find one library in two majors; else wheels whose major is not that of torch."""
    said = told(facts.errors, *SAID)
    if not facts.cuda_wheels:
        nccl_said = told(facts.errors, SAID[0])
        hidden = any(s.library == "libnccl" for s in facts.library_path.shadows)
        return _from_error(facts, nccl_said) if nccl_said and not hidden else None
    own = (parts(facts.torch.cuda) or (0,))[0]
    by_library: dict[str, list[CudaWheel]] = {}
    for wheel in facts.cuda_wheels.wheels:
        if wheel.cuda_major:
            by_library.setdefault(_library(wheel.name), []).append(wheel)
    twice = {n: ws for n, ws in by_library.items() if len({w.cuda_major for w in ws}) > 1}
    collide = {n: ws for n, ws in twice.items() if n in COLLIDE}
    if collide or twice:
        shown = collide or twice
        keep = own or max(w.cuda_major for ws in shown.values() for w in ws)
        foreign = [w for ws in shown.values() for w in ws if w.cuda_major != keep]
        mine = [w for ws in shown.values() for w in ws if w.cuda_major == keep]
        return worded(
            "mixed-cuda-wheels:collide" if collide else "mixed-cuda-wheels:twice",
            found=listed(f"{w.name} {w.version}" for ws in shown.values() for w in ws)
            + (
                f", beside torch {facts.torch.version} for CUDA {facts.torch.cuda}"
                if facts.torch.cuda
                else ""
            )
            + (f"; '{said}' was printed" if said else ""),
            said=said,
            cure=pip(facts.interpreter, "uninstall", *(w.name for w in foreign)).then(
                pip(
                    facts.interpreter,
                    "install",
                    "--force-reinstall",
                    "--no-deps",
                    *(f"{w.name}=={w.version}" for w in mine),
                )
            ),
        )
    foreign = [w for ws in by_library.values() for w in ws if own and w.cuda_major != own]
    mine = [w for ws in by_library.values() for w in ws if w.cuda_major == own]
    nccl = [w for w in foreign if _library(w.name) in COLLIDE]
    if not facts.torch or not nccl or mine:
        return None
    return worded(
        "mixed-cuda-wheels/other-major",
        found=f"torch {facts.torch.version} is built for CUDA {facts.torch.cuda}; "
        f"installed are {listed(w.name for w in foreign)}",
        cure=pip(facts.interpreter, "uninstall", *(w.name for w in foreign)),
    )


def _library(name: str) -> str:
    """Return "nvidia-nccl" of "nvidia-nccl-cu12"."""
    head, _, tail = name.rpartition("-cu")
    return head if head and tail.isdigit() else name


def _from_error(facts: Facts, said: str) -> Finding:
    """Tell of an NCCL that lacks a symbol, where nobody knows which wheels are there."""
    major = (parts(facts.torch.cuda) or (12,))[0]
    return worded(
        "mixed-cuda-wheels/from-error",
        said=said,
        settle=f"{python(facts.interpreter)} -m pip list | grep -i nvidia; echo $LD_LIBRARY_PATH",
        major=major,
        interpreter=facts.interpreter,
    )
