import re

from tunedoctor.api import (
    Facts,
    Finding,
    check,
    heard,
    parts,
    worded,
)

CUDA = r"803|SYSTEM_DRIVER_MISMATCH|unsupported display driver"
"""What CUDA itself says: in a container a libcuda of the image is as likely as an update without a reboot."""


@check("driver-library-mismatch")
def driver_library_mismatch(facts: Facts) -> Finding | None:
    """NVML's error 18 or CUDA's 803 decide; two versions alone do where NVML did not say that it is well."""
    refused = 18 in (
        facts.nvidia_answer.nvml_code,
        facts.nvidia_answer.smi_code,
    )
    said = heard(facts.errors, "driver-library-mismatch")
    if facts.host.wsl or facts.host.os == "windows":
        return None
    differ = (
        bool(facts.nvidia_driver.library)
        and len(parts(facts.nvidia_driver.library)) > 1
        and parts(facts.nvidia_driver.library) != parts(facts.nvidia_driver.version)
    )
    well = facts.nvidia_answer.nvml == "ok"
    if not (refused or said or (differ and facts.nvidia_answer and not well)):
        return None
    if well and not said:
        return None
    versions = (
        f"the kernel module is {facts.nvidia_driver.version}, the libraries are {facts.nvidia_driver.library}"
        if facts.nvidia_driver and differ
        else "NVML answers with error 18, driver/library version mismatch"
        if refused
        else f"the error '{said}'"
    )
    by_cuda = re.search(CUDA, said) is not None
    inside = facts.container or by_cuda
    return worded(
        "driver-library-mismatch",
        "driver-library-mismatch:inside" if inside else "driver-library-mismatch:else",
        found=versions,
        said=said,
        settle=""
        if refused or differ or not by_cuda
        else "cat /proc/driver/nvidia/version; ldconfig -p | grep libcuda.so",
        evidence=(
            facts.nvidia_driver.source or "/sys/module/nvidia/version",
            "libcuda.so.1, libnvidia-ml.so.1",
        )
        if facts.nvidia_driver
        else (),
    )
