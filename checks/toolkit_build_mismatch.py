import re

from tunedoctor.api import (
    Compilers,
    Errors,
    Finding,
    Known,
    Packages,
    TorchBuild,
    check,
    heard,
    if_heard,
    matched,
    parts,
    set_variable,
    tell,
    worded,
)


@check("toolkit-build-mismatch")
def toolkit_build_mismatch(
    compilers: Known[Compilers],
    torch: Known[TorchBuild],
    packages: Known[Packages],
    errors: Known[Errors],
) -> Finding | None:
    """Believe an error first; versions alone are a note, and only beside DeepSpeed."""
    said = heard(errors, "toolkit-build-mismatch/host", "toolkit-build-mismatch")
    nvcc_said = (f"toolkit-build-mismatch/{one}" for one in ("host", "arch", "standard"))
    if refused := if_heard(errors, *nvcc_said):
        return refused
    if own := matched(errors, "toolkit-build-mismatch/own-build"):
        return _newer_nvcc(own["symbol"], own["library"], torch)
    cuda = torch.cuda if torch is not None else ""
    nvcc = compilers.nvcc_version if compilers is not None else ""
    differ = bool(cuda and nvcc) and parts(cuda)[:1] != parts(nvcc)[:1]
    if not said and not (differ and packages is not None and packages.get("deepspeed")):
        return None
    wanted = re.search(r"PyTorch \(([\d.]+)\)|compiled with ([\d.]+\d)", said)
    release = ".".join(map(str, parts(cuda)[:2])) or (wanted[1] or wanted[2] if wanted else "")
    found = f"nvcc is of CUDA {nvcc}, torch of CUDA {cuda}" if differ else f"the error '{said}'"
    return worded(
        "toolkit-build-mismatch",
        "toolkit-build-mismatch:release" if release else "toolkit-build-mismatch:else",
        severity="error" if said else "note",
        found=found + (f"; '{said}' was printed" if said and differ else ""),
        said=said,
        evidence=(compilers.nvcc,) if compilers is not None and compilers.nvcc else (),
        release=release,
    )


def _newer_nvcc(symbol: str, library: str, torch: TorchBuild | None) -> Finding:
    """Tell of an extension compiled here by an nvcc that is newer than the CUDA runtime beside torch."""
    said = f"undefined symbol: {symbol}, version {library}"
    own = f" {torch.cuda}" if torch is not None and torch.cuda else ""
    return worded(
        "toolkit-build-mismatch/newer-nvcc",
        said=said,
        cure=set_variable(None, "CUDA_HOME", f"/usr/local/cuda-{own.strip()}")
        if own
        else tell("python -c 'import torch; print(torch.version.cuda)'"),
        cure_note=f"with the CUDA toolkit{own or ' of that release'} installed and CUDA_HOME pointing to it; then "
        "remove the folder of the file, which is compiled anew",
        library=library,
    )
