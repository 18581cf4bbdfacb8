from tunedoctor import api


@api.check("conda-binary-clash")
def conda_binary_clash(facts: api.Facts) -> api.Finding | None:
    """Three errors, or conda's MKL beside an old torch of conda."""
    if omp := facts.if_heard("conda-binary-clash/omp"):
        return omp
    cxx = api.cxx_too_old(facts.errors)
    if cxx is not None and cxx.whose == "conda":
        return facts.worded("conda-binary-clash/old-library", found=cxx.found, said=cxx.said)
    if layer := facts.if_heard("conda-binary-clash/mkl-fails"):
        return layer
    said = facts.heard("conda-binary-clash")
    mkl = facts.packages.conda.get("mkl", "").partition(" ")[0]
    old = facts.torch.conda and api.within(facts.torch.version, "<2.5")
    if not said and not (mkl and old and api.at_least(mkl, "2024.1")):
        return None
    case = "" if mkl and facts.torch else "conda-binary-clash:unseen"
    return facts.worded(case, "conda-binary-clash", said=said, mkl=mkl)
