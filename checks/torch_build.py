import re

from tunedoctor import api

HALO = "gfx1151"
"""Integrated GPUs that train as well as a card."""
SMALL = 4 << 30
"""Bytes of GPU memory below which a CPU build is only a note."""
OLDEST_DRIVER = "525.60.13"
"""Floor of all CUDA 12 builds."""


@api.check(
    "torch-cpu-only",
    uses=(
        api.AmdGpus,
        api.Compilers,
        api.Errors,
        api.Host,
        api.IntelGpu,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.RocmStack,
        api.Runtime,
        api.TorchBuild,
        api.Typed,
    ),
)
def torch_cpu_only(  # noqa: PLR0911  each vendor, and what was said
    facts: api.Facts,
    nvidia: api.NvidiaGpus | api.Unknown | None,
    host: api.Host | api.Unknown | None,
) -> api.Finding | None:
    """Find a GPU that another build supports and this one does not; without facts, an error decides."""
    error = facts.error_text()
    kind = facts.torch.accelerator
    if facts.runtime.gpu_works:
        return None
    if kind == "unknown" and not error:
        return _find_default_index_build(facts)
    usable = [c for c in facts.nvidia.gpus if api.parts(c.compute_capability) >= (5,)]
    apart = [gpu for gpu in facts.amd.gpus if not gpu.integrated or gpu.gfx == HALO]
    # wheels have code for it, or a tool named it without its target
    nameless = bool(facts.amd.told_by)
    discrete = [g for g in apart if api.named_as("rocm_trains", g.gfx) or (nameless and not g.gfx)]
    intel = facts.intel
    arcs = [n for n in intel.names if api.named_as("arc", n)] if intel.discrete else []
    served = {"cuda": bool(usable), "rocm": bool(discrete), "xpu": bool(arcs), "mps": True}
    name = (
        f"{facts.torch.described} is {_build_name(facts.torch)}"
        if facts.torch
        else f"the error '{error}'"
    )
    reached = facts.amd.told_by or not facts.rocm or facts.rocm.kfd in ("ok", "denied")
    if served.get(kind):
        return None
    if usable:
        return _report_nvidia(facts, name, usable, error)
    if discrete and reached:
        return _report_amd(facts, name, discrete, error)
    if arcs or (intel.discrete and kind == "cpu"):
        return _report_intel(facts, name, error, arc=bool(arcs))
    if error and kind == "unknown":
        if "xpu" in error.lower():
            return _report_intel(facts, "", error, arc=True)
        return _report_for_unknown_gpu(name, FROM_DRIVER_525, error)
    return _find_without_known_gpu(
        facts, name, error, absent=nvidia is None, host_known=host is not None
    )


def _find_without_known_gpu(
    facts: api.Facts, name: str, error: str, *, absent: bool, host_known: bool
) -> api.Finding | None:
    """Judge a CPU build without known GPUs; `absent`: there is certainly no NVIDIA GPU."""
    if facts.torch.accelerator != "cpu":
        return None
    if error and not absent and facts.host.os != "macos":
        more = f", but the job needs CUDA: the error '{error}'"
        return _report_for_unknown_gpu(name + more, FROM_DRIVER_525, error)
    if facts.runtime.gpu_available is False:
        certain = facts.nvidia or facts.amd or facts.intel or facts.host or absent or not host_known
        if certain:
            return None
        return _report_for_unknown_gpu(
            f"{name}, so it cannot use CUDA on any machine",
            "if the machine has an NVIDIA GPU: about 3 GB, no reboot; otherwise this build is the "
            "right one",
            error,
            severity="warning",
        )
    # NVIDIA's toolkit is installed, but CUDA is not available
    missed = facts.error_text("/missed")
    if facts.compilers.nvcc_version and missed:
        name += f"; nvcc {facts.compilers.nvcc_version} is installed, and the error '{missed}'"
        return _report_for_unknown_gpu(
            name,
            "about 3 GB, no reboot; the installed toolkit does not matter, because each build "
            "contains its own CUDA",
            missed,
            settle="nvidia-smi -L",
        )
    return None


FROM_DRIVER_525 = f"for NVIDIA GPUs with driver {OLDEST_DRIVER} or newer: about 3 GB, no reboot"


def _report_for_unknown_gpu(
    found: str, note: str, error: str, *, severity: api.Severity = "error", settle: str = ""
) -> api.Finding:
    """Report it for an unknown machine, assuming an NVIDIA GPU."""
    fit = api.rebuild_cuda((None, None, None), OLDEST_DRIVER, ())
    return api.Finding(
        severity=severity,
        found=found,
        cure=fit.cure if fit else api.Cure(),
        cure_note=note,
        settle=settle,
        said=error,
    )


def _find_default_index_build(facts: api.Facts) -> api.Finding | None:
    """Report an install with several indexes in which pip took the default index's build."""
    cards = bool(facts.amd or facts.nvidia)
    extra = facts.expression("/extra-index")
    install = next((c for c in facts.typed.commands if extra.search(c)), "")
    if facts.runtime.gpu_available is not False or not cards or not install:
        return None
    gpu = [card.gfx or "gfx1100" for card in facts.amd.gpus]
    gpu += [card.compute_capability or "8.9" for card in facts.nvidia.gpus]
    variant = "rocm" if facts.amd else "cu"
    versions = "import torch; print(torch.__version__, torch.version.hip, torch.version.cuda)"
    return api.Finding(
        found=f"torch sees no GPU after '{install[:120]}'",
        means=(
            "with --extra-index-url, pip takes the highest version from all indexes; if PyTorch's "
            "index has no wheel for this Python, or the folder does not exist, pip silently "
            "installs a CPU or CUDA build from the default index"
        ),
        cure=api.tell(f'{api.python(facts.interpreter)} -c "{versions}"'),
        cure_note=(
            "shows what was installed; then install from a single index: doctor wheel --gpu "
            f"{gpu[0]} names the {variant} build"
        ),
    )


def _build_name(build: api.TorchBuild) -> str:
    kinds = {
        "cuda": f"built for NVIDIA, CUDA {build.cuda}",
        "rocm": "built for AMD, ROCm",
        "xpu": "built for Intel, XPU",
    }
    return kinds.get(build.accelerator, "a CPU build")


def _report_nvidia(
    facts: api.Facts, name: str, usable: list[api.NvidiaGpu], error: str
) -> api.Finding:
    capabilities = tuple({card.compute_capability for card in usable})
    small = max(card.memory_total or SMALL for card in usable) < SMALL
    cards, driver = api.list_counted(card.name for card in usable), facts.nvidia_driver.version
    own = (facts.host, facts.interpreter, facts.torch)
    fit = api.rebuild_cuda(own, driver, capabilities)
    found = f"{name}; the machine has {cards}"
    if fit:
        return api.Finding(
            severity="note" if small else "error",
            found=found,
            cure=fit.cure,
            cure_note=fit.note,
            evidence=(facts.torch.file,),
            said=error,
        )
    install = api.install_driver(facts.host)
    return api.Finding(
        found=found + (f" with driver {driver}" if driver else " with an unknown driver"),
        cure=install.cure,
        cure_note=(
            f"{install.note}; no CUDA build runs on the current driver. Afterwards `doctor check` "
            "names one"
        ),
        evidence=(facts.torch.file,),
        said=error,
    )


def _report_amd(facts: api.Facts, name: str, chips: list[api.AmdGpu], error: str) -> api.Finding:
    # use the name first: tools print the target of an override or an early stepping
    gfx = tuple(dict.fromkeys(filter(None, (api.amd_gfx_by_name(c.name) or c.gfx for c in chips))))
    fit = api.rocm_build((facts.host, facts.interpreter, facts.torch), gfx)
    cards = api.listed(dict.fromkeys(chip.name or chip.gfx for chip in chips))
    by = f", according to {facts.amd.told_by}" if facts.amd.told_by else ""
    return api.Finding(
        title="This PyTorch build cannot use the AMD GPU",
        severity="error" if fit.on_index or (facts.amd.told_by and fit.of_amd) else "note",
        found=f"{name}; the machine has {cards}{by}",
        means="torch.cuda.is_available() is False, so training runs on the CPU",
        cure=fit.cure,
        cure_note=fit.note,
        evidence=(facts.torch.file,),
        said=error,
    )


def _report_intel(facts: api.Facts, name: str, error: str, *, arc: bool) -> api.Finding:
    """Report an Intel GPU; `name`: the build, "" if only an error shows that a job requests XPU."""
    return api.Finding(
        title="This PyTorch build cannot use the Intel GPU",
        severity="error" if arc else "note",
        found=(
            f"{name}; the machine has {api.listed(facts.intel.names)}"
            if name
            else f"the error '{error}'; the job requests an Intel GPU, so the machine presumably "
            "has one"
        ),
        means="torch.xpu.is_available() is False, so training runs on the CPU",
        cure=api.rebuild_xpu((facts.host, facts.interpreter, facts.torch)),
        cure_note="an XPU build: about 2 GB, no reboot; it needs Intel's Level Zero driver",
        said=error,
    )


@api.check("cuda-old", uses=(api.Host, api.Interpreter))
def cuda_old(
    facts: api.Facts, torch: api.TorchBuild, driver: api.NvidiaDriver, gpus: api.NvidiaGpus
) -> api.Finding | None:
    """Report it only if a newer build would run on every GPU with this driver."""
    capabilities = tuple({card.compute_capability for card in gpus.gpus if card.compute_capability})
    if not torch.cuda or api.parts(torch.cuda) >= (12,) or not capabilities:
        return None
    comparable = facts.host and facts.interpreter
    own = (facts.host, facts.interpreter, None)
    fit = api.rebuild_cuda(own, driver.version, capabilities) if comparable else None
    if fit is None or not api.at_least(api.cuda_of(fit.variant), "12.0"):
        return None
    return api.Finding(
        found=(
            f"{torch.described} is built for CUDA {torch.cuda}; driver {driver.version} also runs CUDA "
            "12 builds"
        ),
        cure=fit.cure,
        cure_note=fit.note,
        evidence=(torch.file,),
    )


NEW = (10, 0)
"""From here on builds before torch 2.7 have no code. Source: pytorch, .ci/manywheel/build_cuda.sh by release."""
NO_IMAGE = (
    "the first kernel on this GPU fails with 'no kernel image is available for execution on the "
    "device'"
)
BLACKWELL = "cu128"
"""First variant with code for compute capability 10.0 and newer. Source: the wheel table."""


@api.check(
    "gpu-too-new-for-torch",
    uses=(
        api.Container,
        api.Environment,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.Runtime,
        api.TorchBuild,
    ),
)
def gpu_too_new_for_torch(facts: api.Facts) -> api.Finding | None:
    """Compare each card with the code of the build; where they are not known, read torch's own warning."""
    coverage, image = api.coverage(facts), facts.error_text("/no-image")
    if coverage is not None and image:
        coverage = _without_ptx(coverage)
    cards = coverage.too_new if coverage else _cards_from_text(facts, image)
    if not cards:
        return _find_old_compiler(facts)
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in cards))
    found = f"{api.cards_named(cards)}; {api.code_of(facts.torch, coverage)}"
    if coverage is not None and coverage.works:
        title = "This PyTorch has no code for one newer GPU"
        return api.one_of_several(title, found, coverage, facts.host)
    own = (facts.host, facts.interpreter, facts.torch)
    fit = api.rebuild_cuda(own, facts.nvidia_driver.version, capabilities)
    later = None if fit else api.rebuild_cuda(own, "", capabilities)
    if fit:
        cure, note = fit.cure, fit.note
    elif later:
        floor = api.driver_floor(api.cuda_of(later.variant), windows=facts.host.windows_driver)
        install = api.install_driver(facts.host, floor, container=facts.container)
        driver = facts.nvidia_driver.version
        found += f"; driver {driver} is older than {floor}, which builds with that code need"
        cure, note = install.cure, f"{install.note}; then {later.cure.command}"
    else:
        cure = api.advise("Install the PyTorch wheel that the device's manufacturer provides")
        archs = ";".join(capabilities)
        note = f"or build PyTorch from source with TORCH_CUDA_ARCH_LIST={archs}"
    jetson = "8.7" in capabilities
    return api.Finding(
        title="This PyTorch has no code for the GPU of this Jetson" if jetson else "",
        found=found,
        means=NO_IMAGE if fit or later else "",
        cure=cure,
        cure_note=note,
        evidence=(coverage.source if coverage else "",),
    )


def _find_old_compiler(facts: api.Facts) -> api.Finding | None:
    """Return the finding for a compiler that does not know the GPU: Triton's ptxas or a build tool."""
    error = facts.error_text("/unknown-arch")
    if not error:
        return None
    if (match := facts.search("/gpu-name", error)) and (
        own := _find_old_ptxas(facts, error, match)
    ):
        return own
    # an index for an older CUDA than the installed one would be a downgrade
    variant = facts.torch.variant if facts.torch.accelerator == "cuda" else ""
    newer = variant if api.at_least(facts.torch.cuda, api.cuda_of(BLACKWELL)) else ""
    newest = api.pip(None, "install", "--upgrade", "torch", index=api.index_of(newer or BLACKWELL))
    return api.Finding(
        title="A compiler that PyTorch uses does not support this GPU",
        means=(
            "torch.compile, Triton kernels and extensions fail, because this torch is older than "
            "the GPU"
        ),
        cure=newest,
        cure_note=(
            "about 3 GB, no reboot; if TRITON_PTXAS_PATH names the ptxas of an older CUDA, unset it"
        ),
        settle=ARCHS,
        said=error,
    )


ARCHS = 'python -c "import torch; print(torch.__version__, torch.cuda.get_arch_list())"'


def _find_old_ptxas(facts: api.Facts, error: str, match: re.Match[str]) -> api.Finding | None:
    """Return the finding if torch has code for the GPU but ptxas does not know it; None if torch has none.

    If torch is unknown, the GPU must be one that CUDA 12.8 and so ptxas before torch 2.10 do not know.
    """
    capability = f"{match['major']}.{match['minor']}"
    needed, torch = api.first_cuda(capability), facts.torch
    if not needed:
        return None
    if not torch and api.knows(api.cuda_of(BLACKWELL), capability):
        return None
    if torch and not api.knows(torch.cuda, f"{match['major']}.0"):
        return None
    own = api.triton_ptxas(torch.version)
    second = match["tool"].lower() != "ptxas" or api.at_least(torch.version, "2.10")
    variable = "TRITON_PTXAS_BLACKWELL_PATH" if second else "TRITON_PTXAS_PATH"
    knows = own is not None and api.at_least(own.cuda, needed)
    newer = "" if knows else api.torch_with_ptxas(needed)
    path = f"{facts.environment.get('CUDA_HOME') or '/usr/local/cuda'}/bin/ptxas"
    arch = f"sm_{match['major']}{match['minor']}{match['letter']}"
    found = f"the error '{error}'"
    if knows:
        setting = facts.environment.get(variable)
        found += f"; the ptxas of {torch.described} supports {arch}, so another ptxas was used"
        found += f": {variable} is {setting}" if setting else ""
        note, settle = "Triton then uses its own ptxas", "env | grep PTXAS"
    else:
        own_ptxas = f"{torch.described} comes with the ptxas of CUDA {own.cuda}" if own else ""
        found += f"; {own_ptxas}, and {arch} needs {needed}" if own_ptxas else ""
        note = f"needs no download: uses the ptxas of an installed CUDA {needed} or newer"
        if newer:
            note += f"; or install torch {newer} or newer, whose Triton comes with such a ptxas"
        settle = f"{path} --version"
    return api.Finding(
        title="Triton's assembler, ptxas, does not support this GPU",
        found=found,
        means="torch.compile and Triton kernels fail; everything else works",
        cure=facts.set_variable(variable, None if knows else path),
        cure_note=note,
        settle=settle,
        said=error,
    )


def _without_ptx(coverage: api.Coverage) -> api.Coverage:
    """Count compiled code only: a run that fails for lack of code did not use PTX either."""
    compiled = [arch for arch in coverage.archs if arch.startswith("sm_")]
    newest = max((api.parts(f"{a[3:-1]}.{a[-1]}") for a in compiled if a[3:].isdigit()), default=())
    younger = [c for c in coverage.works if newest and api.parts(c.compute_capability) > newest]
    new = tuple(c for c in younger if api.archs_run(compiled, c.compute_capability) is False)
    works = tuple(card for card in coverage.works if card not in new)
    return coverage._replace(works=works, too_new=(*coverage.too_new, *new))


def _cards_from_text(facts: api.Facts, image: str) -> tuple[api.NvidiaGpu, ...]:
    """Return the card in torch's warning, or the cards of a machine that has only new ones and failed."""
    refused = api.card_refused(facts.errors)
    # 8.0 and newer were never dropped
    if refused is not None and api.parts(refused.compute_capability) >= (8, 0):
        return (refused,)
    cards = facts.nvidia.gpus if image and not facts.torch else ()
    return cards if all(api.parts(c.compute_capability) >= NEW for c in cards) else ()


OLDEST_KEPT = (7, 5)
"""From here on no build dropped a generation. Source: pytorch, .ci/manywheel/build_cuda.sh by release."""


@api.check(
    "gpu-too-old-for-torch",
    uses=(
        api.Environment,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.Runtime,
        api.TorchBuild,
    ),
)
def gpu_too_old_for_torch(facts: api.Facts) -> api.Finding | None:
    """Compare each card with the code of the build; where they are not known, read torch's own warning."""
    coverage = api.coverage(facts)
    error = "" if coverage else facts.error_text("/too-old")
    refused = None if coverage else api.card_refused(facts.errors)
    cards = coverage.too_old if coverage else ()
    # what torch refuses below 8.0 is too old for it
    if refused is not None and api.parts(refused.compute_capability) < (8, 0):
        cards = (refused,)
    image = ""
    if not cards and not error and not facts.torch:
        image = facts.error_text("/no-image")
        own = facts.nvidia.gpus if image else ()
        # with only old cards, the error shows a build that dropped them
        cards = own if all(() < api.parts(c.compute_capability) < OLDEST_KEPT for c in own) else ()
    if triton := facts.error_text("/triton-too-old"):
        return api.Finding(
            title="torch.compile needs a newer GPU",
            means=(
                "Triton cannot generate kernels for this GPU; training works without torch.compile"
            ),
            cure=facts.set_variable("TORCHDYNAMO_DISABLE", "1"),
            cure_note=(
                "or remove torch_compile=True from the training arguments; the GPU itself works"
            ),
            said=triton,
        )
    if not cards and not error:
        return _find_unsupported_capability(facts)
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in cards))
    found = f"{api.cards_named(cards)}; {api.code_of(facts.torch, coverage)}"
    if coverage is not None and coverage.works:
        title = "This PyTorch has no code for one old GPU"
        return api.one_of_several(title, found, coverage, facts.host)
    if image:
        found = f"{api.cards_named(cards)}, and the error '{image}'"
    elif not cards:
        found = f"PyTorch says '{error}'"
    driver, capabilities_or_default = facts.nvidia_driver.version, capabilities or ("7.0",)
    fit = api.rebuild_cuda(
        (facts.host, facts.interpreter, facts.torch), driver, capabilities_or_default
    )
    if fit:
        cure, note = fit.cure, fit.note
    elif any(api.parts(c) < (5,) for c in capabilities):
        cure, note = NEWER_GPU, ON_CPU
    else:
        cure = api.advise(
            "Create a virtual environment with Python 3.12 and install torch for CUDA 12.6 in it"
        )
        note = ON_CPU
    return api.Finding(
        found=found,
        means=NO_IMAGE if fit else "",
        cure=cure,
        cure_note=note,
        evidence=(coverage.source if coverage else "",),
        # an extension without code for the card fails with the same message
        settle=ARCHS if image else "",
        said=error or image,
    )


NEWER_GPU = api.advise("Train on a GPU of compute capability 5.0 or newer")
ON_CPU = "small models can also be trained on the CPU"


def _find_unsupported_capability(facts: api.Facts) -> api.Finding | None:
    """Use a compute capability stated in the text together with the error for missing code."""
    capability = facts.error_text("/spoken")
    error = facts.error_text(*("/no-image", "/no-kernel")) if capability else ""
    if not error:
        return None
    capability, error = (words.partition("`")[0].partition(")")[0] for words in (capability, error))
    return api.Finding(
        found=f"the text says '{capability[:40]}'; the error '{error}'",
        means=f"{NO_IMAGE}, although is_available() is True",
        cure=NEWER_GPU,
        cure_note=ON_CPU,
        said=error,
    )


@api.check("torch-import-crash", uses=(api.Interpreter, api.Packages, api.TorchBuild))
def torch_import_crash(
    facts: api.Facts, runtime: api.Runtime, torch: api.TorchBuild | api.Unknown | None
) -> api.Finding | None:
    """Report import torch failing or crashing although torch is installed."""
    stage = runtime.stage("import torch")
    if stage is None or stage.outcome not in ("failed", "crashed"):
        return None
    raised, build = stage.outcome == "failed", facts.torch
    if torch is None or (raised and not build):
        return None
    lines = [line.strip() for line in stage.error.splitlines() if line.strip()] or ["no message"]
    if extension := facts.search("/backend", stage.error):
        return _report_failing_extension(
            facts, api.brought_by(extension[1]), lines[-1].partition(". ")[0]
        )
    last = f"raises {lines[-1][:200]}" if raised else f"ends with {lines[0][:200]}"
    means = NOTHING_STARTS
    if "SIGILL" in stage.error:
        means += "; the processor does not support instructions that the build uses"
    if build:
        cure = api.same_torch(facts.interpreter, build.version, build.variant)
        note = "downloads torch alone; no reboot"
    else:
        cure = api.tell('python -X faulthandler -c "import torch"')
        note = "prints the library in which it crashes; then reinstall torch in a fresh environment"
    return api.Finding(
        found=f"import torch {last}",
        means=means,
        cure=cure,
        cure_note=note,
        evidence=tuple(line for line in lines if line.startswith("File "))[:3],
    )


NOTHING_STARTS = "nothing that uses torch starts"


def _report_failing_extension(facts: api.Facts, name: str, message: str) -> api.Finding:
    """Report an entry point of the group torch.backends, which torch loads when it is imported."""
    installed = facts.packages.get(name)
    return api.Finding(
        title="An extension makes import torch fail",
        found=f"import torch raises '{message}'",
        means=NOTHING_STARTS,
        cure=(
            facts.pip("uninstall", name)
            if installed
            else facts.set_variable("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
        ),
        cure_note=(
            f"torch loads {name} automatically, and so do other libraries; if you have its device, "
            "reinstall it instead"
        ),
        said=message,
    )


@api.check("torch-import-hang", uses=(api.Interpreter,))
def torch_import_hang(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Report import torch hanging."""
    stage = runtime.stage("import torch")
    if stage is None or stage.outcome != "hung":
        return None
    lines = [line.strip() for line in stage.error.splitlines() if line.strip()]
    place = next((line for line in lines if line.startswith(("File ", "<module> "))), "")
    seconds = f"did not finish in {stage.seconds:.0f} s" if stage.seconds else "does not finish"
    at = f"; it was at {place}" if place else ""
    start = api.python(facts.interpreter)
    return api.Finding(
        found=f"import torch {seconds}{at}",
        cure=api.tell(f"{start} -X faulthandler -X importtime -c 'import torch'"),
        cure_note="shows the module that it waits for; press Ctrl+\\ to stop it",
        evidence=tuple(lines[:3]),
    )


@api.check(
    "torch-missing",
    uses=(
        api.AmdGpus,
        api.Errors,
        api.Host,
        api.IntelGpu,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.Packages,
        api.PciBus,
        api.Target,
    ),
)
def torch_missing(facts: api.Facts, torch: api.TorchBuild | api.Unknown | None) -> api.Result:
    """Report a target without torch; if no target was examined, use the import error."""
    if isinstance(torch, api.TorchBuild):
        return None
    own = facts.interpreter
    if torch is not None or not own:
        return _find_in_errors(facts)
    fit = api.torch_install(facts)
    if facts.target and facts.target.chosen_by == api.DECLARED:
        return api.Finding(
            title="The project does not install PyTorch",
            found=f"nothing that {facts.target.asked} declares brings torch",
            means=MODULE_NOT_FOUND,
            cure=fit.cure or api.tell("uv add torch"),
        )
    if fit.cure:
        cure, note = fit.cure, fit.note.replace(", no reboot", "")
        if own.externally_managed:
            note += (
                "; the system manages this Python: create a venv first with python3 -m venv .venv"
            )
        if facts.packages.get("tunedoctor"):
            note += (
                "; this is doctor's own environment: check yours with doctor check --target PATH"
            )
    else:
        cure = api.tell("python3.12 -m venv ~/train")
        note = fit.why or "or no torch build fits this Python and system"
    kind = own.kind.replace("unknown", "")
    return api.Finding(
        found=(
            f"there is no torch on the path of {own.executable}, Python {own.version}"
            + (f" ({kind})" if kind else "")
        ),
        means=MODULE_NOT_FOUND,
        cure=cure,
        cure_note=note,
        evidence=own.site_packages,
    )


MODULE_NOT_FOUND = "every training script fails with ModuleNotFoundError: No module named 'torch'"


def _find_in_errors(facts: api.Facts) -> api.Finding | None:
    """Use an import error if no list shows torch; in a build, only if a list shows none."""
    message, installed = facts.error_text(), facts.packages.get("torch")
    if not message or installed:
        return None
    errors = [error for error in facts.errors.errors if message in error.text]
    building = facts.expression("/building")
    built = any(building.search(frame.file) for error in errors for frame in error.frames)
    built = built or facts.matched("/isolated") is not None
    if built and not facts.packages.get("pip"):
        return None
    listed = "; the list of packages does not contain torch" if facts.packages else ""
    return api.Finding(
        found=f"the error '{message}'{listed}",
        cure=facts.pip("install", "torch"),
        cure_note=(
            "use the python that runs the script; `doctor wheel` says which build fits its GPU. If "
            "torch is installed there, the script runs with another python"
        ),
        said=message,
    )


RECOMMENDED = "2.5"
"""Floor of transformers 5.15. Source: known_bad.json."""


@api.check(
    "torch-old",
    uses=(
        api.AmdGpus,
        api.Host,
        api.IntelGpu,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.PciBus,
    ),
)
def torch_old(facts: api.Facts, torch: api.TorchBuild) -> api.Finding | None:
    """Compare with the minimum of current libraries."""
    if api.within(torch.version, f"<{RECOMMENDED}") is not True:
        return None
    cure = api.torch_install(facts, f">={RECOMMENDED}").cure
    if not cure:
        return None
    return api.Finding(
        found=f"torch {torch.version}; current libraries need {RECOMMENDED} or newer",
        cure=cure,
        cure_note=(
            "about 3 GB, no reboot; install it in a new environment, so that the working one stays "
            "as it is"
        ),
    )


@api.check("torch-sees-no-gpu", uses=(api.AmdGpus, api.IntelGpu, api.Interpreter, api.NvidiaGpus))
def torch_sees_no_gpu(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Report that torch does not see the GPUs that the drivers list."""
    if runtime.gpu_available is not False:
        return None
    names = [card.name for card in facts.nvidia.gpus]
    names += [gpu.name or gpu.gfx for gpu in facts.amd.gpus if not gpu.integrated]
    if facts.intel.discrete and runtime.stage("import torch"):
        names += facts.intel.names
    if not names:
        return None
    torch = f"torch {runtime.torch_version}".strip()
    reason = (runtime.gpu_error.splitlines() or [""])[0][:160]
    why = f": '{reason}'" if reason else ""
    python = api.python(facts.interpreter)
    return api.Finding(
        found=f"{torch} was run and sees no GPU{why}; the machine has {api.list_counted(names)}",
        cure=api.tell(f'{python} -c "import torch; torch.cuda.init()"'),
        cure_note="prints the reason that the driver reports",
        evidence=(runtime.torch_file,),
        # a pasted report shows only a part, so the cause is still open
        settle="" if runtime.torch_file else f"{python} -m torch.utils.collect_env",
    )
