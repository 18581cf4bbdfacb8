from tunedoctor.api import (
    Errors,
    Finding,
    Host,
    IntelGpu,
    Known,
    Runtime,
    TorchBuild,
    check,
    heard,
    listed,
    worded,
)


@check("xpu-driver")
def xpu_driver(
    torch: Known[TorchBuild],
    intel: Known[IntelGpu],
    host: Known[Host],
    runtime: Known[Runtime],
    errors: Known[Errors],
) -> Finding | None:
    """Only for an XPU build, unless an error says it."""
    said = heard(errors, "xpu-driver/oneapi", "xpu-driver/sycl-name", "xpu-driver")
    other = torch is not None and torch.accelerator not in ("xpu", "unknown")
    if (runtime is not None and runtime.gpu_works) or other:
        return None
    mine = (
        torch is not None
        and torch.accelerator == "xpu"
        and intel is not None
        and (intel.level_zero is False or bool(intel.render_denied))
    )
    if not said and not mine:
        return None
    windows = host is not None and host.os == "windows"
    name = f"torch {torch.version}" if torch else "an XPU build"
    card = listed(intel.names) if intel else "the Intel GPU"
    if intel is not None and intel.render_denied:
        return worded(
            "xpu-driver/denied",
            found=f"{name}, {card}; {listed(intel.render_denied)}: permission denied",
            evidence=intel.render_denied,
        )
    lacks = intel is not None and intel.level_zero is False
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
