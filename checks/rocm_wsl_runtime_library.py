import shlex

from tunedoctor.api import Facts, Finding, Host, TorchBuild, check, tell


@check("rocm-wsl-runtime-library")
def rocm_wsl_runtime_library(facts: Facts, host: Host, torch: TorchBuild) -> Finding | None:
    """Call it an error where torch was seen to fail; without a run warn of wheels of the PyTorch index."""
    if host.wsl != 2 or torch.accelerator != "rocm":
        return None
    if (facts.runtime.gpu_works) or (facts.rocm.dxg is False):
        return None
    failed = facts.runtime.gpu_available is False
    # AMD's own wheels carry a local label such as rocm7.2.1.lw or rocmsdk
    if not failed and not torch.variant:
        return None
    ubuntu = [lib for lib in (facts.rocm.hsa_libraries) if lib.startswith("/usr/lib/")]
    folder = f"{torch.location}/lib" if torch.location else "torch/lib"
    return Finding(
        severity="error" if failed else "warning",
        found=f"torch {torch.version} in WSL 2 brings its own libhsa-runtime64.so in {folder}"
        + (f"; Ubuntu's {ubuntu[0]} is there too" if ubuntu else ""),
        cure=tell(f"rm {shlex.quote(folder)}/libhsa-runtime64.so*", who="root"),
        cure_note="the runtime of AMD's ROCm for WSL is then found"
        + ("; also: sudo apt-get remove libhsa-runtime64-1 libhsakmt1" if ubuntu else ""),
        evidence=("/dev/dxg", folder),
    )
