from tunedoctor import api


@api.check("driver-library-mismatch")
def driver_library_mismatch(facts: api.Facts) -> api.Finding | None:
    """NVML's error 18 or CUDA's 803 decide; two versions alone do where NVML did not say that it is well."""
    answer, driver = facts.nvidia_answer, facts.nvidia_driver
    refused, said = answer.says(18), facts.heard("driver-library-mismatch")
    library = api.parts(driver.library)
    differ = len(library) > 1 and library != api.parts(driver.version)
    well = answer.nvml == "ok"
    if facts.host.wsl or facts.host.os == "windows" or (well and not said):
        return None
    if not (refused or said or (differ and answer)):
        return None
    # in a container a libcuda of the image is as likely as an update without a reboot
    by_cuda = api.expression("driver-library-mismatch/cuda").search(said) is not None
    inside = facts.container or by_cuda
    case = "versions" if differ else "nvml" if refused else "said"
    return facts.worded(
        f"driver-library-mismatch:{case}",
        "driver-library-mismatch:inside" if inside else "driver-library-mismatch:else",
        "driver-library-mismatch:open" if by_cuda and not refused and not differ else "",
        "driver-library-mismatch:read" if driver else "",
        said=said,
    )
