from tunedoctor import api


@api.check("wsl1-no-gpu")
def wsl1_no_gpu(facts: api.Facts, host: api.Host) -> api.Finding | None:
    """Call it an error where a build for a GPU is installed or one was asked for, else a note."""
    if host.wsl != 1:
        return None
    wants = facts.torch.accelerator in ("cuda", "rocm", "xpu")
    name = f"; torch {facts.torch.version} is built for a GPU" if facts.torch and wants else ""
    said = facts.heard("wsl1-no-gpu")
    # whoever runs the tools of the driver wants the GPU
    asked = facts.nvidia_answer.smi == "error"
    return facts.worded(
        "wsl1-no-gpu",
        severity="error" if wants or said or asked else "note",
        said=said,
        found=f"{host.name} runs under WSL 1{name}",
    )
