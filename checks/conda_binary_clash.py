"""A binary of conda clashes with the torch build.

What it means
    MKL 2024.1 dropped symbols that conda's torch before 2.5 wants. And two OpenMP runtimes in one process, conda's
    MKL and torch's own, stop it at the second.

How it is found
    conda's list of packages beside a torch from conda; and errors that name the symbol or OMP.

Cures
    An older MKL, or one source for NumPy and torch.

When to ignore it
    Never where an error names it. KMP_DUPLICATE_LIB_OK hides the second fault and can give wrong numbers.

Seen as
    libtorch_cpu.so: undefined symbol: iJIT_NotifyEvent
    undefined symbol: iJIT_IsProfilingActive
    OMP: Error #15: Initializing libiomp5.dylib, but found libomp.dylib already initialized
    /home/u/miniconda3/envs/x/bin/../lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found
"""

from tunedoctor.api import (
    Errors,
    Finding,
    Known,
    Packages,
    TorchBuild,
    at_least,
    check,
    cxx_too_old,
    heard,
    within,
    worded,
)


@check(
    "conda-binary-clash",
    "A binary of conda clashes with this PyTorch",
    explains=["library-import-fails", "torch-import-crash"],
)
def conda_binary_clash(
    packages: Known[Packages],
    torch: Known[TorchBuild],
    errors: Known[Errors],
) -> Finding | None:
    """Three errors, or conda's MKL beside an old torch of conda."""
    omp = heard(errors, "conda-binary-clash/omp")
    if omp:
        return worded("conda-binary-clash/omp", said=omp)
    cxx = cxx_too_old(errors)
    if cxx is not None and cxx.whose == "conda":
        return worded("conda-binary-clash/old-library", found=cxx.found, said=cxx.said)
    layer = heard(errors, "conda-binary-clash/mkl-fails")
    if layer:
        return worded("conda-binary-clash/mkl-fails", said=layer)
    said = heard(errors, "conda-binary-clash")
    mkl = packages.conda.get("mkl", "").partition(" ")[0] if packages is not None else ""
    old = torch is not None and torch.conda and within(torch.version, "<2.5") is True
    clash = bool(mkl) and old and at_least(mkl, "2024.1")
    if not said and not clash:
        return None
    beside = f"mkl {mkl} beside torch {torch.version} of conda" if mkl and torch is not None else ""
    return worded(
        "conda-binary-clash",
        severity="error" if said else "warning",
        found="; ".join(t for t in (beside, f"the error '{said}'" if said else "") if t),
        said=said,
    )
