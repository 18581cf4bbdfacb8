from tunedoctor.api import (
    Cure,
    Facts,
    Finding,
    check,
    heard,
    parts,
    set_variable,
    worded,
)


@check("cuda-compat-unsupported-gpu")
def cuda_compat_unsupported_gpu(facts: Facts) -> Finding | None:
    """Error 804 decides; so does a libcuda from a compat folder, newer than the module, on a GeForce card."""
    if facts.runtime.gpu_works:
        return None
    said = heard(facts.errors, "cuda-compat-unsupported-gpu")
    file = _compat_file(facts)
    geforce = [card.name for card in facts.nvidia.gpus if "GeForce" in card.name]
    if not said and not (file and geforce):
        return None
    if 18 in (facts.nvidia_answer.nvml_code, facts.nvidia_answer.smi_code) and not file:
        # the driver's own libcuda, newer than the module that is still loaded, ends in 804 too
        return None
    where = f"; {file} is found first" if file else ""
    version = f" under driver {facts.nvidia_driver.version}" if facts.nvidia_driver else ""
    subject = geforce[0] if geforce else "the GPU"
    return worded(
        "cuda-compat-unsupported-gpu",
        found=f"{subject}{version}{where}" if not said else f"the error '{said}'{version}{where}",
        said=said,
        cure=_without_compat((facts.environment.get("LD_LIBRARY_PATH")) or ""),
        evidence=(file,) if file else (),
    )


def _compat_file(facts: Facts) -> str:
    """Return the libcuda of a compat folder that the loader finds first, where it is newer than the module."""
    for shadow in facts.library_path.shadows:
        if shadow.library == "libcuda" and "/compat" in shadow.path:
            newer = not (shadow.version and facts.nvidia_driver) or parts(shadow.version) > parts(
                facts.nvidia_driver.version
            )
            return shadow.path if newer else ""
    return ""


def _without_compat(value: str) -> Cure:
    kept = [folder for folder in value.split(":") if folder and "/compat" not in folder]
    return set_variable(None, "LD_LIBRARY_PATH", ":".join(kept) or None)
