"""A cuda-compat libcuda is loaded on a card that does not permit it.

What it means
    CUDA images carry a libcuda of their own under /usr/local/cuda/compat, newer than the host's driver. Only
    data-centre cards accept it. On GeForce cards it ends in error 804, though the driver alone would do: a build
    for CUDA 12.x runs on every driver from 525.60.13.

How it is found
    LD_LIBRARY_PATH puts a compat folder first and the card is a GeForce; or CUDA itself said 804.

Cures
    Take the compat folder off the search path, so that the host's libcuda is loaded; or upgrade the driver.

When to ignore it
    On data-centre cards, where it works.

Seen as
    Error 804: forward compatibility was attempted on non supported HW
    forward compatibility was attempted on non supported HW
    cudaErrorCompatNotSupportedOnDevice
"""

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


@check(
    "cuda-compat-unsupported-gpu",
    "A cuda-compat library is loaded that this GPU refuses",
    explains=[
        "driver-library-mismatch",
        "driver-too-old",
        "gpu-does-not-compute",
        "library-path-shadowing",
        "torch-sees-no-gpu",
    ],
)
def cuda_compat_unsupported_gpu(  # noqa: PLR0913  the facts that tell of such a library
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
