from tunedoctor.api import (
    AmdGpu,
    AmdGpus,
    Cure,
    Facts,
    Finding,
    Host,
    IntelGpu,
    NvidiaGpu,
    NvidiaGpus,
    TorchBuild,
    Unknown,
    amd_gfx_by_name,
    check,
    cuda_of,
    expression,
    heard,
    install_driver,
    known,
    listed,
    named_as,
    parts,
    python,
    rebuild_cuda,
    rebuild_xpu,
    rocm_build,
    worded,
)

HALO = "gfx1151"
"""Part of a processor, and as good for training as a card."""
SMALL = 4 << 30
"""Bytes of GPU memory below which a CPU build is no fault."""
OLDEST_DRIVER = "525.60.13"
"""Floor of all CUDA 12 builds."""


@check("torch-cpu-only")
def torch_cpu_only(
    facts: Facts,
    nvidia: NvidiaGpus | Unknown | None,
    amd: AmdGpus | Unknown | None,
    intel: IntelGpu | Unknown | None,
    host: Host | Unknown | None,
) -> Finding | None:
    """Find a GPU that some build supports and this one does not; an error text decides where facts lack."""
    said = heard(facts.errors, "torch-cpu-only")
    kind = facts.torch.accelerator
    if facts.runtime.gpu_works:
        return None
    if kind == "unknown" and not said:
        return _fallen_back(facts, known(amd), known(nvidia))
    cards, radeons, chips = known(nvidia), known(amd), known(intel)
    usable = [c for c in cards.gpus if parts(c.compute_capability) >= (5,)] if cards else []
    discrete = [g for g in radeons.gpus if _trains(g, told=radeons.told_by)] if radeons else []
    arcs = [n for n in chips.names if named_as("arc", n)] if chips and chips.discrete else []
    system = known(host)
    served = {"cuda": bool(usable), "rocm": bool(discrete), "xpu": bool(arcs), "mps": True}
    name = (
        f"torch {facts.torch.version} is {_what(facts.torch)}"
        if facts.torch
        else f"the error '{said}'"
    )
    if served.get(kind):
        finding = None
    elif usable:
        finding = _nvidia(facts, name, usable, system)
    elif (
        discrete
        and radeons
        and (radeons.told_by or not facts.rocm or facts.rocm.kfd in ("ok", "denied"))
    ):
        finding = _amd(facts, name, discrete, system, radeons.told_by)
    elif arcs or (chips is not None and chips.discrete and kind == "cpu"):
        cure = rebuild_xpu(system, facts.interpreter, facts.torch)
        finding = _intel(name, listed(chips.names if chips else ()), cure, arc=bool(arcs))
    elif said and (kind == "unknown" or (cards is None and not facts.torch)):
        finding = _from_text(f"the error '{said}'")
    elif said and kind == "cpu" and not _surely_none(nvidia, system):
        finding = _from_text(f"{name}, and the job asks for CUDA: the error '{said}'")
    elif kind == "cpu" and facts.runtime.gpu_available is False:
        asked = (nvidia, amd, intel, host)
        nothing_told = all(isinstance(one, Unknown) for one in asked)
        finding = _bare_excerpt(name) if nothing_told else None
    else:
        finding = _beside_toolkit(facts, name, kind, system)
    said = said or (finding.said if finding is not None else "")
    return finding.saying(said) if finding is not None else None


def _beside_toolkit(facts: Facts, name: str, kind: str, host: Host | None) -> Finding | None:
    """Suspect a CPU build where somebody has NVIDIA's toolkit and misses CUDA, and no GPU is told."""
    missed = heard(facts.errors, "torch-cpu-only/missed")
    if kind != "cpu" or not facts.compilers.nvcc_version or not missed:
        return None
    fit = rebuild_cuda(host, None, None, OLDEST_DRIVER, ())
    return worded(
        "torch-cpu-only/missed",
        found=f"{name}; nvcc {facts.compilers.nvcc_version} is installed, and the error '{missed}'",
        said=missed,
        cure=fit.cure if fit else Cure(),
    )


def _trains(gpu: AmdGpu, *, told: str) -> bool:
    """Tell of a GPU that wheels have code for, or that a tool named without its target."""
    if gpu.integrated and gpu.gfx != HALO:
        return False
    return named_as("rocm_trains", gpu.gfx) or bool(told and not gpu.gfx)


def _surely_none(nvidia: NvidiaGpus | Unknown | None, host: Host | None) -> bool:
    """Tell of a machine that is known to have no GPU for which CUDA builds are made."""
    return nvidia is None or (host is not None and host.os == "macos")


def _bare_excerpt(name: str) -> Finding | None:
    """Answer somebody who shows a CPU build and that it has no CUDA, and nothing of the machine."""
    fit = rebuild_cuda(None, None, None, OLDEST_DRIVER, ())
    return worded("torch-cpu-only/bare-excerpt", cure=fit.cure if fit else Cure(), name=name)


def _fallen_back(facts: Facts, amd: AmdGpus | None, nvidia: NvidiaGpus | None) -> Finding | None:
    """Tell of an install over several indexes, of which the default one had the build that pip took."""
    if facts.runtime.gpu_available is not False or not (amd or nvidia):
        return None
    install = next(
        (c for c in (facts.typed.commands) if expression("torch-cpu-only/extra-index").search(c)),
        "",
    )
    if not install:
        return None
    variant = "rocm" if amd else "cu"
    name = python(facts.interpreter)
    return worded(
        "torch-cpu-only/fallen-back",
        cure_note=f"shows what was installed; then install from the one index: doctor wheel --gpu {_gpu(amd, nvidia)} "
        f"names the {variant} build",
        name=name,
        install=install[:120],
    )


def _gpu(amd: AmdGpus | None, nvidia: NvidiaGpus | None) -> str:
    if amd:
        return amd.gpus[0].gfx or "gfx1100"
    return nvidia.gpus[0].compute_capability or "8.9" if nvidia else ""


def _from_text(name: str) -> Finding | None:
    if "xpu" in name.lower():
        return _intel(
            name, "an Intel GPU, as the job asks for one", rebuild_xpu(None, None, None), arc=True
        )
    fit = rebuild_cuda(None, None, None, OLDEST_DRIVER, ())
    if fit is None:
        return None
    return worded("torch-cpu-only/from-text", found=name, cure=fit.cure)


def _what(build: TorchBuild) -> str:
    if build.accelerator == "cuda":
        return f"built for NVIDIA, CUDA {build.cuda}"
    return {"rocm": "built for AMD, ROCm", "xpu": "built for Intel, XPU"}.get(
        build.accelerator, "a CPU build"
    )


def _nvidia(facts: Facts, name: str, usable: list[NvidiaGpu], host: Host | None) -> Finding:
    capabilities = tuple({card.compute_capability for card in usable})
    small = max(card.memory_total or SMALL for card in usable) < SMALL
    card, count = usable[0].name, len(usable)
    fit = rebuild_cuda(
        host,
        facts.interpreter,
        facts.torch,
        facts.nvidia_driver.version,
        capabilities,
    )
    number = f"{count} x {card}" if count > 1 else card
    if fit is None:
        install = install_driver(host)
        driver = facts.nvidia_driver.version if facts.nvidia_driver else "not known"
        return Finding(
            found=f"{name}; the machine has {number} under driver {driver}",
            cure=install.cure,
            cure_note=f"{install.note}; no CUDA build fits the present driver; then `doctor check` names one",
        )
    return Finding(
        severity="note" if small else "error",
        found=f"{name}; the machine has {number}",
        cure=fit.cure,
        cure_note=f"torch {fit.version} for CUDA {cuda_of(fit.variant)}: about 3 GB, no reboot",
        evidence=(f"{facts.torch.location}/version.py",) if facts.torch.location else (),
    )


def _amd(facts: Facts, name: str, chips: list[AmdGpu], host: Host | None, told_by: str) -> Finding:
    cards = listed(dict.fromkeys(chip.name or chip.gfx for chip in chips))
    # the name first: a tool prints the target of an override, or of an early stepping
    gfx = tuple(dict.fromkeys(filter(None, (amd_gfx_by_name(c.name) or c.gfx for c in chips))))
    fit = rocm_build(host, facts.interpreter, facts.torch, gfx)
    return worded(
        "torch-cpu-only/amd",
        severity="error" if fit.on_index or (told_by and fit.of_amd) else "note",
        found=f"{name}; the machine has {cards}" + (f", says {told_by}" if told_by else ""),
        cure=fit.cure,
        cure_note=fit.note,
        evidence=(f"{facts.torch.location}/version.py",) if facts.torch.location else (),
    )


def _intel(name: str, chips: str, cure: Cure, *, arc: bool) -> Finding:
    return worded(
        "torch-cpu-only/intel",
        severity="error" if arc else "note",
        found=f"{name}; the machine has {chips}",
        cure=cure,
    )
