from tunedoctor import api

WHEEL = {
    "cudart": "cuda-runtime",
    "cublasLt": "cublas",
    "nvJitLink": "nvjitlink",
    "nvrtc": "cuda-nvrtc",
    "cupti": "cuda-cupti",
    "cusparseLt": "cusparselt",
    "nvToolsExt": "nvtx",
    "nvshmem_host": "nvshmem",
}
LOADERS = ("torch", "nvidia")
"""They load what others bring."""
ANEW = ("--force-reinstall", "--no-deps")


@api.check("cuda-library-missing")
def cuda_library_missing(facts: api.Facts) -> api.Finding | None:
    """Believe an error first; then what torch requires and does not have, if it was not seen to import."""
    lost = _required(facts)
    for error in facts.errors.errors:
        for kind in ("missing", "any-of"):
            if found := api.expression(f"cuda-library-missing/{kind}").search(error.text):
                library = next(filter(None, found.groups()))
                return _from_error(facts, library, _importer(error), lost)
    # the linker's error in a build: what follows, a module that is not found, is its result
    if linker := facts.matched("cuda-library-missing/linker"):
        return facts.worded("cuda-library-missing/unlinked", said=linker[0], what=linker[1])
    stage = facts.runtime.stage("import torch")
    if not lost or (stage is not None and stage.outcome == "ok"):
        return None
    wanted = [one.wanted for one in lost]
    verb, by = "are" if wanted[1:] else "is", lost[0].owner.version
    cure = facts.pip("install", *wanted)
    return facts.worded("cuda-library-missing", cure=cure, by=by, wanted=wanted, verb=verb)


def _required(facts: api.Facts) -> list[api.Unmet]:
    """Return the nvidia-* wheels that a CUDA build of torch requires and does not get; conda brings them itself."""
    if facts.torch.accelerator != "cuda" or facts.torch.conda:
        return []
    every = api.unmet(facts.packages, facts.interpreter, facts.host, facts.torch, names=("torch",))
    return [one for one in every if one.name.startswith("nvidia-") and not one.installed]


def _from_error(facts: api.Facts, library: str, package: str, lost: list[api.Unmet]) -> api.Finding:
    stem, _, number = library.removeprefix("lib").partition(".so")
    major = number.strip(".").split(".")[0]
    own = str((api.parts(facts.torch.cuda) or ("",))[0])
    module = api.brought_by(package)
    # of these alone the number of the file is that of CUDA
    numbered = stem.startswith(("cudart", "cublas")) and major.isdigit()
    if stem in ("torch_cuda", "c10_cuda"):
        case, cure = "no-cuda-build", facts.pip("uninstall", module) if package else None
    elif own and numbered and major != own:
        case, cure = "other-major", facts.pip("install", *ANEW, module) if package else None
    elif not own and not lost and package != "torch":
        case, cure = "nameless", None
        if package:
            case, cure = "unknown", facts.pip("install", *ANEW, module)
    else:
        wheel = f"nvidia-{WHEEL.get(stem, stem.partition('_')[0])}" + (f"-cu{own}" if own else "")
        needed = [one.wanted for one in lost] or ([wheel] if own in ("11", "12") else ["torch"])
        case, cure = "wheel", facts.pip("install", "--force-reinstall", *needed)
    return facts.worded(
        f"cuda-library-missing/{case}",
        "cuda-library-missing/stops",
        cure=cure,
        library=library,
        what=f"import {package}" if package else "an import",
        own=own,
    )


def _importer(error: api.ErrorText) -> str:
    """Return the module whose own library wants the one that is missing; "" where nothing tells of a known one.

    No name of a module is given to pip that is not known to be a package's.
    """
    if error.where.startswith("import "):
        return error.where.removeprefix("import ")
    installed = api.expression("cuda-library-missing/installed")
    files = [*(frame.file for frame in error.frames), error.text]
    tops = [top for file in files for top in installed.findall(file)]
    others = [top for top in reversed(tops) if top not in LOADERS]
    if not others:
        return "torch" if tops else ""
    return next((top for top in others if api.distribution_of(top)), "")
