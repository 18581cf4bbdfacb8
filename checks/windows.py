from tunedoctor import api

LEAST = 8 << 30
"""Bytes: two workers with the CUDA libraries."""


@api.check("pagefile-too-small")
def pagefile_too_small(facts: api.Facts) -> api.Finding | None:
    """Judge the remaining memory; WinError 1455, in any language, makes it an error."""
    cpu = facts.torch.accelerator == "cpu"
    error = facts.heard()
    free, total = facts.ram.commit_free, facts.ram.commit_total
    if not error and (free is None or free >= LEAST):
        return None
    evidence = [f"the error '{error}'"] if error else []
    evidence += [f"{api.gib(free)} of the commit limit is left"] if free is not None else []
    evidence += [f"RAM and page file together are {api.gib(total)}"] if total else []
    return facts.worded(":cpu" if cpu else "", found="; ".join(evidence), said=error)


INTEL = ("backend_with_compiler", "intel-ext-pt-gpu", "intel-ext-pt-python")
"""DLLs of Intel's extension and its own torch, which need libuv and oneAPI. Source: its installation guide."""


@api.check("windows-missing-dll")
def windows_missing_dll(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Report error 126 in a library."""
    if failed := facts.matched("/failed"):
        name = failed[1]
        case = "fbgemm" if name == "fbgemm" else "intel" if name in INTEL else "other"
        return facts.worded(f":{case}", name=name)
    module = facts.matched("/not-loaded")
    return facts.worded("/module", said=module[0], module=module[1]) if module else None


@api.check("windows-vcredist")
def windows_vcredist(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Report error 1114 in a torch library."""
    if absent := facts.if_heard("/absent"):
        return absent
    stated = facts.heard("/stated")
    if stated and facts.heard():
        description = f"the warning '{stated}', and a DLL that does not load"
        return facts.worded("/absent", found=description, said=stated)
    failed = facts.matched("/failed")
    if stated or failed is None:
        return facts.if_heard("/stated")
    return facts.worded(dll=failed[1], build=facts.torch and facts.torch.named)


@api.check("wsl1-no-gpu")
def wsl1_no_gpu(facts: api.Facts, host: api.Host) -> api.Finding | None:
    """Report an error if a GPU build is installed or was requested, otherwise a note."""
    if host.wsl != 1:
        return None
    build = facts.torch.accelerator in ("cuda", "rocm", "xpu") and facts.torch.version
    error = facts.heard()
    # someone who runs the driver's tools wants the GPU
    requested = facts.nvidia_answer.smi == "error"
    return facts.worded(":wanted" if build or requested else "", said=error, build=build)


@api.check("wsl-container-toolkit-stale")
def wsl_container_toolkit_stale(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Report only error 500, and only if the system is WSL or unknown."""
    error = facts.heard()
    windows = facts.host.os == "windows" or bool(facts.host.wsl)
    if not error and (windows or facts.container or not facts.host):
        # a missing kernel in a module gives the same error name: only CUDA startup in a container counts
        error = facts.heard("/unnumbered")
    if not error or (facts.host and not windows and "microsoft" not in facts.host.kernel.lower()):
        return None
    sure = windows or facts.container or "500" in error
    settle = "" if sure else "uname -r; docker info | grep -i operating"
    return facts.worded(said=error, settle=settle)
