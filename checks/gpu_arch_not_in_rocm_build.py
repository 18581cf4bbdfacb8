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


@check("gpu-arch-not-in-rocm-build")
def gpu_arch_not_in_rocm_build(
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


def _cure(
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


def _from_text(
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
