"""The ROCm build of PyTorch has no code for the AMD GPU.

What it means
    A ROCm build contains code objects for a list of gfx targets. A GPU that is not among them is counted as
    available, and its first kernel fails. RX 6600 to 6750 (gfx1031, gfx1032) run the code of gfx1030 when
    HSA_OVERRIDE_GFX_VERSION says so, and gfx1101 and gfx1102 that of gfx1100.

How it is found
    The kernel names the target of each GPU; the list stands in the binary or in the table of wheels.

Cures
    The override, where it is accepted practice; else a build with the target: of PyTorch's index, or AMD's own.

When to ignore it
    Where the GPU is an integrated one that training leaves alone.

Seen as
    HIP error: invalid device function
    rocBLAS error: Cannot read TensileLibrary.dat for GPU arch
    no kernel image is available for execution on the device
"""

import re

from tunedoctor.api import (
    AmdGpu,
    AmdGpus,
    Environment,
    Errors,
    Finding,
    Host,
    Interpreter,
    Known,
    Runtime,
    TorchBuild,
    check,
    heard,
    listed,
    rocm_archs,
    rocm_archs_since,
    rocm_build,
    rocm_override,
    set_variable,
    worded,
)

MEANS = "the first kernel fails with 'HIP error: invalid device function', or the process crashes"


@check(
    "gpu-arch-not-in-rocm-build",
    "This PyTorch has no code for this AMD GPU",
    explains=["gpu-does-not-compute", "torch-sees-no-gpu"],
)
def gpu_arch_not_in_rocm_build(  # noqa: PLR0913  build, GPUs and override
    torch: Known[TorchBuild],
    amd: Known[AmdGpus],
    environment: Known[Environment],
    runtime: Known[Runtime],
    host: Known[Host],
    interpreter: Known[Interpreter],
    errors: Known[Errors],
) -> Finding | None:
    """Compare the targets; integrated GPUs count only where there is no other."""
    if torch is not None and torch.accelerator != "rocm":
        return None
    gpus = _training_gpus(amd, runtime)
    archs = _archs(torch, runtime)
    override = environment.get("HSA_OVERRIDE_GFX_VERSION") if environment else None
    lacking = [gpu for gpu in gpus if gpu.gfx and gpu.gfx not in archs] if archs else []
    if not archs and torch is not None and not override and (never := _never(torch, gpus)):
        return _cure(never[0], never[1], (), torch, host, interpreter)
    if not lacking or override:
        if archs and gpus:
            return None
        return _from_text(torch, gpus, archs, errors, host, interpreter)
    first = lacking[0]
    version = f"torch {torch.version}" if torch else "this PyTorch"
    found = f"{first.name or 'the GPU'} is {first.gfx}; {version} has code for {listed(archs, 16)}"
    return _cure(found, first.gfx, archs, torch, host, interpreter)


def _cure(  # noqa: PLR0913  the GPU, and what decides the build
    found: str,
    gfx: str,
    archs: tuple[str, ...],
    build: TorchBuild | None,
    host: Host | None,
    interpreter: Interpreter | None,
) -> Finding:
    override = rocm_override(gfx)
    grade = override.grade if override else "fails"
    fit = rocm_build(host, interpreter, build, (gfx,))
    windows = host is not None and host.os == "windows"
    if (
        override
        and (grade in ("works", "older") or (grade == "stopgap" and not fit.on_index))
        and (override.runs in archs or not archs)
        and not windows
    ):
        stopgap = "; a stopgap until a build with the target is installed"
        return Finding(
            found=found,
            means=MEANS,
            cure=set_variable(host, "HSA_OVERRIDE_GFX_VERSION", override.value),
            cure_note=f"in the shell that starts training: {gfx} then runs the code of {override.runs}"
            + (stopgap if grade == "stopgap" else ""),
        )
    fails = (
        f"; an override to {override.value} was seen to fail on {gfx}"
        if override and grade == "fails"
        else ""
    )
    return Finding(found=found, means=MEANS, cure=fit.cure, cure_note=fit.note + fails)


def _training_gpus(amd: AmdGpus | None, run: Runtime | None) -> list[AmdGpu]:
    gpus = list(amd.gpus) if amd else []
    if not gpus and run is not None:
        gpus = [
            AmdGpu(index=d.index, gfx=d.gfx, name=d.name) for d in run.devices if d.kind == "rocm"
        ]
    return [gpu for gpu in gpus if not gpu.integrated] or gpus


def _archs(build: TorchBuild | None, run: Runtime | None) -> tuple[str, ...]:
    for archs in (run.archs if run else (), build.archs if build else ()):
        targets = tuple(dict.fromkeys(a.split(":")[0] for a in archs if a.startswith("gfx")))
        if targets:
            return targets
    if build is None or ".dev" in build.version or ".git" in build.version:
        return ()  # a nightly has what it has: the table is about releases
    return rocm_archs(build.version, build.hip)


def _never(build: TorchBuild, gpus: list[AmdGpu]) -> tuple[str, str] | None:
    """Return what to say of a nightly, and the target, where no release since has code for the first GPU."""
    since = rocm_archs_since(build.version) if ".dev" in build.version else ()
    first = gpus[0] if gpus else None
    if not since or first is None or not first.gfx or first.gfx in since:
        return None
    name = first.name or "the GPU"
    found = f"{name} is {first.gfx}; torch {build.version} is a nightly, and no release since has code for it"
    return found, first.gfx


def _from_text(  # noqa: PLR0913  the error, and what _cure takes
    build: TorchBuild | None,
    gpus: list[AmdGpu],
    archs: tuple[str, ...],
    errors: Errors | None,
    host: Host | None,
    interpreter: Interpreter | None,
) -> Finding | None:
    said = heard(errors, "gpu-arch-not-in-rocm-build")
    if not said or "current device: 1" in said:
        return None
    named = re.search(r"gfx[0-9a-f]{3,5}(?![0-9a-zA-Z])", said)
    gfx = gpus[0].gfx if gpus else named[0] if named else ""
    version = f" of torch {build.version}" if build else ""
    found = f"the error '{said}'{version}{f' on {gfx}' if gfx else ''}"
    if gfx:
        return _cure(found, gfx, archs, build, host, interpreter).saying(said)
    return worded("gpu-arch-not-in-rocm-build", found=found, said=said)
