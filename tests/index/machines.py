"""Machines to choose a build for; the indexes have files for what is chosen."""

from tunedoctor.model.machine import Gpu, Machine, Platform
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.pick import Choice


def machine(
    gpu: str = "",
    driver: str = "",
    torch: str = "",
    *,
    arch: str = "x86_64",
    platform: Platform = "linux",
) -> Machine:
    """Return a machine by the compute capability or gfx target of its GPU."""
    one = Gpu(name=gpu, gfx=gpu) if gpu.startswith("gfx") else Gpu(gpu, compute_capability=gpu)
    return Machine(
        platform,
        arch,
        "3.11",
        glibc="2.39" if platform == "linux" else "",
        driver_version=driver,
        gpus=(one,) if gpu else (),
        torch=torch,
    )


CPU = machine()
CU118 = machine("8.0", "470.82.01", "==2.5.1")
CU124_ARM = machine("9.0", "535.183.01", "==2.5.1", arch="aarch64")
CU126 = machine("7.5", "535.183.01")
CU126_WINDOWS = machine("7.5", "538.15", platform="windows")
CU128 = machine("12.0", "575.51.03", "==2.9.1")
CU130 = machine("8.9", "580.65.06", "==2.14.1")
CU132 = machine("8.9", "590.48.01")
MAC = Machine("macos", "arm64", "3.11", macos="14.5")
ROCM = machine("gfx1100")
ROCM_OLD = machine("gfx1031", torch="==2.9.1")


def chosen(here: Machine) -> Choice:
    choice = choose(here)
    assert choice.build is not None, choice
    return choice
