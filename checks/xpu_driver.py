from typing import Any

from tunedoctor import api


@api.check("xpu-driver")
def xpu_driver(facts: api.Facts) -> api.Finding | None:
    """Only for an XPU build, unless an error says it."""
    said = facts.heard("xpu-driver/oneapi", "xpu-driver/sycl-name", "xpu-driver")
    build, denied = facts.torch.accelerator, facts.intel.render_denied
    if facts.runtime.gpu_works or build not in ("xpu", "unknown"):
        return None
    lacks = facts.intel.level_zero is False
    if not said and not (build == "xpu" and (lacks or denied)):
        return None
    windows = facts.host.os == "windows"
    words: dict[str, Any] = {
        "name": facts.torch.named if facts.torch else "an XPU build",
        "card": api.listed(facts.intel.names) if facts.intel else "the Intel GPU",
    }
    if denied:
        return facts.worded("xpu-driver/denied", evidence=denied, **words)
    for part in (*(() if windows else ("oneapi",)), "sycl-name"):
        if own := facts.heard(f"xpu-driver/{part}"):
            return facts.worded(f"xpu-driver/{part}", said=own, **words)
    return facts.worded(
        "xpu-driver:windows" if windows else "xpu-driver:lacks" if lacks else "xpu-driver:else",
        "xpu-driver:lacks" if lacks else "",
        "xpu-driver",
        said=said,
        **words,
    )
