from tunedoctor import api

FROM_ERROR = "library-path-shadowing/from-error"
SUBLIBRARY = "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH"
"""Parts of two cuDNNs are loaded: one of a search path or of the system, or of wheels that do not go together."""
EITHER_WAY = frozenset({"libstdc++", "libgomp", "libiomp5"})
"""Newer is as good as the own one: only an older one breaks."""


@api.check("library-path-shadowing")
def library_path_shadowing(facts: api.Facts) -> api.Finding | None:
    """Compare the versions of the file that wins and of the wheel's own."""
    cxx = api.cxx_too_old(facts.errors, conda=facts.interpreter.kind == "conda")
    if cxx is not None and cxx.whose == "system before conda":
        return facts.worded("library-path-shadowing/cxx", found=cxx.found, said=cxx.said)
    said = facts.heard("library-path-shadowing") or facts.heard("library-path-shadowing/sublibrary")
    shadows = [shadow for shadow in facts.library_path.shadows if _matters(shadow)]
    if not shadows:
        case = "library-path-shadowing/from-error:open" if _open(facts, said) else ""
        return facts.worded(FROM_ERROR, case, said=said) if said else None
    first = next((s for s in shadows if s.library == "libcuda"), shadows[0])
    stages = {stage.outcome for stage in facts.runtime.stages}
    gpu_build = facts.torch.accelerator in ("cuda", "rocm")
    # it was run and everything on the GPU went well: the foreign library does
    fine = facts.runtime.gpu_available is True and stages <= {"ok"}
    stub = first.library == "libcuda"
    used, broken = gpu_build or facts.cuda_wheels or stub, not fine
    if not first.own and not stub:
        # nothing to compare with: it stands in for the wheel's own, or for one that was taken out
        if not _wheel_of_pytorch(facts) or (gpu_build and fine):
            it_is = f"{said}'; it is '{first.path}"
            return facts.worded(FROM_ERROR, said=it_is) if said else None
        used, broken = gpu_build, bool(stages & {"failed", "crashed"})
    return facts.worded(
        "library-path-shadowing:stub" if stub else "library-path-shadowing:foreign",
        "library-path-shadowing",
        severity="error" if used and broken else "warning" if used else "note",
        evidence=tuple(shadow.path for shadow in shadows[:4]),
        first=first,
        own=first.own or ("the driver's own" if stub else "any that torch brings"),
        others=[shadow.library for shadow in shadows if shadow is not first],
        ends=f"'{said}'" if said else "'undefined symbol', or a cuDNN error in the first step",
    )


def _wheel_of_pytorch(facts: api.Facts) -> bool:
    """Tell a release wheel, which brings its own cuDNN, from builds of conda and of vendors."""
    version = None if facts.torch.conda else api.pep440(facts.torch.version)
    plain = version is not None and not version.is_prerelease
    return plain and api.release_row(facts.torch.version) is not None


def _matters(shadow: api.LibraryShadow) -> bool:
    """Tell a library that differs, or that nobody can compare, from one of the same version."""
    mine, theirs = api.parts(shadow.own_version), api.parts(shadow.version)
    if shadow.library in EITHER_WAY:
        return bool(mine and theirs) and theirs < mine
    size = min(len(mine), len(theirs))
    return size < 2 or mine[:size] != theirs[:size]


def _open(facts: api.Facts, said: str) -> bool:
    """Tell where a text shows neither a search path nor wheels of two releases."""
    shown = facts.environment.get("LD_LIBRARY_PATH") or ""
    if SUBLIBRARY in said and not api.expression("library-path-shadowing/of-cuda").search(shown):
        shown = ""
    told_ = "stub" in said or facts.heard("library-path-shadowing/open")
    return not shown and not told_
