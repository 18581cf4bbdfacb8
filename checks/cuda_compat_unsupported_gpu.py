from tunedoctor.api import (
    Cure,
    Environment,
    Errors,
    Finding,
    Known,
    LibraryPath,
    NvidiaAnswer,
    NvidiaDriver,
    NvidiaGpus,
    Runtime,
    check,
    heard,
    parts,
    set_variable,
    worded,
)


@check("cuda-compat-unsupported-gpu")
def cuda_compat_unsupported_gpu(
    errors: Known[Errors],
    gpus: Known[NvidiaGpus],
    paths: Known[LibraryPath],
    driver: Known[NvidiaDriver],
    environment: Known[Environment],
    runtime: Known[Runtime],
    answer: Known[NvidiaAnswer],
) -> Finding | None:
    """Error 804 decides; so does a libcuda from a compat folder, newer than the module, on a GeForce card."""
    if runtime is not None and runtime.gpu_works:
        return None
    said = heard(errors, "cuda-compat-unsupported-gpu")
    file = _compat_file(paths, driver)
    geforce = [card.name for card in gpus.gpus if "GeForce" in card.name] if gpus else []
    if not said and not (file and geforce):
        return None
    if answer is not None and 18 in (answer.nvml_code, answer.smi_code) and not file:
        # the driver's own libcuda, newer than the module that is still loaded, ends in 804 too
        return None
    where = f"; {file} is found first" if file else ""
    version = f" under driver {driver.version}" if driver else ""
    subject = geforce[0] if geforce else "the GPU"
    return worded(
        "cuda-compat-unsupported-gpu",
        found=f"{subject}{version}{where}" if not said else f"the error '{said}'{version}{where}",
        said=said,
        cure=_without_compat((environment.get("LD_LIBRARY_PATH") if environment else None) or ""),
        evidence=(file,) if file else (),
    )


def _compat_file(paths: LibraryPath | None, module: NvidiaDriver | None) -> str:
    """Return the libcuda of a compat folder that the loader finds first, where it is newer than the module."""
    for shadow in paths.shadows if paths else ():
        if shadow.library == "libcuda" and "/compat" in shadow.path:
            newer = not (shadow.version and module) or parts(shadow.version) > parts(module.version)
            return shadow.path if newer else ""
    return ""


def _without_compat(value: str) -> Cure:
    kept = [folder for folder in value.split(":") if folder and "/compat" not in folder]
    return set_variable(None, "LD_LIBRARY_PATH", ":".join(kept) or None)
