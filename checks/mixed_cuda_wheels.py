"""NVIDIA runtime wheels of two CUDA majors share one environment.

What it means
    nvidia-nccl-cu12 and nvidia-nccl-cu13 own the same files, and so do the two of cuDNN: the one installed last
    overwrote the other's, and removing one breaks the other. torch then loads a library that lacks its symbols.

How it is found
    The names of installed nvidia-* wheels, and the CUDA of the torch build. Nothing is run.

Cures
    Remove the wheels of the other major, then reinstall those that torch pins.

When to ignore it
    Where libraries of two majors do not collide and another package needs the second.

Seen as
    undefined symbol: ncclCommResume
    undefined symbol: ncclMemFree
    CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH
    cuDNN version incompatibility
"""

from tunedoctor.api import (
    CudaWheel,
    CudaWheels,
    Errors,
    Finding,
    Interpreter,
    TorchBuild,
    Unknown,
    check,
    known,
    listed,
    parts,
    pip_command,
    told,
)

COLLIDE = ("nvidia-nccl", "nvidia-cudnn")
"""Wheels of these for two majors own the same files. Source: their RECORDs."""


@check(
    "mixed-cuda-wheels",
    "NVIDIA wheels of two CUDA majors share this environment",
    explains=[
        "gpu-does-not-compute",
        "library-import-fails",
        "torch-import-crash",
        "torch-sees-no-gpu",
    ],
)
def mixed_cuda_wheels(
    wheels: CudaWheels | Unknown | None,
    torch: TorchBuild | Unknown | None,
    interpreter: Interpreter | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Find one library in two majors; else wheels whose major is not that of torch."""
    have, build = known(wheels), known(torch)
    if have is None:
        return None
    own = (parts(build.cuda) or (0,))[0] if build is not None else 0
    by_library: dict[str, list[CudaWheel]] = {}
    for wheel in have.wheels:
        if wheel.cuda_major:
            by_library.setdefault(_library(wheel.name), []).append(wheel)
    twice = {n: ws for n, ws in by_library.items() if len({w.cuda_major for w in ws}) > 1}
    collide = {n: ws for n, ws in twice.items() if n in COLLIDE}
    said = told(
        errors, r"undefined symbol: nccl\w+", r"CUDNN_STATUS_SUBLIBRARY", r"cuDNN version incompat"
    )
    if collide or twice:
        shown = collide or twice
        keep = own or max(w.cuda_major for ws in shown.values() for w in ws)
        foreign = [w for ws in shown.values() for w in ws if w.cuda_major != keep]
        mine = [w for ws in shown.values() for w in ws if w.cuda_major == keep]
        return Finding(
            severity="error" if collide else "warning",
            found=listed(f"{w.name} {w.version}" for ws in shown.values() for w in ws)
            + (
                f", beside torch {build.version} for CUDA {build.cuda}"
                if build and build.cuda
                else ""
            )
            + (f"; '{said}' was printed" if said else ""),
            means="torch loads the wrong library: 'undefined symbol: nccl…' or a cuDNN version error"
            if collide
            else "two copies of one library can be loaded into one process",
            cure=pip_command(interpreter, "uninstall", "--yes", *(w.name for w in foreign)),
            cure_note="then, since the files were shared: "
            + pip_command(
                interpreter,
                "install",
                "--force-reinstall",
                "--no-deps",
                *(f"{w.name}=={w.version}" for w in mine),
            ),
        )
    foreign = [w for ws in by_library.values() for w in ws if own and w.cuda_major != own]
    mine = [w for ws in by_library.values() for w in ws if w.cuda_major == own]
    nccl = [w for w in foreign if _library(w.name) in COLLIDE]
    if build is None or not nccl or mine:
        return None
    return Finding(
        severity="warning",
        title="NVIDIA wheels are of another CUDA major than torch",
        found=f"torch {build.version} is built for CUDA {build.cuda}; installed are {listed(w.name for w in foreign)}",
        means="import torch stops with 'cannot open shared object file', where no system CUDA stands in",
        cure=pip_command(interpreter, "uninstall", "--yes", *(w.name for w in foreign)),
        cure_note="then reinstall torch with its dependencies",
    )


def _library(name: str) -> str:
    """Return "nvidia-nccl" of "nvidia-nccl-cu12"."""
    head, _, tail = name.rpartition("-cu")
    return head if head and tail.isdigit() else name
