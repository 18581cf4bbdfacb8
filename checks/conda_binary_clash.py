from tunedoctor.api import Facts, Finding, at_least, check, cxx_too_old, heard, within, worded


@check("conda-binary-clash")
def conda_binary_clash(facts: Facts) -> Finding | None:
    """Three errors, or conda's MKL beside an old torch of conda."""
    omp = heard(facts.errors, "conda-binary-clash/omp")
    if omp:
        return worded("conda-binary-clash/omp", said=omp)
    cxx = cxx_too_old(facts.errors)
    if cxx is not None and cxx.whose == "conda":
        return worded("conda-binary-clash/old-library", found=cxx.found, said=cxx.said)
    layer = heard(facts.errors, "conda-binary-clash/mkl-fails")
    if layer:
        return worded("conda-binary-clash/mkl-fails", said=layer)
    said = heard(facts.errors, "conda-binary-clash")
    mkl = facts.packages.conda.get("mkl", "").partition(" ")[0]
    old = facts.torch.conda and within(facts.torch.version, "<2.5") is True
    clash = bool(mkl) and old and at_least(mkl, "2024.1")
    if not said and not clash:
        return None
    beside = f"mkl {mkl} beside torch {facts.torch.version} of conda" if mkl and facts.torch else ""
    return worded(
        "conda-binary-clash",
        severity="error" if said else "warning",
        found="; ".join(t for t in (beside, f"the error '{said}'" if said else "") if t),
        said=said,
    )
