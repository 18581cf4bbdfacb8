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


@check("conda-binary-clash")
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
