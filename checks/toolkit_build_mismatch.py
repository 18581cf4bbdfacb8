from tunedoctor import api


@api.check("toolkit-build-mismatch")
def toolkit_build_mismatch(facts: api.Facts) -> api.Finding | None:
    """Believe an error first; versions alone are a note, and only beside DeepSpeed."""
    nvcc_said = (f"toolkit-build-mismatch/{one}" for one in ("host", "arch", "standard"))
    if refused := facts.if_heard(*nvcc_said):
        return refused
    cuda, nvcc = facts.torch.cuda, facts.compilers.nvcc_version
    if own := facts.matched("toolkit-build-mismatch/own-build"):
        # an extension compiled here by an nvcc that is newer than the CUDA runtime beside torch
        case = "toolkit-build-mismatch/newer-nvcc:home" if cuda else ""
        said = f"undefined symbol: {own['symbol']}, version {own['library']}"
        key, library = "toolkit-build-mismatch/newer-nvcc", own["library"]
        return facts.worded(case, key, said=said, library=library)
    said = facts.heard("toolkit-build-mismatch")
    differ = bool(cuda and nvcc) and api.parts(cuda)[:1] != api.parts(nvcc)[:1]
    if not said and not (differ and facts.packages.get("deepspeed")):
        return None
    wanted = api.expression("toolkit-build-mismatch/wanted").search(said)
    release = ".".join(map(str, api.parts(cuda)[:2])) or (wanted[1] or wanted[2] if wanted else "")
    return facts.worded(
        "toolkit-build-mismatch:differ" if differ else "",
        "toolkit-build-mismatch:release" if release else "toolkit-build-mismatch:else",
        said=said,
        release=release,
    )
