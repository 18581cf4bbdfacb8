from tunedoctor.api import Facts, Finding, Runtime, check, counted, python, worded


@check("torch-sees-no-gpu")
def torch_sees_no_gpu(facts: Facts, runtime: Runtime) -> Finding | None:
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
    return worded(
        "torch-sees-no-gpu",
        "" if runtime.torch_file else "torch-sees-no-gpu:report",
        evidence=(runtime.torch_file,),
        name=f"torch {runtime.torch_version}".strip(),
        reason=(runtime.gpu_error.splitlines() or [""])[0][:160],
        gpus=counted(names),
        python=python(facts.interpreter),
    )
