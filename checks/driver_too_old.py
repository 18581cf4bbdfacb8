"""The NVIDIA driver is older than this PyTorch build needs.

What it means
    A PyTorch wheel carries its own CUDA runtime, but not the driver. Each CUDA major has one floor: 11.x runs on
    driver 450.80.02 (Windows 452.39) and newer, 12.x on 525.60.13 (528.33), 13.x on 580. Minor versions do not
    matter: a 12.8 build runs on driver 525.

How it is found
    torch/version.py of the target names the CUDA release; the kernel module names the driver. Nothing is run.

Cures
    A build for an older CUDA major (no reboot), or a newer driver (root, reboot).

When to ignore it
    On a login node that only submits jobs.

Seen as
    The NVIDIA driver on your system is too old (found version 12040)
    CUDA driver version is insufficient for CUDA runtime version
"""

from tunedoctor.api import Finding, Host, NvidiaDriver, TorchBuild, at_least, check, driver_floor


@check(
    "driver-too-old", "This PyTorch needs a newer NVIDIA driver", explains=["torch-sees-no-gpu"]
)
def driver_too_old(torch: TorchBuild, driver: NvidiaDriver, host: Host) -> Finding | None:
    """Compare the driver with the floor of the build's CUDA major."""
    if not torch.cuda:
        return None
    floor = driver_floor(torch.cuda, windows=host.os == "windows" or host.wsl == 2)
    if not floor or at_least(driver.version, floor):
        return None
    return Finding(
        found=f"torch {torch.version} is built for CUDA {torch.cuda}, which needs driver {floor} or newer; "
        f"the driver is {driver.version}",
        means="torch.cuda.is_available() is False, so training runs on the CPU",
        cure="",
    )
