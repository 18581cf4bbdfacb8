from tunedoctor.api import Facts, Finding, Runtime, check, counted, python, tell, worded


@check("torch-sees-no-gpu")
def torch_sees_no_gpu(facts: Facts, runtime: Runtime) -> Finding | None:
    """Go by what torch said of the GPUs that the drivers list."""
    if runtime.gpu_available is not False:
        return None
    names = [card.name for card in facts.nvidia.gpus]
    names += [gpu.name or gpu.gfx for gpu in facts.amd.gpus if not gpu.integrated]
    names += [*facts.intel.names] if facts.intel.discrete and runtime.stage("import torch") else []
    if not names:
        return None
    reason = f": '{runtime.gpu_error.splitlines()[0][:160]}'" if runtime.gpu_error else ""
    name = f"torch {runtime.torch_version}".strip()
    # of a pasted report, which tells only a part, the cause is still open
    return worded(
        "torch-sees-no-gpu",
        found=f"{name} was run and sees no GPU{reason}; the machine has {counted(names)}",
        cure=tell(f'{python(facts.interpreter)} -c "import torch; torch.cuda.init()"'),
        evidence=(runtime.torch_file,) if runtime.torch_file else (),
        settle=""
        if runtime.torch_file
        else f"{python(facts.interpreter)} -m torch.utils.collect_env",
    )
