from collections import defaultdict

from tunedoctor import api

LOADERS = ("torch", "nvidia")
"""These load libraries that other packages install."""
REINSTALL = ("--force-reinstall", "--no-deps")


@api.check(
    "cuda-library-missing",
    uses=(api.Errors, api.Host, api.Interpreter, api.Packages, api.Runtime, api.TorchBuild),
)
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
                return _find_missing_in_error(facts, library, _importer(error), lost)
    # a linker error in a build: the missing module reported later is its result
    if linker := facts.matched("/linker"):
        return _report_unlinked(linker[0], f"lib{linker[1]}.so")
    stage = facts.runtime.stage("import torch")
    if not lost or (stage is not None and stage.outcome == "ok"):
        return None
    requirements = [unmet.requirement for unmet in lost]
    verb, by = "are" if requirements[1:] else "is", lost[0].owner.version
    return api.Finding(
        found=f"torch {by} requires {api.listed(requirements)}, which {verb} not installed",
        cure=facts.pip("install", *requirements),
        cure_note="up to 3 GB, no reboot",
    )


def _report_unlinked(error: str, file: str) -> api.Finding:
    return api.Finding(
        title=f"The linker does not find {file}",
        found=(
            f"the error '{error}': {file} of a CUDA toolkit is in none of the folders that the "
            "linker searches"
        ),
        means=(
            "an extension that is compiled on this machine fails to build and to import; torch "
            "itself works"
        ),
        cure=api.tell("export LIBRARY_PATH=$CUDA_HOME/lib64:$LIBRARY_PATH"),
        cure_note=(
            "CUDA_HOME is the folder of the CUDA toolkit of version torch.version.cuda, with its "
            "development files; then delete the half-built folder in ~/.cache/torch_extensions"
        ),
        said=error,
    )


def _find_missing_in_error(
    facts: api.Facts, library: str, package: str, lost: list[api.Unmet]
) -> api.Finding:
    stem, _, number = library.removeprefix("lib").partition(".so")
    major = number.strip(".").split(".")[0]
    own = str((api.parts(facts.torch.cuda) or ("",))[0])
    module = api.brought_by(package)
    # only for these is the number of the file that of CUDA
    numbered = stem.startswith(("cudart", "cublas")) and major.isdigit()
    what = f"import {package}" if package else "an import"
    torch = facts.torch.described or "torch"
    found = f"{what} needs {library}, and there is no such file"
    means = f"{what} fails with '{library}: cannot open shared object file'"
    if stem in ("torch_cuda", "c10_cuda"):
        return api.Finding(
            title="A CUDA extension is installed, but PyTorch has no CUDA",
            found=f"{found}; {torch} is not a CUDA build",
            means="imports of the extension fail",
            cure=(
                facts.pip("uninstall", module)
                if package
                else api.advise("Uninstall the package whose import fails")
            ),
            cure_note="or install the CUDA build of torch",
        )
    if own and numbered and major != own:
        return api.Finding(
            title="A package was built for another major version of CUDA",
            found=f"{found}; {torch} comes with CUDA {own}",
            means=means,
            cure=(
                facts.pip("install", *REINSTALL, module)
                if package
                else api.advise(
                    f"Install the build for CUDA {own} of the package whose import fails"
                )
            ),
            cure_note=f"it has to be the build for CUDA {own}; torch itself is fine",
        )
    if not own and not lost and package != "torch":
        if package:
            cure = facts.pip("install", *REINSTALL, module)
            note = "it has to be the build for torch's CUDA version, which torch.version.cuda shows"
        else:
            cure = api.tell("python -c 'import torch; print(torch.version.cuda)'")
            note = "then install the build for that CUDA version of the package whose import fails"
        return api.Finding(found=found, means=means, cure=cure, cure_note=note)
    usual, wheel_names = stem.partition("_")[0].lower(), api.table("probes")["wheel_of_library"]
    wheel = wheel_names.get(f"lib{stem}", f"nvidia-{usual}") + (f"-cu{own}" if own else "")
    needed = [unmet.requirement for unmet in lost] or (
        [wheel] if own in ("11", "12") else ["torch"]
    )
    cuda = facts.torch.cuda
    return api.Finding(
        found=found + (f"; torch is built for CUDA {cuda}" if cuda else ""),
        means=means,
        cure=facts.pip("install", "--force-reinstall", *needed),
        cure_note="installs the wheel that torch requires; up to 1 GB, no reboot",
    )


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


@api.check(
    "mixed-cuda-wheels",
    uses=(api.CudaWheels, api.Errors, api.Interpreter, api.LibraryPath, api.TorchBuild),
)
def mixed_cuda_wheels(facts: api.Facts) -> api.Finding | None:
    """Find one library for two CUDA majors; otherwise wheels of another major than torch's."""
    if not facts.cuda_wheels:
        return _find_mixed_in_errors(facts)
    own = (api.parts(facts.torch.cuda) or (0,))[0]
    by_library = defaultdict[str, list[api.CudaWheel]](list)
    for wheel in facts.cuda_wheels.wheels:
        if wheel.cuda_major:
            by_library[_library_name(wheel.name)].append(wheel)
    twice = {n: ws for n, ws in by_library.items() if len({w.cuda_major for w in ws}) > 1}
    collide = {n: ws for n, ws in twice.items() if n in COLLIDE}
    wheels = [wheel for ws in (collide or twice or by_library).values() for wheel in ws]
    keep = own or (max(wheel.cuda_major for wheel in wheels) if twice else 0)
    foreign = [wheel.name for wheel in wheels if keep and wheel.cuda_major != keep]
    mine = [wheel for wheel in wheels if wheel.cuda_major == keep]
    cure = facts.pip("uninstall", *foreign)
    if twice:
        again = (f"{wheel.name}=={wheel.version}" for wheel in mine)
        error = facts.error_text("", "/symbol")
        found = api.listed(f"{wheel.name} {wheel.version}" for wheel in wheels)
        if facts.torch.described and facts.torch.cuda:
            found += f", next to {facts.torch.described} for CUDA {facts.torch.cuda}"
        found += f"; '{error}' was printed" if error else ""
        if collide:
            means = (
                "torch loads the wrong library: 'undefined symbol: nccl…' or a cuDNN version error"
            )
            note = "both wheels wrote the same files, so torch's own are reinstalled"
        else:
            means, note = "one process can load two copies of one library", ""
        return api.Finding(
            severity="error" if collide else "warning",
            found=found,
            means=means,
            cure=cure.then(facts.pip("install", *REINSTALL, *again)),
            cure_note=note,
            said=error,
        )
    if mine or not facts.torch or not any(_library_name(name) in COLLIDE for name in foreign):
        return None
    return api.Finding(
        title="NVIDIA wheels are for another CUDA major than torch",
        severity="warning",
        found=(
            f"{facts.torch.described} is built for CUDA {facts.torch.cuda}; installed are "
            f"{api.listed(foreign)}"
        ),
        means=(
            "import torch fails with 'cannot open shared object file', unless a system CUDA "
            "provides the file"
        ),
        cure=cure,
        cure_note="then reinstall torch with its dependencies",
    )


def _library_name(name: str) -> str:
    """Return "nvidia-nccl" of "nvidia-nccl-cu12"."""
    head, _, tail = name.rpartition("-cu")
    return head if head and tail.isdigit() else name


def _find_mixed_in_errors(facts: api.Facts) -> api.Finding | None:
    """Report an NCCL without a needed symbol if the installed wheels are unknown."""
    error = facts.error_text("/symbol")
    hidden = any(shadow.library == "libnccl" for shadow in facts.library_path.shadows)
    if not error or hidden:
        return None
    major = (api.parts(facts.torch.cuda) or (12,))[0]
    listing = api.pip_line(facts.interpreter, "list")
    return api.Finding(
        title="torch loads an NCCL that it was not built for",
        found=(
            f"the error '{error}': wheels of two CUDA majors install the same libnccl.so.2, and an "
            "older one is loaded"
        ),
        means="import torch fails with 'undefined symbol: nccl…'",
        cure=facts.pip("install", *REINSTALL, f"nvidia-nccl-cu{major}"),
        cure_note=(
            "installs the version that torch requires; before that, uninstall the nvidia-nccl of "
            "the other major and unset LD_LIBRARY_PATH"
        ),
        settle=f"{listing} | grep -i nvidia; echo $LD_LIBRARY_PATH",
        said=error,
    )


SUBLIBRARY = "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH"
"""Parts of two cuDNNs are loaded: from a search path, the system, or mismatched wheels."""
EITHER_WAY = frozenset({"libstdc++", "libgomp", "libiomp5"})
"""A newer copy works as well as the own one: only an older one fails."""


@api.check(
    "library-path-shadowing",
    uses=(
        api.CudaWheels,
        api.Environment,
        api.Errors,
        api.Interpreter,
        api.LibraryPath,
        api.Runtime,
        api.TorchBuild,
    ),
)
def library_path_shadowing(facts: api.Facts) -> api.Finding | None:
    """Compare the version of the loaded file with that of the wheel's own."""
    conda, path = facts.interpreter.kind == "conda", facts.environment.get("LD_LIBRARY_PATH")
    cxx = api.cxx_too_old(facts.errors, conda=conda, path=path or "")
    if cxx is not None and cxx.whose == "search path":
        return _report_hidden_by_path(facts, cxx.found, cxx.said)
    if cxx is not None and cxx.whose == "system before conda":
        return _report_hidden_by_system(cxx)
    error = facts.error_text() or facts.error_text("/sublibrary")
    shadows = [shadow for shadow in facts.library_path.shadows if _matters(shadow)]
    if not shadows:
        settle = "echo $LD_LIBRARY_PATH; python -m pip list | grep -i nvidia"
        settle = settle if _is_undecided(facts, error) else ""
        return (
            _report_hidden_by_path(facts, f"the error '{error}'", error, settle) if error else None
        )
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
            found = f"the error '{error}'; it is '{first.path}'"
            return _report_hidden_by_path(facts, found, error) if error else None
        used, broken = gpu_build, bool(stages & {"failed", "crashed"})
    own = first.own or ("the driver's own" if stub else "any that torch brings")
    found = first.path + (f" ({first.version})" if first.version else "")
    found += f" is loaded before {own}" + (f" ({first.own_version})" if first.own_version else "")
    others = api.listed(shadow.library for shadow in shadows if shadow is not first)
    if stub:
        means = "a stub library replaces the driver: 'CUDA driver is a stub library', and torch sees no GPU"
    else:
        ends = f"'{error}'" if error else "'undefined symbol', or a cuDNN error in the first step"
        means = f"torch loads another {first.library} than it was built with: {ends}"
    return api.Finding(
        title=f"LD_LIBRARY_PATH puts a foreign {first.library} first",
        severity="error" if used and broken else "warning" if used else "note",
        found=found + (f"; also {others}" if others else ""),
        means=means,
        cure=facts.set_variable("LD_LIBRARY_PATH", None),
        cure_note=IN_SHELL,
        evidence=tuple(shadow.path for shadow in shadows[:4]),
    )


IN_SHELL = (
    "in the shell that starts the training and in its profile; wheels bring their own libraries"
)


def _report_hidden_by_path(
    facts: api.Facts, found: str, error: str, settle: str = ""
) -> api.Finding:
    return api.Finding(
        found=found,
        means="a library outside the environment is loaded in place of the one that torch brings",
        cure=facts.set_variable("LD_LIBRARY_PATH", None),
        cure_note=IN_SHELL,
        settle=settle,
        said=error,
    )


def _report_hidden_by_system(cxx: api.CxxTooOld) -> api.Finding:
    return api.Finding(
        title="The system's C++ library is loaded before conda's",
        severity="error",
        found=cxx.found,
        means=("every import that loads that binary fails; conda's own libstdc++ is new enough"),
        cure=api.tell("unset LD_LIBRARY_PATH; conda install --channel conda-forge libstdcxx-ng"),
        cure_note="if it still fails: export LD_LIBRARY_PATH=$CONDA_PREFIX/lib",
        settle=(
            "echo $LD_LIBRARY_PATH; strings $CONDA_PREFIX/lib/libstdc++.so.6 | grep GLIBCXX | "
            "tail -3"
        ),
        said=cxx.said,
    )


def _matters(shadow: api.LibraryShadow) -> bool:
    """Return whether a library's version differs from the own one or cannot be compared."""
    mine, theirs = api.parts(shadow.own_version), api.parts(shadow.version)
    if shadow.library in EITHER_WAY:
        return bool(mine and theirs) and theirs < mine
    size = min(len(mine), len(theirs))
    return size < 2 or mine[:size] != theirs[:size]


def _is_undecided(facts: api.Facts, error_text: str) -> bool:
    """Return whether a text shows neither a search path nor wheels of two releases."""
    search_path = facts.environment.get("LD_LIBRARY_PATH") or ""
    if SUBLIBRARY in error_text and not facts.search("/of-cuda", search_path):
        search_path = ""
    return not search_path and not ("stub" in error_text or facts.error_text("/open"))


@api.check("nccl-unavailable", uses=(api.Errors, api.Host, api.NvidiaGpus))
def nccl_unavailable(facts: api.Facts) -> api.Finding | None:
    """Report a note for several GPUs, an error if NCCL was requested."""
    error, count = facts.error_text(), len(facts.nvidia.gpus)
    if not error and not (facts.host.os == "windows" and count > 1):
        return None
    return api.Finding(
        title="The job requests NCCL, but this PyTorch does not have it" if error else "",
        severity="error" if error else "note",
        found=f"the error '{error}'" if error else f"{count} NVIDIA GPUs under Windows",
        cure=api.advise("torch.distributed.init_process_group('gloo')"),
        cure_note="in the training script; WSL 2 has NCCL and is faster",
        said=error,
    )


WITHOUT_MKL = api.tell("conda install --channel conda-forge nomkl numpy")
WITHOUT_MKL_NOTE = (
    "installs NumPy without MKL; or install both NumPy and torch with pip in a new venv"
)


@api.check("conda-binary-clash", uses=(api.Errors, api.Packages, api.TorchBuild))
def conda_binary_clash(facts: api.Facts) -> api.Finding | None:
    """Report three known errors, or conda's MKL with an old conda torch."""
    if error := facts.error_text("/omp"):
        return api.Finding(
            title="The process loads two OpenMP runtimes",
            means="the process ends at the import that loads the second one",
            cure=WITHOUT_MKL,
            cure_note=WITHOUT_MKL_NOTE,
            said=error,
        )
    cxx = api.cxx_too_old(facts.errors)
    if cxx is not None and cxx.whose == "conda":
        return api.Finding(
            title="conda's C++ library is older than a binary needs",
            found=cxx.found,
            means=(
                "imports of that binary fail, because it was compiled with the system's newer "
                "compiler"
            ),
            cure=api.tell("conda install --channel conda-forge libstdcxx-ng"),
            cure_note="the newest version also works for everything that needs an older one",
            said=cxx.said,
        )
    if error := facts.error_text("/mkl-fails"):
        return api.Finding(
            title="conda's MKL conflicts with another OpenMP runtime",
            means="the process ends when NumPy or torch loads MKL",
            cure=WITHOUT_MKL,
            cure_note=WITHOUT_MKL_NOTE,
            said=error,
        )
    error = facts.error_text()
    mkl = facts.packages.conda.get("mkl", "").partition(" ")[0]
    old = facts.torch.conda and api.within(facts.torch.version, "<2.5")
    if not error and not (mkl and old and api.at_least(mkl, "2024.1")):
        return None
    found = f"the error '{error}'"
    if mkl and facts.torch:
        found = f"mkl {mkl} is installed together with conda's {facts.torch.described}"
        found += f"; the error '{error}'" if error else ""
    return api.Finding(
        severity="error" if error else "warning",
        found=found,
        cure=api.tell('conda install "mkl<2024.1"'),
        cure_note="0.2 GB, no reboot",
        said=error,
    )
