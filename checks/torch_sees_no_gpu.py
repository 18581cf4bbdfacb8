from tunedoctor import api


@api.check("torch-sees-no-gpu")
def torch_sees_no_gpu(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Go by what torch said of the GPUs that the drivers list."""
    if runtime.gpu_available is not False:
        return None
    names = [card.name for card in facts.nvidia.gpus]
    names += [gpu.name or gpu.gfx for gpu in facts.amd.gpus if not gpu.integrated]
    if facts.intel.discrete and runtime.stage("import torch"):
        names += facts.intel.names
    if not names:
        return None
    # of a pasted report, which tells only a part, the cause is still open
    return facts.worded(
        "torch-sees-no-gpu",
        "" if runtime.torch_file else "torch-sees-no-gpu:report",
        name=f"torch {runtime.torch_version}".strip(),
        reason=(runtime.gpu_error.splitlines() or [""])[0][:160],
        gpus=api.counted(names),
        python=api.python(facts.interpreter),
    )
