from tunedoctor.api import (
    CudaWheel,
    Facts,
    Finding,
    check,
    listed,
    parts,
    pip,
    pip_line,
    told,
    worded,
)

COLLIDE = ("nvidia-nccl", "nvidia-cudnn")
"""Wheels of these for two majors own the same files. Source: their RECORDs."""
SAID = (r"undefined symbol: nccl\w+", r"CUDNN_STATUS_SUBLIBRARY", r"cuDNN version incompat")
ANEW = ("--force-reinstall", "--no-deps")


@check("mixed-cuda-wheels")
def mixed_cuda_wheels(facts: Facts) -> Finding | None:
    """Find one library in two majors; else wheels whose major is not that of torch."""
    if not facts.cuda_wheels:
        return _from_error(facts)
    own = (parts(facts.torch.cuda) or (0,))[0]
    by_library: dict[str, list[CudaWheel]] = {}
    for wheel in facts.cuda_wheels.wheels:
        if wheel.cuda_major:
            by_library.setdefault(_library(wheel.name), []).append(wheel)
    twice = {n: ws for n, ws in by_library.items() if len({w.cuda_major for w in ws}) > 1}
    collide = {n: ws for n, ws in twice.items() if n in COLLIDE}
    shown = [wheel for ws in (collide or twice or by_library).values() for wheel in ws]
    keep = own or (max(wheel.cuda_major for wheel in shown) if twice else 0)
    foreign = [wheel for wheel in shown if keep and wheel.cuda_major != keep]
    mine = [wheel for wheel in shown if wheel.cuda_major == keep]
    cure = pip(facts.interpreter, "uninstall", *(wheel.name for wheel in foreign))
    if twice:
        again = (f"{wheel.name}=={wheel.version}" for wheel in mine)
        said = told(facts.errors, *SAID)
        return worded(
            "mixed-cuda-wheels:collide" if collide else "mixed-cuda-wheels:twice",
            "mixed-cuda-wheels",
            said=said,
            cure=cure.then(pip(facts.interpreter, "install", *ANEW, *again)),
            wheels=listed(f"{wheel.name} {wheel.version}" for wheel in shown),
            torch=facts.torch.named,
            cuda=facts.torch.cuda,
        )
    if mine or not facts.torch or not any(_library(wheel.name) in COLLIDE for wheel in foreign):
        return None
    return worded(
        "mixed-cuda-wheels/other-major",
        cure=cure,
        torch=facts.torch.named,
        cuda=facts.torch.cuda,
        wheels=listed(wheel.name for wheel in foreign),
    )


def _library(name: str) -> str:
    """Return "nvidia-nccl" of "nvidia-nccl-cu12"."""
    head, _, tail = name.rpartition("-cu")
    return head if head and tail.isdigit() else name


def _from_error(facts: Facts) -> Finding | None:
    """Tell of an NCCL that lacks a symbol, where nobody knows which wheels are there."""
    said = told(facts.errors, SAID[0])
    hidden = any(shadow.library == "libnccl" for shadow in facts.library_path.shadows)
    if not said or hidden:
        return None
    return worded(
        "mixed-cuda-wheels/from-error",
        said=said,
        major=(parts(facts.torch.cuda) or (0 if facts.torch else 12,))[0] or 12,
        pip_list=pip_line(facts.interpreter, "list"),
        interpreter=facts.interpreter,
    )
