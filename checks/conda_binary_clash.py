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
    Packages,
    TorchBuild,
    Unknown,
    at_least,
    check,
    cxx_too_old,
    known,
    tell,
    told,
    within,
)

MKL_FAILS = (
    r"MKL_THREADING_LAYER=\w+ is incompatible with",
    r"Intel (?:one)?MKL (?:FATAL )?ERROR: (?:Cannot load|The specified module)",
    r"libmkl_(?!sycl)\w{1,30}\.so[.\d]{0,4}: cannot open shared object file",
    r"libmkl_\w+\.so(?:\.\d)?: undefined symbol",
)


@check(
    "conda-binary-clash",
    "A binary of conda clashes with this PyTorch",
    explains=["library-import-fails", "torch-import-crash"],
)
def conda_binary_clash(
    packages: Packages | Unknown | None,
    torch: TorchBuild | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Three errors, or conda's MKL beside an old torch of conda."""
    there, build = known(packages), known(torch)
    omp = told(errors, r"OMP: Error #15", r"multiple copies of the OpenMP runtime have been linked")
    if omp:
        return Finding(
            title="Two OpenMP runtimes are loaded into one process",
            found=f"the error '{omp}'",
            said=omp,
            means="the process ends at the import that loads the second one",
            cure=tell("conda install --channel conda-forge nomkl numpy"),
            cure_note="NumPy without MKL; or take NumPy and torch both from pip, in a new venv",
        )
    cxx = cxx_too_old(errors)
    if cxx is not None and cxx.whose == "conda":
        return Finding(
            title="conda's C++ library is older than a binary needs",
            found=cxx.found,
            said=cxx.said,
            means="what imports that binary stops: it was compiled with the system's newer compiler",
            cure=tell("conda install --channel conda-forge libstdcxx-ng"),
            cure_note="the newest of it serves all that is older",
        )
    layer = told(errors, *MKL_FAILS)
    if layer:
        return Finding(
            title="conda's MKL and another OpenMP runtime clash",
            found=f"the error '{layer}'",
            said=layer,
            means="the process ends where NumPy or torch loads MKL",
            cure=tell("conda install --channel conda-forge nomkl numpy"),
            cure_note="NumPy without MKL; or take NumPy and torch both from pip, in a new venv",
        )
    said = told(errors, r"undefined symbol: iJIT_\w+")
    mkl = there.conda.get("mkl", "").partition(" ")[0] if there is not None else ""
    old = build is not None and build.conda and within(build.version, "<2.5") is True
    clash = bool(mkl) and old and at_least(mkl, "2024.1")
    if not said and not clash:
        return None
    beside = f"mkl {mkl} beside torch {build.version} of conda" if mkl and build is not None else ""
    return Finding(
        severity="error" if said else "warning",
        found="; ".join(t for t in (beside, f"the error '{said}'" if said else "") if t),
        said=said,
        means="import torch stops with 'undefined symbol: iJIT_NotifyEvent'",
        cure=tell('conda install "mkl<2024.1"'),
        cure_note="0.2 GB, no reboot",
    )
