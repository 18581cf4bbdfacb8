from tunedoctor import api

BEFORE_11 = {"10.2": "440.33", "10.1": "418.39", "10.0": "410.48", "9.2": "396.26"}
"""Floors on Linux of releases before minor versions were compatible. Source: CUDA release notes, table of drivers."""


@api.check("driver-too-old")
def driver_too_old(facts: api.Facts) -> api.Finding | None:
    """Compare the driver with the floor of the build's CUDA major; what torch itself says goes first."""
    if facts.runtime.gpu_works:
        return None
    torch, driver, windows = facts.torch, facts.nvidia_driver, facts.host.windows_driver
    said = facts.heard("driver-too-old")
    floor = "" if windows else BEFORE_11.get(".".join(torch.cuda.split(".")[:2]), "")
    floor = floor or (api.driver_floor(torch.cuda, windows=windows) if torch.cuda else "")
    # JetPack 5 states the release of its own system, as in 35.4.1
    comparable = api.parts(driver.version)[:1] >= (100,)
    low = bool(floor) and comparable and not api.at_least(driver.version, floor)
    # a cuda-compat library can raise what the driver offers to the release of the build
    raised = bool(driver.cuda and torch) and api.at_least(driver.cuda, torch.cuda)
    if not said and (not low or raised):
        return None
    seen = api.visible_gpus(facts.nvidia.gpus, facts.environment)
    capabilities = tuple({card.compute_capability for card in seen if card.compute_capability})
    offered, version, fit = _cuda_of(said), driver.version, None
    if not driver and offered:
        version = api.driver_floor(f"{api.parts(offered)[0]}.0", windows=False)
    if version:
        fit = api.rebuild_cuda(facts.host, facts.interpreter, torch, version, capabilities)
    if fit and torch and fit.cure and fit.variant == torch.variant:
        fit = None
    old = bool(capabilities) and all(api.parts(c) < (7, 5) for c in capabilities)
    install = api.install_driver(facts.host, floor, old_card=old, container=facts.container)
    what = [torch.named] if torch else []
    what += [f"driver {driver.version}"] if driver else []
    return facts.worded(
        "driver-too-old:low" if low and driver else "driver-too-old:said",
        said=said,
        way=fit or install,
        cure_note=f"{fit.note}; or a newer driver: {install.cure.command}" if fit else "",
        floor=floor,
        driver=driver.version,
        what=", ".join((*what, "and ")) if what else "",
        offered=offered,
    )


def _cuda_of(said: str) -> str:
    """Return "12.8" of "found version 12080": that number is a CUDA release, not a driver."""
    if number := api.expression("driver-too-old/number").search(said):
        return f"{int(number[1]) // 1000}.{int(number[1]) % 1000 // 10}"
    offered = api.expression("driver-too-old/offered").search(said)
    return offered[1] if offered else ""
