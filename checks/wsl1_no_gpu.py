"""The system is WSL 1, which has no GPU.

What it means
    WSL 1 translates system calls and knows no devices. WSL 2 is a virtual machine with a path to the GPU, /dev/dxg.

How it is found
    The kernel's release names Microsoft and not WSL 2.

Cures
    Turn the distribution into WSL 2; its files stay.

When to ignore it
    Where WSL 1 is there for another purpose.

Seen as
    GPU access blocked by the operating system
    WSL environment detected but no adapters were found
"""

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


@check(
    "wsl1-no-gpu",
    "WSL 1 has no GPU",
    "note",
    explains=["driver-missing", "no-gpu", "torch-sees-no-gpu"],
)
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
