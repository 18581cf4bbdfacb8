from tunedoctor import api

ID = "gpu-arch-not-in-rocm-build"


@api.check(ID)
def gpu_arch_not_in_rocm_build(facts: api.Facts) -> api.Finding | None:
    """Compare the targets; integrated GPUs count only where there is no other."""
    if facts.torch and facts.torch.accelerator != "rocm":
        return None
    ran = [d for d in facts.runtime.devices if d.kind == "rocm"]
    seen = (api.AmdGpu(index=d.index, gfx=d.gfx, name=d.name) for d in ran)
    every = [*(facts.amd.gpus or seen)]
    gpus = [gpu for gpu in every if not gpu.integrated] or every
    version = facts.torch.version
    # a nightly has what it has: the table is about releases
    dated = not version or ".dev" in version or ".git" in version
    archs = api.gfx_targets(facts) or (() if dated else api.rocm_archs(version, facts.torch.hip))
    override = facts.environment.get("HSA_OVERRIDE_GFX_VERSION")
    first = next((gpu for gpu in gpus if gpu.gfx and gpu.gfx not in archs), None)
    name = f"{first.name or 'the GPU'} is {first.gfx}" if first else ""
    torch = facts.torch.named if facts.torch else "this PyTorch"
    if not archs and not override and gpus[:1] == [first] and first:
        since = api.rocm_archs_since(version) if ".dev" in version else ()
        if since and first.gfx not in since:
            found = f"{name}; {torch} is a nightly, and no release since has code for it"
            return _cure(facts, found, first.gfx, ())
    if archs and first and not override:
        found = f"{name}; {torch} has code for {api.listed(archs, 16)}"
        return _cure(facts, found, first.gfx, archs)
    return None if archs and gpus else _from_text(facts, gpus, archs)


def _cure(facts: api.Facts, found: str, gfx: str, archs: tuple[str, ...]) -> api.Finding:
    override = api.rocm_override(gfx)
    grade = override.grade if override else ""
    fit = api.rocm_build(facts.host, facts.interpreter, facts.torch, (gfx,))
    use = grade in ("works", "older") or (grade == "stopgap" and not fit.on_index)
    known = override is not None and (override.runs in archs or not archs)
    if override and known and use and facts.host.os != "windows":
        stopgap = "a stopgap" if grade == "stopgap" else ""
        key = "gpu-arch-not-in-rocm-build/override"
        return facts.worded(key, found=found, gfx=gfx, to=override, stopgap=stopgap)
    failed = override.value if override and grade == "fails" else ""
    key, cure = "gpu-arch-not-in-rocm-build/build", fit.cure
    return facts.worded(key, found=found, cure=cure, note=fit.note, gfx=gfx, failed=failed)


def _from_text(
    facts: api.Facts, gpus: list[api.AmdGpu], archs: tuple[str, ...]
) -> api.Finding | None:
    said = facts.heard(ID)
    if not said or "current device: 1" in said:
        return None
    named = api.expression("gpu-arch-not-in-rocm-build/gfx").search(said)
    gfx = gpus[0].gfx if gpus else named[0] if named else ""
    found = f"the error '{said}'" + (f" of {facts.torch.named}" if facts.torch else "")
    if gfx:
        return _cure(facts, f"{found} on {gfx}", gfx, archs).saying(said)
    return facts.worded(ID, found=found, said=said)
