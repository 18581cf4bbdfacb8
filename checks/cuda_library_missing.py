from tunedoctor.api import (
    ErrorText,
    Facts,
    Finding,
    Unmet,
    advise,
    check,
    distribution_of,
    expression,
    listed,
    parts,
    pip,
    tell,
    unmet,
    worded,
)

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
NOT_NAMED_SO = (
    "cudnn",
    "nccl",
    "cufft",
    "curand",
    "cusolver",
    "cusparse",
    "cusparseLt",
    "cufile",
    "nvshmem_host",
)
"""Their file numbers are not those of CUDA."""


@check("cuda-library-missing")
def cuda_library_missing(facts: Facts) -> Finding | None:
    """Believe an error first; then what torch requires and does not have, if it was not seen to import."""
    lost = _required(facts)
    for error in facts.errors.errors:
        found = expression("cuda-library-missing/missing").search(error.text) or expression(
            "cuda-library-missing/any-of"
        ).search(error.text)
        if found:
            library = next(filter(None, found.groups()))
            return _from_error(facts, library, _importer(error), lost)
    if unlinked := _unlinked(facts):
        return unlinked
    stage = facts.runtime.stage("import torch")
    if not lost or (stage is not None and stage.outcome == "ok"):
        return None
    return worded(
        "cuda-library-missing",
        found=f"torch {lost[0].owner.version} requires {listed(one.wanted for one in lost)}, "
        f"which {'is' if len(lost) == 1 else 'are'} not installed",
        cure=pip(facts.interpreter, "install", *(one.wanted for one in lost)),
    )


def _unlinked(facts: Facts) -> Finding | None:
    """Read the linker's error in a build: what follows, a module that is not found, is its result."""
    said = (
        (expression("cuda-library-missing/linker").search(e.text) for e in facts.errors.errors)
        if facts.errors
        else ()
    )
    found = next((one for one in said if one), None)
    if found is None:
        return None
    return worded("cuda-library-missing/unlinked", said=found[0], what=found[1])


def _required(facts: Facts) -> list[Unmet]:
    """Return the nvidia-* wheels that a CUDA build of torch requires and does not get; conda brings them itself."""
    if not facts.packages or facts.torch.accelerator != "cuda" or facts.torch.conda:
        return []
    return [
        one
        for one in unmet(
            facts.packages, facts.interpreter, facts.host, facts.torch, names=("torch",)
        )
        if one.name.startswith("nvidia-") and not one.installed
    ]


def _from_error(facts: Facts, library: str, package: str, lost: list[Unmet]) -> Finding:
    stem = library.partition(".so")[0].removeprefix("lib")
    number = library.partition(".so.")[2]
    what = f"import {package}" if package else "an import"
    own = (parts(facts.torch.cuda) or (0,))[0]
    wants = f"{what} wants {library}, and no such file is found"
    if stem in ("torch_cuda", "c10_cuda"):
        return worded(
            "cuda-library-missing/no-cuda-build",
            found=f"{wants}; torch {facts.torch.version} is not a CUDA build".replace("  ", " "),
            cure=pip(facts.interpreter, "uninstall", _distribution(package))
            if package
            else advise("Remove the package whose import fails"),
        )
    major = int(number.split(".")[0]) if number.split(".")[0].isdigit() else 0
    if (
        own
        and major
        and stem not in NOT_NAMED_SO
        and stem.startswith(("cudart", "cublas"))
        and major != own
    ):
        return Finding(
            title="A package is built for another CUDA major than torch",
            found=f"{wants}; torch {facts.torch.version} brings CUDA {own}",
            means=f"{what} stops with '{library}: cannot open shared object file'",
            cure=pip(
                facts.interpreter,
                "install",
                "--force-reinstall",
                "--no-deps",
                _distribution(package),
            )
            if package
            else advise(f"Install the package whose import fails in its build for CUDA {own}"),
            cure_note=f"the build for CUDA {own}; torch itself is in order",
        )
    if not own and not lost and package != "torch":
        return Finding(
            found=wants,
            means=f"{what} stops with '{library}: cannot open shared object file'",
            cure=pip(
                facts.interpreter,
                "install",
                "--force-reinstall",
                "--no-deps",
                _distribution(package),
            )
            if package
            else tell("python -c 'import torch; print(torch.version.cuda)'"),
            cure_note="its build for the CUDA of torch, torch.version.cuda"
            if package
            else "then install the package whose import fails in its build for that CUDA",
        )
    wheel = f"nvidia-{WHEEL.get(stem, stem.partition('_')[0])}" + (f"-cu{own}" if own else "")
    needed = [one.wanted for one in lost] or ([wheel] if own and own < 13 else ["torch"])
    return Finding(
        found=wants + (f"; torch is built for CUDA {facts.torch.cuda}" if facts.torch.cuda else ""),
        means=f"{what} stops with '{library}: cannot open shared object file'",
        cure=pip(facts.interpreter, "install", "--force-reinstall", *needed),
        cure_note="the wheel that torch requires; up to 1 GB, no reboot",
    )


def _importer(error: ErrorText) -> str:
    """Return the module whose own library wants the one that is missing; "" where nothing tells of a known one.

    No name of a module is given to pip that is not known to be a package's.
    """
    if error.where.startswith("import "):
        return error.where.removeprefix("import ")
    files = [*(frame.file for frame in error.frames), error.text]
    tops = [
        top for file in files for top in expression("cuda-library-missing/installed").findall(file)
    ]
    others = [top for top in reversed(tops) if top not in LOADERS]
    if not others:
        return "torch" if tops else ""
    return next((top for top in others if distribution_of(top)), "")


LOADERS = ("torch", "nvidia")
"""They load what others bring."""


def _distribution(module: str) -> str:
    return distribution_of(module) or module.replace("_", "-")
