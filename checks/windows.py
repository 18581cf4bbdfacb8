from tunedoctor import api

LEAST = 8 << 30
"""Bytes: two workers with the CUDA libraries."""


@api.check(
    "pagefile-too-small", systems=("windows",), uses=(api.Errors, api.Memory, api.TorchBuild)
)
def pagefile_too_small(facts: api.Facts) -> api.Finding | None:
    """Judge the remaining memory; WinError 1455, in any language, makes it an error."""
    cpu = facts.torch.accelerator == "cpu"
    error = facts.error_text()
    free, total = facts.ram.commit_free, facts.ram.commit_total
    if not error and (free is None or free >= LEAST):
        return None
    evidence = [f"the error '{error}'"] if error else []
    evidence += [f"{api.gib(free)} of the commit limit is left"] if free is not None else []
    evidence += [f"RAM and page file together are {api.gib(total)}"] if total else []
    return api.Finding(
        severity="note" if cpu else "error" if error else None,
        found="; ".join(evidence),
        cure=api.tell("SystemPropertiesPerformance.exe", "root"),
        cure_note=(
            "as administrator: Advanced, Virtual memory: 32 GiB or more, then restart. Until then "
            "set dataloader_num_workers=0"
        ),
        said=error,
    )


INSTALL_RUNTIME = api.tell("winget install --exact Microsoft.VCRedist.2015+.x64", "root")
INTEL = ("backend_with_compiler", "intel-ext-pt-gpu", "intel-ext-pt-python")
"""DLLs of Intel's extension and its own torch, which need libuv and oneAPI. Source: its installation guide."""


@api.check("windows-missing-dll", systems=("windows",), uses=(api.Errors, api.TorchBuild))
def windows_missing_dll(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Report error 126 in a library."""
    if failed := facts.matched("/failed"):
        return _report_missing_in_torch(facts, failed[1])
    failed = facts.matched("/not-loaded")
    if failed is None:
        return None
    module = failed[1]
    return api.Finding(
        title="A DLL that a compiled module depends on is missing",
        found=f"'{failed[0]}': a DLL that {module} depends on is missing",
        means=f"import {module} fails",
        cure=INSTALL_RUNTIME,
        cure_note=(
            f"needs an administrator; if the error stays, install the build of {module} for this "
            "torch and Python"
        ),
        said=failed[0],
    )


def _report_missing_in_torch(facts: api.Facts, name: str) -> api.Finding:
    """Report which dependency of a DLL of torch is missing, and what brings it."""
    of_torch = f" of torch {facts.torch.version}" if facts.torch.version else ""
    found = f"WinError 126 in {name}.dll{of_torch}"
    if name == "fbgemm":
        return api.Finding(
            found=f"{found}: libomp140.x86_64.dll is missing",
            cure=facts.pip("install", "torch==2.4.1", "torchvision==0.19.1"),
            cure_note=(
                "the next patch release does not need libomp140; add the --index-url of your CUDA "
                "build"
            ),
        )
    found += ": one of its dependencies is missing"
    if name in INTEL:
        return api.Finding(
            found=found,
            cure=api.tell("conda install --yes --channel conda-forge libuv", "root"),
            cure_note=(
                "then run oneAPI's setvars.bat in the same prompt; or install torch 2.5 or newer "
                "from https://download.pytorch.org/whl/xpu, which needs neither"
            ),
        )
    return api.Finding(found=found, cure=INSTALL_RUNTIME, cure_note="needs an administrator")


@api.check("windows-vcredist", systems=("windows",), uses=(api.Errors, api.TorchBuild))
def windows_vcredist(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Report error 1114 in a torch library."""
    stated = facts.error_text("/stated")
    if absent := facts.error_text("/absent"):
        return _report_missing_runtime(absent)
    if stated and facts.error_text():
        return _report_missing_runtime(
            stated, f"the warning '{stated}', and a DLL that does not load"
        )
    if stated:
        return api.Finding(
            title="The Visual C++ runtime is not installed",
            severity="warning",
            found=f"the warning '{stated}'",
            means="import torch fails if a DLL needs it",
            cure=INSTALL_RUNTIME,
            cure_note="needs an administrator",
            said=stated,
        )
    failed = facts.matched("/failed")
    if failed is None:
        return None
    build = facts.torch.described if facts.torch else "torch 2.9 and newer"
    return api.Finding(
        found=f"WinError 1114 in {failed[1]}.dll; {build} needs msvcp140.dll 14.40 or newer",
        cure=INSTALL_RUNTIME,
        cure_note=(
            "needs an administrator; in a conda environment also run conda update vs2015_runtime. "
            "If the error stays, torch 2.8 works with the older runtime"
        ),
    )


def _report_missing_runtime(error: str, found: str = "") -> api.Finding:
    return api.Finding(
        title="The Visual C++ runtime is not installed",
        found=found,
        means="import torch fails",
        cure=INSTALL_RUNTIME,
        cure_note="needs an administrator",
        said=error,
    )


@api.check("wsl1-no-gpu", systems=("wsl",), uses=(api.Errors, api.NvidiaAnswer, api.TorchBuild))
def wsl1_no_gpu(facts: api.Facts, host: api.Host) -> api.Finding | None:
    """Report an error if a GPU build is installed or was requested, otherwise a note."""
    if host.wsl != 1:
        return None
    build = facts.torch.accelerator in ("cuda", "rocm", "xpu") and facts.torch.version
    error = facts.error_text()
    # someone who runs the driver's tools wants the GPU
    requested = facts.nvidia_answer.smi == "error"
    found = f"{host.name} runs under WSL 1"
    return api.Finding(
        severity="error" if build or requested or error else "note",
        found=f"{found}; torch {build} is built for a GPU" if build else found,
        cure=api.tell("wsl.exe --set-version DISTRIBUTION 2"),
        cure_note=(
            "run it in Windows; `wsl.exe -l -v` lists the names. It takes some minutes and keeps "
            "the files"
        ),
        evidence=("/proc/sys/kernel/osrelease",),
        said=error,
    )


@api.check(
    "wsl-container-toolkit-stale",
    systems=("wsl", "windows"),
    uses=(api.Container, api.Errors, api.Host),
)
def wsl_container_toolkit_stale(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Report only error 500, and only if the system is WSL or unknown."""
    error = facts.error_text()
    windows = facts.host.os == "windows" or bool(facts.host.wsl)
    if not error and (windows or facts.container or not facts.host):
        # a missing kernel in a module gives the same error name: only CUDA startup in a container counts
        error = facts.error_text("/unnumbered")
    if not error or (facts.host and not windows and "microsoft" not in facts.host.kernel.lower()):
        return None
    sure = windows or facts.container or "500" in error
    in_container = f" in a {facts.container.kind} container" if facts.container.kind else ""
    return api.Finding(
        found=f"CUDA says '{error}'{in_container}",
        cure=api.tell(
            "sudo apt-get install -y --only-upgrade nvidia-container-toolkit && "
            "sudo systemctl restart docker"
        ),
        cure_note=(
            "needs root; run it in WSL, outside the container: 1.14.4 or newer. If you use Docker "
            "Desktop, update it to 4.31 or newer"
        ),
        settle="" if sure else "uname -r; docker info | grep -i operating",
        said=error,
    )
