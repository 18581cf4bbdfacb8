from tunedoctor.api import (
    Facts,
    Finding,
    check,
    heard,
    listed,
    worded,
)


@check("xpu-driver")
def xpu_driver(facts: Facts) -> Finding | None:
    """Only for an XPU build, unless an error says it."""
    said = heard(facts.errors, "xpu-driver/oneapi", "xpu-driver/sycl-name", "xpu-driver")
    other = facts.torch.accelerator not in ("xpu", "unknown")
    if (facts.runtime.gpu_works) or other:
        return None
    mine = facts.torch.accelerator == "xpu" and (
        facts.intel.level_zero is False or bool(facts.intel.render_denied)
    )
    if not said and not mine:
        return None
    windows = facts.host.os == "windows"
    name = f"torch {facts.torch.version}" if facts.torch else "an XPU build"
    card = listed(facts.intel.names) if facts.intel else "the Intel GPU"
    if facts.intel.render_denied:
        return worded(
            "xpu-driver/denied",
            found=f"{name}, {card}; {listed(facts.intel.render_denied)}: permission denied",
            evidence=facts.intel.render_denied,
        )
    lacks = facts.intel.level_zero is False
    if said and not windows and (oneapi := heard(facts.errors, "xpu-driver/oneapi")):
        return worded("xpu-driver/oneapi", said=oneapi, name=name)
    if symbol := heard(facts.errors, "xpu-driver/sycl-name"):
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
