from tunedoctor.api import (
    AmdGpus,
    Finding,
    IntelGpu,
    Interpreter,
    Known,
    NvidiaGpus,
    Runtime,
    check,
    counted,
    python,
    tell,
    worded,
)


@check("torch-sees-no-gpu")
def torch_sees_no_gpu(
    runtime: Runtime,
    nvidia: Known[NvidiaGpus],
    amd: Known[AmdGpus],
    intel: Known[IntelGpu],
    interpreter: Known[Interpreter],
) -> Finding | None:
    """Go by what torch said of the GPUs that the drivers list."""
    if runtime.gpu_available is not False:
        return None
    names = [card.name for card in nvidia.gpus] if nvidia else []
    names += [gpu.name or gpu.gfx for gpu in amd.gpus if not gpu.integrated] if amd else []
    names += [*intel.names] if intel and intel.discrete and runtime.stage("import torch") else []
    if not names:
        return None
    reason = f": '{runtime.gpu_error.splitlines()[0][:160]}'" if runtime.gpu_error else ""
    name = f"torch {runtime.torch_version}".strip()
    # of a pasted report, which tells only a part, the cause is still open
    return worded(
        "torch-sees-no-gpu",
        found=f"{name} was run and sees no GPU{reason}; the machine has {counted(names)}",
        cure=tell(f'{python(interpreter)} -c "import torch; torch.cuda.init()"'),
        evidence=(runtime.torch_file,) if runtime.torch_file else (),
        settle="" if runtime.torch_file else f"{python(interpreter)} -m torch.utils.collect_env",
    )
