from tunedoctor import api


@api.check("wsl1-no-gpu")
def wsl1_no_gpu(facts: api.Facts, host: api.Host) -> api.Finding | None:
    """Call it an error where a build for a GPU is installed or one was asked for, else a note."""
    if host.wsl != 1:
        return None
    build = facts.torch.accelerator in ("cuda", "rocm", "xpu") and facts.torch.version
    said = facts.heard("wsl1-no-gpu")
    # whoever runs the tools of the driver wants the GPU
    asked = facts.nvidia_answer.smi == "error"
    case = "wsl1-no-gpu:wanted" if build or asked else ""
    return facts.worded(case, "wsl1-no-gpu", said=said, build=build)
