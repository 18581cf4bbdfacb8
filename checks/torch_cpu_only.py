from tunedoctor import api

HALO = "gfx1151"
"""Part of a processor, and as good for training as a card."""
SMALL = 4 << 30
"""Bytes of GPU memory below which a CPU build is no fault."""
OLDEST_DRIVER = "525.60.13"
"""Floor of all CUDA 12 builds."""


@api.check("torch-cpu-only")
def torch_cpu_only(  # noqa: PLR0911  each vendor, and what was said
    facts: api.Facts,
    nvidia: api.NvidiaGpus | api.Unknown | None,
    host: api.Host | api.Unknown | None,
) -> api.Finding | None:
    """Find a GPU that some build supports and this one does not; an error text decides where facts lack."""
    said = facts.heard("torch-cpu-only")
    kind = facts.torch.accelerator
    if facts.runtime.gpu_works:
        return None
    if kind == "unknown" and not said:
        return _fallen_back(facts)
    usable = [c for c in facts.nvidia.gpus if api.parts(c.compute_capability) >= (5,)]
    discrete = [g for g in facts.amd.gpus if _trains(g, told=facts.amd.told_by)]
    intel = facts.intel
    arcs = [n for n in intel.names if api.named_as("arc", n)] if intel.discrete else []
    served = {"cuda": bool(usable), "rocm": bool(discrete), "xpu": bool(arcs), "mps": True}
    name = f"{facts.torch.named} is {_what(facts.torch)}" if facts.torch else f"the error '{said}'"
    reached = facts.amd.told_by or not facts.rocm or facts.rocm.kfd in ("ok", "denied")
    if served.get(kind):
        return None
    if usable:
        return _nvidia(facts, name, usable, said)
    if discrete and reached:
        return _amd(facts, name, discrete, said)
    if arcs or (intel.discrete and kind == "cpu"):
        return _intel(facts, name, said, arc=bool(arcs))
    if said and kind == "unknown":
        if "xpu" in said.lower():
            return _intel(facts, "", said, arc=True)
        return _on_nvidia(facts, "from-text", said, name)
    return _of_no_gpu(facts, name, said, absent=nvidia is None, told=host is not None)


def _of_no_gpu(
    facts: api.Facts, name: str, said: str, *, absent: bool, told: bool
) -> api.Finding | None:
    """Judge a CPU build where no GPU is known: `absent`, NVIDIA's are known not to be there."""
    if facts.torch.accelerator != "cpu":
        return None
    if said and not absent and facts.host.os != "macos":
        more = f", and the job asks for CUDA: the error '{said}'"
        return _on_nvidia(facts, "from-text", said=said, name=name + more)
    if facts.runtime.gpu_available is False:
        known = facts.nvidia or facts.amd or facts.intel or facts.host or absent or not told
        return None if known else _on_nvidia(facts, "bare-excerpt", said=said, name=name)
    # somebody has NVIDIA's toolkit and misses CUDA
    missed = facts.heard("torch-cpu-only/missed")
    if facts.compilers.nvcc_version and missed:
        name += f"; nvcc {facts.compilers.nvcc_version} is installed, and the error '{missed}'"
        return _on_nvidia(facts, "missed", said=missed, name=name)
    return None


def _on_nvidia(facts: api.Facts, part: str, said: str, name: str) -> api.Finding:
    """Answer where no machine is told: it has an NVIDIA GPU, if any."""
    fit = api.rebuild_cuda(None, None, None, OLDEST_DRIVER, ())
    return facts.worded(f"torch-cpu-only/{part}", said=said, cure=fit and fit.cure, name=name)


def _trains(gpu: api.AmdGpu, *, told: str) -> bool:
    """Tell of a GPU that wheels have code for, or that a tool named without its target."""
    known = api.named_as("rocm_trains", gpu.gfx) or bool(told and not gpu.gfx)
    return known and (not gpu.integrated or gpu.gfx == HALO)


def _fallen_back(facts: api.Facts) -> api.Finding | None:
    """Tell of an install over several indexes, of which the default one had the build that pip took."""
    cards = bool(facts.amd or facts.nvidia)
    extra = api.expression("torch-cpu-only/extra-index")
    install = next((c for c in facts.typed.commands if extra.search(c)), "")
    if facts.runtime.gpu_available is not False or not cards or not install:
        return None
    gpu = [one.gfx or "gfx1100" for one in facts.amd.gpus]
    gpu += [one.compute_capability or "8.9" for one in facts.nvidia.gpus]
    key, variant = "torch-cpu-only/fallen-back", "rocm" if facts.amd else "cu"
    name, typed = api.python(facts.interpreter), install[:120]
    return facts.worded(key, name=name, install=typed, gpu=gpu[0], variant=variant)


def _what(build: api.TorchBuild) -> str:
    kinds = {
        "cuda": f"built for NVIDIA, CUDA {build.cuda}",
        "rocm": "built for AMD, ROCm",
        "xpu": "built for Intel, XPU",
    }
    return kinds.get(build.accelerator, "a CPU build")


def _nvidia(facts: api.Facts, name: str, usable: list[api.NvidiaGpu], said: str) -> api.Finding:
    capabilities = tuple({card.compute_capability for card in usable})
    small = max(card.memory_total or SMALL for card in usable) < SMALL
    card, driver = usable[0].name, facts.nvidia_driver.version
    fit = api.rebuild_cuda(facts.host, facts.interpreter, facts.torch, driver, capabilities)
    found = f"{name}; the machine has {f'{len(usable)} x ' if len(usable) > 1 else ''}{card}"
    if fit:
        severity: api.Severity = "note" if small else "error"
        key = "torch-cpu-only"
        return facts.worded(key, severity=severity, said=said, found=found, way=fit)
    found += f" under driver {driver or 'not known'}"
    way = api.install_driver(facts.host)
    note = f"{way.note}; no CUDA build fits the present driver; then `doctor check` names one"
    return facts.worded(said=said, found=found, way=way, cure_note=note)


def _amd(facts: api.Facts, name: str, chips: list[api.AmdGpu], said: str) -> api.Finding:
    # the name first: a tool prints the target of an override, or of an early stepping
    gfx = tuple(dict.fromkeys(filter(None, (api.amd_gfx_by_name(c.name) or c.gfx for c in chips))))
    fit = api.rocm_build(facts.host, facts.interpreter, facts.torch, gfx)
    return facts.worded(
        "torch-cpu-only/amd",
        severity="error" if fit.on_index or (facts.amd.told_by and fit.of_amd) else "note",
        said=said,
        way=fit,
        name=name,
        cards=dict.fromkeys(chip.name or chip.gfx for chip in chips),
    )


def _intel(facts: api.Facts, name: str, said: str, *, arc: bool) -> api.Finding:
    return facts.worded(
        "" if name else "torch-cpu-only:xpu",
        "torch-cpu-only/intel",
        severity="error" if arc else "note",
        said=said,
        cure=api.rebuild_xpu(facts.host, facts.interpreter, facts.torch),
        name=name,
    )
