"""Drivers are the system's: the command of the distribution is printed, for root, with the reboot that it needs."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-driver",
    "Say how to get the driver right",
    cures=[
        "driver-missing",
        "driver-too-old",
        "driver-hung",
        "driver-library-mismatch",
        "gpu-not-started",
        "gpu-too-new-for-torch",
        "uvm-module-broken",
        "fabric-manager-missing",
        "mig-misconfigured",
        "rocm-driver-not-bound",
        "xpu-driver",
        "wsl1-no-gpu",
    ],
)
def tell_driver(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
