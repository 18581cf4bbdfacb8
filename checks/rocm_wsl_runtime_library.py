import shlex

from tunedoctor import api


@api.check("rocm-wsl-runtime-library")
def rocm_wsl_runtime_library(
    facts: api.Facts, host: api.Host, torch: api.TorchBuild
) -> api.Finding | None:
    """Call it an error where torch was seen to fail; without a run warn of wheels of the PyTorch index."""
    if host.wsl != 2 or torch.accelerator != "rocm":
        return None
    failed = facts.runtime.gpu_available is False
    # AMD's own wheels carry a local label such as rocm7.2.1.lw or rocmsdk
    ours = failed or torch.variant
    if facts.runtime.gpu_works or facts.rocm.dxg is False or not ours:
        return None
    folder = f"{torch.location}/lib" if torch.location else "torch/lib"
    libraries = facts.rocm.hsa_libraries
    ubuntu = next((one for one in libraries if one.startswith("/usr/lib/")), "")
    return facts.worded(
        "rocm-wsl-runtime-library:also" if ubuntu else "",
        "rocm-wsl-runtime-library:failed" if failed else "",
        "rocm-wsl-runtime-library",
        cure=api.tell(f"rm {shlex.quote(folder)}/libhsa-runtime64.so*", who="root"),
        folder=folder,
        ubuntu=ubuntu,
    )
