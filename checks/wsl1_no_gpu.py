from tunedoctor.api import (
    Errors,
    Finding,
    Host,
    Known,
    NvidiaAnswer,
    TorchBuild,
    check,
    heard,
    worded,
)


@check("wsl1-no-gpu")
def wsl1_no_gpu(
    host: Host,
    torch: Known[TorchBuild],
    answer: Known[NvidiaAnswer],
    errors: Known[Errors],
) -> Finding | None:
    """Call it an error where a build for a GPU is installed or one was asked for, else a note."""
    if host.wsl != 1:
        return None
    wants = torch is not None and torch.accelerator in ("cuda", "rocm", "xpu")
    name = f"; torch {torch.version} is built for a GPU" if torch is not None and wants else ""
    said = heard(errors, "wsl1-no-gpu")
    # whoever runs the tools of the driver wants the GPU
    asked = answer is not None and answer.smi == "error"
    return worded(
        "wsl1-no-gpu",
        severity="error" if wants or said or asked else "note",
        said=said,
        found=f"{host.name} runs under WSL 1{name}",
    )
