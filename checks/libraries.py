from collections import defaultdict

from tunedoctor import api

LOADERS = ("torch", "nvidia")
"""These load libraries that other packages install."""
REINSTALL = ("--force-reinstall", "--no-deps")


@api.check("cuda-library-missing")
def cuda_library_missing(facts: api.Facts) -> api.Finding | None:
    """Use an error first; then torch's missing requirements, unless torch was seen to import."""
    unmet_requirements = api.unmet(
        facts.packages, facts.interpreter, facts.host, facts.torch, names=("torch",)
    )
    # conda installs them itself
    mine = unmet_requirements if facts.torch.accelerator == "cuda" and not facts.torch.conda else ()
    lost = [unmet for unmet in mine if unmet.name.startswith("nvidia-") and not unmet.installed]
    for error in facts.errors.errors:
        for kind in ("missing", "any-of"):
            if match := facts.search(f"/{kind}", error.text):
                library = next(filter(None, match.groups()))
                return _missing_from_error(facts, library, _importer(error), lost)
    # a linker error in a build: the missing module reported later is its result
    if linker := facts.matched("/linker"):
        return facts.worded("/unlinked", said=linker[0], what=linker[1])
    stage = facts.runtime.stage("import torch")
    if not lost or (stage is not None and stage.outcome == "ok"):
        return None
    requirements = [unmet.requirement for unmet in lost]
    verb, by = "are" if requirements[1:] else "is", lost[0].owner.version
    return facts.worded(
        cure=facts.pip("install", *requirements), by=by, wanted=requirements, verb=verb
    )


def _missing_from_error(
    facts: api.Facts, library: str, package: str, lost: list[api.Unmet]
) -> api.Finding:
    stem, _, number = library.removeprefix("lib").partition(".so")
    major = number.strip(".").split(".")[0]
    own = str((api.parts(facts.torch.cuda) or ("",))[0])
    module = api.brought_by(package)
    # only for these is the number of the file that of CUDA
    numbered = stem.startswith(("cudart", "cublas")) and major.isdigit()
    if stem in ("torch_cuda", "c10_cuda"):
        case, cure = "no-cuda-build", facts.pip("uninstall", module) if package else None
    elif own and numbered and major != own:
        case, cure = "other-major", facts.pip("install", *REINSTALL, module) if package else None
    elif not own and not lost and package != "torch":
        case, cure = "nameless", None
        if package:
            case, cure = "unknown", facts.pip("install", *REINSTALL, module)
    else:
        usual, wheel_names = stem.partition("_")[0].lower(), api.table("probes")["wheel_of_library"]
        wheel = wheel_names.get(f"lib{stem}", f"nvidia-{usual}") + (f"-cu{own}" if own else "")
        needed = [unmet.requirement for unmet in lost] or (
            [wheel] if own in ("11", "12") else ["torch"]
        )
        case, cure = "wheel", facts.pip("install", "--force-reinstall", *needed)
    what = f"import {package}" if package else "an import"
    return facts.worded(f"/{case}", "/stops", cure=cure, library=library, what=what, own=own)


def _importer(error: api.ErrorText) -> str:
    """Return the module that needs the missing library; "" if unknown, so that pip gets no guess."""
    if error.where.startswith("import "):
        return error.where.removeprefix("import ")
    installed = api.expression("cuda-library-missing/installed")
    files = [*(frame.file for frame in error.frames), error.text]
    tops = [top for file in files for top in installed.findall(file)]
    others = [top for top in reversed(tops) if top not in LOADERS]
    if not others:
        return "torch" if tops else ""
    return next((top for top in others if api.distribution_of(top)), "")


COLLIDE = ("nvidia-nccl", "nvidia-cudnn")
"""Wheels of these for two CUDA majors install the same files. Source: their RECORDs."""


@api.check("mixed-cuda-wheels")
def mixed_cuda_wheels(facts: api.Facts) -> api.Finding | None:
    """Find one library for two CUDA majors; otherwise wheels of another major than torch's."""
    if not facts.cuda_wheels:
        return _mixed_from_error(facts)
    own = (api.parts(facts.torch.cuda) or (0,))[0]
    by_library = defaultdict[str, list[api.CudaWheel]](list)
    for wheel in facts.cuda_wheels.wheels:
        if wheel.cuda_major:
            by_library[_library(wheel.name)].append(wheel)
    twice = {n: ws for n, ws in by_library.items() if len({w.cuda_major for w in ws}) > 1}
    collide = {n: ws for n, ws in twice.items() if n in COLLIDE}
    wheels = [wheel for ws in (collide or twice or by_library).values() for wheel in ws]
    keep = own or (max(wheel.cuda_major for wheel in wheels) if twice else 0)
    foreign = [wheel.name for wheel in wheels if keep and wheel.cuda_major != keep]
    mine = [wheel for wheel in wheels if wheel.cuda_major == keep]
    cure = facts.pip("uninstall", *foreign)
    if twice:
        again = (f"{wheel.name}=={wheel.version}" for wheel in mine)
        return facts.worded(
            ":collide" if collide else ":twice",
            said=facts.heard("", "/symbol"),
            cure=cure.then(facts.pip("install", *REINSTALL, *again)),
            wheels=[f"{wheel.name} {wheel.version}" for wheel in wheels],
        )
    if mine or not facts.torch or not any(_library(name) in COLLIDE for name in foreign):
        return None
    return facts.worded("/other-major", cure=cure, wheels=foreign)


def _library(name: str) -> str:
    """Return "nvidia-nccl" of "nvidia-nccl-cu12"."""
    head, _, tail = name.rpartition("-cu")
    return head if head and tail.isdigit() else name


def _mixed_from_error(facts: api.Facts) -> api.Finding | None:
    """Report an NCCL without a needed symbol if the installed wheels are unknown."""
    error = facts.heard("/symbol")
    hidden = any(shadow.library == "libnccl" for shadow in facts.library_path.shadows)
    if not error or hidden:
        return None
    major = (api.parts(facts.torch.cuda) or (12,))[0]
    listing = api.pip_line(facts.interpreter, "list")
    return facts.worded("/from-error", said=error, major=major, pip_list=listing)


FROM_ERROR = "/from-error"
SUBLIBRARY = "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH"
"""Parts of two cuDNNs are loaded: from a search path, the system, or mismatched wheels."""
EITHER_WAY = frozenset({"libstdc++", "libgomp", "libiomp5"})
"""A newer copy works as well as the own one: only an older one fails."""


@api.check("library-path-shadowing")
def library_path_shadowing(facts: api.Facts) -> api.Finding | None:
    """Compare the version of the loaded file with that of the wheel's own."""
    conda, path = facts.interpreter.kind == "conda", facts.environment.get("LD_LIBRARY_PATH")
    cxx = api.cxx_too_old(facts.errors, conda=conda, path=path or "")
    if cxx is not None and cxx.whose in ("search path", "system before conda"):
        case = FROM_ERROR if cxx.whose == "search path" else "/cxx"
        return facts.worded(case, found=cxx.found, said=cxx.said)
    error = facts.heard() or facts.heard("/sublibrary")
    shadows = [shadow for shadow in facts.library_path.shadows if _matters(shadow)]
    if not shadows:
        case = "/from-error:open" if _open(facts, error) else ""
        return facts.worded(FROM_ERROR, case, said=error) if error else None
    first = next((s for s in shadows if s.library == "libcuda"), shadows[0])
    stages = {stage.outcome for stage in facts.runtime.stages}
    gpu_build = facts.torch.accelerator in ("cuda", "rocm")
    # a run on the GPU succeeded: the foreign library works
    fine = facts.runtime.gpu_available is True and stages <= {"ok"}
    stub = first.library == "libcuda"
    used, broken = gpu_build or facts.cuda_wheels or stub, not fine
    if not first.own and not stub:
        # nothing to compare with: it replaces the wheel's own library, or a removed one
        version = None if facts.torch.conda else api.pep440(facts.torch.version)
        # a release wheel includes cuDNN; builds of conda and vendors do not
        plain = version and not version.is_prerelease and api.release_row(facts.torch.version)
        if not plain or (gpu_build and fine):
            return (
                facts.worded(FROM_ERROR, said=f"{error}'; it is '{first.path}") if error else None
            )
        used, broken = gpu_build, bool(stages & {"failed", "crashed"})
    return facts.worded(
        ":stub" if stub else ":foreign",
        severity="error" if used and broken else "warning" if used else "note",
        evidence=tuple(shadow.path for shadow in shadows[:4]),
        first=first,
        own=first.own or ("the driver's own" if stub else "any that torch brings"),
        others=[shadow.library for shadow in shadows if shadow is not first],
        ends=f"'{error}'" if error else "'undefined symbol', or a cuDNN error in the first step",
    )


def _matters(shadow: api.LibraryShadow) -> bool:
    """Return whether a library's version differs from the own one or cannot be compared."""
    mine, theirs = api.parts(shadow.own_version), api.parts(shadow.version)
    if shadow.library in EITHER_WAY:
        return bool(mine and theirs) and theirs < mine
    size = min(len(mine), len(theirs))
    return size < 2 or mine[:size] != theirs[:size]


def _open(facts: api.Facts, error_text: str) -> bool:
    """Return whether a text shows neither a search path nor wheels of two releases."""
    search_path = facts.environment.get("LD_LIBRARY_PATH") or ""
    if SUBLIBRARY in error_text and not facts.search("/of-cuda", search_path):
        search_path = ""
    return not search_path and not ("stub" in error_text or facts.heard("/open"))


@api.check("nccl-unavailable")
def nccl_unavailable(facts: api.Facts) -> api.Finding | None:
    """Report a note for several GPUs, an error if NCCL was requested."""
    error, count = facts.heard(), len(facts.nvidia.gpus)
    if not error and not (facts.host.os == "windows" and count > 1):
        return None
    return facts.worded(":said" if error else "", said=error, count=count)


@api.check("conda-binary-clash")
def conda_binary_clash(facts: api.Facts) -> api.Finding | None:
    """Report three known errors, or conda's MKL with an old conda torch."""
    if omp := facts.if_heard("/omp"):
        return omp
    cxx = api.cxx_too_old(facts.errors)
    if cxx is not None and cxx.whose == "conda":
        return facts.worded("/old-library", found=cxx.found, said=cxx.said)
    if layer := facts.if_heard("/mkl-fails"):
        return layer
    error = facts.heard()
    mkl = facts.packages.conda.get("mkl", "").partition(" ")[0]
    old = facts.torch.conda and api.within(facts.torch.version, "<2.5")
    if not error and not (mkl and old and api.at_least(mkl, "2024.1")):
        return None
    return facts.worded("" if mkl and facts.torch else ":unseen", said=error, mkl=mkl)
