import re

from tunedoctor.api import (
    AmdGpu,
    Facts,
    Finding,
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
def gpu_arch_not_in_rocm_build(facts: Facts) -> Finding | None:
    """Compare the targets; integrated GPUs count only where there is no other."""
    if facts.torch and facts.torch.accelerator != "rocm":
        return None
    gpus = _training_gpus(facts)
    archs = _archs(facts)
    override = facts.environment.get("HSA_OVERRIDE_GFX_VERSION")
    lacking = [gpu for gpu in gpus if gpu.gfx and gpu.gfx not in archs] if archs else []
    if not archs and facts.torch and not override and (never := _never(facts.torch, gpus)):
        return _cure(facts, never[0], never[1], ())
    if not lacking or override:
        if archs and gpus:
            return None
        return _from_text(facts, gpus, archs)
    first = lacking[0]
    version = f"torch {facts.torch.version}" if facts.torch else "this PyTorch"
    found = f"{first.name or 'the GPU'} is {first.gfx}; {version} has code for {listed(archs, 16)}"
    return _cure(facts, found, first.gfx, archs)


def _cure(facts: Facts, found: str, gfx: str, archs: tuple[str, ...]) -> Finding:
    override = rocm_override(gfx)
    grade = override.grade if override else "fails"
    fit = rocm_build(facts.host, facts.interpreter, facts.torch, (gfx,))
    windows = facts.host.os == "windows"
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
            cure=set_variable(facts.host, "HSA_OVERRIDE_GFX_VERSION", override.value),
            cure_note=f"in the shell that starts training: {gfx} then runs the code of {override.runs}"
            + (stopgap if grade == "stopgap" else ""),
        )
    fails = (
        f"; an override to {override.value} was seen to fail on {gfx}"
        if override and grade == "fails"
        else ""
    )
    return Finding(found=found, means=MEANS, cure=fit.cure, cure_note=fit.note + fails)


def _training_gpus(facts: Facts) -> list[AmdGpu]:
    gpus = list(facts.amd.gpus)
    if not gpus and facts.runtime:
        gpus = [
            AmdGpu(index=d.index, gfx=d.gfx, name=d.name)
            for d in facts.runtime.devices
            if d.kind == "rocm"
        ]
    return [gpu for gpu in gpus if not gpu.integrated] or gpus


def _archs(facts: Facts) -> tuple[str, ...]:
    for archs in (
        facts.runtime.archs,
        facts.torch.archs,
    ):
        targets = tuple(dict.fromkeys(a.split(":")[0] for a in archs if a.startswith("gfx")))
        if targets:
            return targets
    if not facts.torch or ".dev" in facts.torch.version or ".git" in facts.torch.version:
        return ()  # a nightly has what it has: the table is about releases
    return rocm_archs(facts.torch.version, facts.torch.hip)


def _never(build: TorchBuild, gpus: list[AmdGpu]) -> tuple[str, str] | None:
    """Return what to say of a nightly, and the target, where no release since has code for the first GPU."""
    since = rocm_archs_since(build.version) if ".dev" in build.version else ()
    first = gpus[0] if gpus else None
    if not since or first is None or not first.gfx or first.gfx in since:
        return None
    name = first.name or "the GPU"
    found = f"{name} is {first.gfx}; torch {build.version} is a nightly, and no release since has code for it"
    return found, first.gfx


def _from_text(facts: Facts, gpus: list[AmdGpu], archs: tuple[str, ...]) -> Finding | None:
    said = heard(facts.errors, "gpu-arch-not-in-rocm-build")
    if not said or "current device: 1" in said:
        return None
    named = re.search(r"gfx[0-9a-f]{3,5}(?![0-9a-zA-Z])", said)
    gfx = gpus[0].gfx if gpus else named[0] if named else ""
    version = f" of torch {facts.torch.version}" if facts.torch else ""
    found = f"the error '{said}'{version}{f' on {gfx}' if gfx else ''}"
    if gfx:
        return _cure(facts, found, gfx, archs).saying(said)
    return worded("gpu-arch-not-in-rocm-build", found=found, said=said)
