import re

from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    Host,
    Known,
    NvidiaAnswer,
    NvidiaDriver,
    check,
    heard,
    parts,
    worded,
)

CUDA = r"803|SYSTEM_DRIVER_MISMATCH|unsupported display driver"
"""What CUDA itself says: in a container a libcuda of the image is as likely as an update without a reboot."""


@check("driver-library-mismatch")
def driver_library_mismatch(
    driver: Known[NvidiaDriver],
    answer: Known[NvidiaAnswer],
    host: Known[Host],
    container: Known[Container],
    errors: Known[Errors],
) -> Finding | None:
    """NVML's error 18 or CUDA's 803 decide; two versions alone do where NVML did not say that it is well."""
    refused = answer is not None and 18 in (answer.nvml_code, answer.smi_code)
    said = heard(errors, "driver-library-mismatch")
    if host is not None and (host.wsl or host.os == "windows"):
        return None
    differ = (
        driver is not None
        and bool(driver.library)
        and len(parts(driver.library)) > 1
        and parts(driver.library) != parts(driver.version)
    )
    well = answer is not None and answer.nvml == "ok"
    if not (refused or said or (differ and answer is not None and not well)):
        return None
    if well and not said:
        return None
    versions = (
        f"the kernel module is {driver.version}, the libraries are {driver.library}"
        if driver is not None and differ
        else "NVML answers with error 18, driver/library version mismatch"
        if refused
        else f"the error '{said}'"
    )
    by_cuda = re.search(CUDA, said) is not None
    inside = container is not None or by_cuda
    return worded(
        "driver-library-mismatch",
        "driver-library-mismatch:inside" if inside else "driver-library-mismatch:else",
        found=versions,
        said=said,
        settle=""
        if refused or differ or not by_cuda
        else "cat /proc/driver/nvidia/version; ldconfig -p | grep libcuda.so",
        evidence=(driver.source or "/sys/module/nvidia/version", "libcuda.so.1, libnvidia-ml.so.1")
        if driver is not None
        else (),
    )
