import re

from tunedoctor.api import (
    Facts,
    Finding,
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
def toolkit_build_mismatch(facts: Facts) -> Finding | None:
    """Believe an error first; versions alone are a note, and only beside DeepSpeed."""
    said = heard(facts.errors, "toolkit-build-mismatch/host", "toolkit-build-mismatch")
    nvcc_said = (f"toolkit-build-mismatch/{one}" for one in ("host", "arch", "standard"))
    if refused := if_heard(facts.errors, *nvcc_said):
        return refused
    if own := matched(facts.errors, "toolkit-build-mismatch/own-build"):
        return _newer_nvcc(facts, own["symbol"], own["library"])
    cuda = facts.torch.cuda
    nvcc = facts.compilers.nvcc_version
    differ = bool(cuda and nvcc) and parts(cuda)[:1] != parts(nvcc)[:1]
    if not said and not (differ and facts.packages.get("deepspeed")):
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
        evidence=(facts.compilers.nvcc,) if facts.compilers.nvcc else (),
        release=release,
    )


def _newer_nvcc(facts: Facts, symbol: str, library: str) -> Finding:
    """Tell of an extension compiled here by an nvcc that is newer than the CUDA runtime beside torch."""
    said = f"undefined symbol: {symbol}, version {library}"
    own = f" {facts.torch.cuda}" if facts.torch.cuda else ""
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
