import re

from tunedoctor.api import (
    Facts,
    Finding,
    at_least,
    check,
    cuda_of,
    driver_floor,
    heard,
    install_driver,
    parts,
    rebuild_cuda,
    visible_gpus,
)

BEFORE_11 = {"10.2": "440.33", "10.1": "418.39", "10.0": "410.48", "9.2": "396.26"}
"""Floors on Linux of releases before minor versions were compatible. Source: CUDA release notes, table of drivers."""
PTX = (
    r"the provided PTX was compiled with an unsupported toolchain",
    r"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
    r"ptxas application ptx input[^\n]{0,40}Unsupported \.version [\d.]+; current version is",
)
"""Code of a newer CUDA than the driver compiles. Source: CUDA driver API, error 222."""


@check("driver-too-old")
def driver_too_old(facts: Facts) -> Finding | None:
    """Compare the driver with the floor of the build's CUDA major; what torch itself says goes first."""
    if facts.runtime.gpu_works:
        return None
    said = heard(facts.errors, "driver-too-old")
    windows = facts.host.os == "windows" or facts.host.wsl == 2
    floor = _floor(facts.torch.cuda, windows=windows) if facts.torch.cuda else ""
    # JetPack 5 states the release of its own system, as in 35.4.1
    comparable = parts(facts.nvidia_driver.version)[:1] >= (100,)
    low = (
        bool(floor)
        and comparable
        and facts.nvidia_driver
        and not at_least(facts.nvidia_driver.version, floor)
    )
    if not said and (not low or _compat(facts)):
        return None
    seen = visible_gpus(facts.nvidia.gpus, facts.environment) if facts.nvidia else ()
    capabilities = tuple({card.compute_capability for card in seen if card.compute_capability})
    version = facts.nvidia_driver.version if facts.nvidia_driver else _driver_of(said)
    fit = (
        rebuild_cuda(facts.host, facts.interpreter, facts.torch, version, capabilities)
        if version
        else None
    )
    if facts.torch and fit is not None and fit.cure and fit.variant == facts.torch.variant:
        fit = None
    old = bool(capabilities) and all(parts(c) < (7, 5) for c in capabilities)
    install = install_driver(facts.host, floor, old_card=old, container=facts.container)
    return Finding(
        found=_found(facts, floor if low else "", said),
        said=said,
        cure=fit.cure if fit else install.cure,
        cure_note=f"torch {fit.version} for CUDA {cuda_of(fit.variant)}: about 3 GB, no reboot; "
        f"or a newer driver: {install.cure.command}"
        if fit
        else install.note,
        evidence=tuple(
            place
            for place in (
                f"{facts.torch.location}/version.py" if facts.torch.location else "",
                facts.nvidia_driver.source,
            )
            if place
        ),
    )


def _floor(cuda: str, *, windows: bool) -> str:
    old = "" if windows else BEFORE_11.get(".".join(cuda.split(".")[:2]), "")
    return old or driver_floor(cuda, windows=windows)


def _found(facts: Facts, floor: str, said: str) -> str:
    if facts.torch and facts.nvidia_driver and floor:
        return (
            f"torch {facts.torch.version} is built for CUDA {facts.torch.cuda}, which needs driver {floor} or newer; "
            f"the driver is {facts.nvidia_driver.version}"
        )
    version = _cuda_of(said)
    here = f"; that is a driver for CUDA {version} at most" if version else ""
    what = f"torch {facts.torch.version}, " if facts.torch else ""
    which = f"driver {facts.nvidia_driver.version}, " if facts.nvidia_driver else ""
    return (
        f"{what}{which}and the error '{said}'{here}"
        if what or which
        else f"the error '{said}'{here}"
    )


def _cuda_of(said: str) -> str:
    """Return "12.8" of "found version 12080": that number is a CUDA release, not a driver."""
    number = re.search(r"found version (\d{4,6})", said)
    if number is None:
        offered = re.search(r"conflicting with __cuda-(\d+\.\d+)", said)
        return offered[1] if offered else ""
    return f"{int(number[1]) // 1000}.{int(number[1]) % 1000 // 10}"


def _driver_of(said: str) -> str:
    """Return a driver that certainly is there, from the CUDA release that it offers."""
    cuda = _cuda_of(said)
    return driver_floor(f"{parts(cuda)[0]}.0", windows=False) if cuda else ""


def _compat(facts: Facts) -> bool:
    """Tell whether a cuda-compat library raises what the driver offers to the release of the build."""
    if not facts.torch or not facts.nvidia_driver.cuda:
        return False
    return at_least(facts.nvidia_driver.cuda, facts.torch.cuda)
