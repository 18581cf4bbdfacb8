"""In WSL the ROCm runtime inside the wheel hides the one that works there.

What it means
    WSL has no /dev/kfd; the GPU comes through /dev/dxg, which only AMD's own runtime for WSL knows. The
    libhsa-runtime64.so in wheels of the PyTorch index and Ubuntu's package libhsa-runtime64-1 know /dev/kfd only, and
    are found first.

How it is found
    A ROCm build in WSL 2 that sees no GPU, and /dev/dxg is there.

Cures
    Take the wheel's copy away, so that the runtime for WSL is found; remove Ubuntu's packages.

When to ignore it
    With AMD's own wheels for WSL.

Seen as
    rocminfo finds the GPU while torch.cuda.is_available() is False
    WSL environment detected, HSA runtime
"""

import shlex

from tunedoctor.api import Finding, Host, Known, RocmStack, Runtime, TorchBuild, check, tell


@check(
    "rocm-wsl-runtime-library",
    "The ROCm runtime in the wheel does not know WSL",
    explains=["torch-sees-no-gpu"],
)
def rocm_wsl_runtime_library(
    host: Host,
    torch: TorchBuild,
    rocm: Known[RocmStack],
    runtime: Known[Runtime],
) -> Finding | None:
    """Call it an error where torch was seen to fail; without a run warn of wheels of the PyTorch index."""
    if host.wsl != 2 or torch.accelerator != "rocm":
        return None
    if (runtime is not None and runtime.gpu_works) or (rocm is not None and rocm.dxg is False):
        return None
    failed = runtime is not None and runtime.gpu_available is False
    # AMD's own wheels carry a local label such as rocm7.2.1.lw or rocmsdk
    if not failed and not torch.variant:
        return None
    ubuntu = [lib for lib in (rocm.hsa_libraries if rocm else ()) if lib.startswith("/usr/lib/")]
    folder = f"{torch.location}/lib" if torch.location else "torch/lib"
    return Finding(
        severity="error" if failed else "warning",
        found=f"torch {torch.version} in WSL 2 brings its own libhsa-runtime64.so in {folder}"
        + (f"; Ubuntu's {ubuntu[0]} is there too" if ubuntu else ""),
        means="torch.cuda.is_available() is False while rocminfo lists the GPU, so training runs on the CPU",
        cure=tell(f"rm {shlex.quote(folder)}/libhsa-runtime64.so*", who="root"),
        cure_note="the runtime of AMD's ROCm for WSL is then found"
        + ("; also: sudo apt-get remove libhsa-runtime64-1 libhsakmt1" if ubuntu else ""),
        evidence=("/dev/dxg", folder),
    )
