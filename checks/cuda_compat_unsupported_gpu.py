from tunedoctor import api


@api.check("cuda-compat-unsupported-gpu")
def cuda_compat_unsupported_gpu(facts: api.Facts) -> api.Finding | None:
    """Error 804 decides; so does a libcuda from a compat folder, newer than the module, on a GeForce card."""
    if facts.runtime.gpu_works:
        return None
    said, file = facts.heard("cuda-compat-unsupported-gpu"), _compat_file(facts)
    geforce = [card.name for card in facts.nvidia.gpus if "GeForce" in card.name]
    # the driver's own libcuda, newer than the module that is still loaded, ends in 804 too
    if not file and (not said or facts.nvidia_answer.says(18)):
        return None
    if not said and not geforce:
        return None
    folders = (facts.environment.get("LD_LIBRARY_PATH") or "").split(":")
    kept = ":".join(folder for folder in folders if folder and "/compat" not in folder)
    cure = api.set_variable(None, "LD_LIBRARY_PATH", kept or None)
    subject = f"the error '{said}'" if said else geforce[0]
    key = "cuda-compat-unsupported-gpu"
    return facts.worded(key, said=said, cure=cure, subject=subject, file=file)


def _compat_file(facts: api.Facts) -> str:
    """Return the libcuda of a compat folder that the loader finds first, where it is newer than the module."""
    for shadow in facts.library_path.shadows:
        if shadow.library == "libcuda" and "/compat" in shadow.path:
            own = api.parts(facts.nvidia_driver.version)
            newer = not (shadow.version and own) or api.parts(shadow.version) > own
            return shadow.path if newer else ""
    return ""
