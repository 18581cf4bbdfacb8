"""The Intel GPU cannot be used by the XPU build: driver or permission is missing.

What it means
    An XPU build reaches the GPU through Level Zero (libze_loader and libze_intel_gpu) and the render node of the
    card. Where one is missing, too old, or closed for this user, torch.xpu counts no device.

How it is found
    The loader in the system's folders, the render nodes opened for reading and writing; else torch's own warning.

Cures
    Install Intel's compute runtime, or join the group render.

When to ignore it
    Where another GPU trains.

Seen as
    Failed to initialize XPU devices
    No XPU devices are available
    PyTorch was compiled without XPU support
"""

from tunedoctor.api import (
    Errors,
    Finding,
    Host,
    IntelGpu,
    Runtime,
    TorchBuild,
    Unknown,
    check,
    heard,
    known,
    listed,
    worded,
)


@check("xpu-driver", "The Intel GPU driver does not serve PyTorch", explains=["torch-sees-no-gpu"])
def xpu_driver(
    torch: TorchBuild | Unknown | None,
    intel: IntelGpu | Unknown | None,
    host: Host | Unknown | None,
    runtime: Runtime | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Only for an XPU build, unless an error says it."""
    build, gpus, system, run = known(torch), known(intel), known(host), known(runtime)
    said = heard(errors, "xpu-driver/oneapi", "xpu-driver/sycl-name", "xpu-driver")
    other = build is not None and build.accelerator not in ("xpu", "unknown")
    if (run is not None and run.gpu_works) or other:
        return None
    mine = (
        build is not None
        and build.accelerator == "xpu"
        and gpus is not None
        and (gpus.level_zero is False or bool(gpus.render_denied))
    )
    if not said and not mine:
        return None
    windows = system is not None and system.os == "windows"
    name = f"torch {build.version}" if build else "an XPU build"
    card = listed(gpus.names) if gpus else "the Intel GPU"
    if gpus is not None and gpus.render_denied:
        return worded(
            "xpu-driver/denied",
            found=f"{name}, {card}; {listed(gpus.render_denied)}: permission denied",
            evidence=gpus.render_denied,
        )
    lacks = gpus is not None and gpus.level_zero is False
    if said and not windows and (oneapi := heard(errors, "xpu-driver/oneapi")):
        return worded("xpu-driver/oneapi", said=oneapi, name=name)
    if symbol := heard(errors, "xpu-driver/sycl-name"):
        return worded("xpu-driver/sycl-name", said=symbol, name=name)
    return worded(
        "xpu-driver",
        "xpu-driver:windows" if windows else "xpu-driver:else",
        found=f"{name}, {card}; "
        + ("the Level Zero loader is not installed" if lacks else f"the error '{said}'"),
        said=said,
        settle=""
        if lacks or windows
        else "clinfo -l; ls -l /dev/dri; dpkg -l | grep -E 'libze|intel-opencl'",
        evidence=("libze_loader.so.1",) if lacks else (),
    )
