"""An extension is compiled with an nvcc whose CUDA differs from that of torch.

What it means
    torch runs without any CUDA toolkit. Only where an extension is compiled, such as flash-attn from source or
    DeepSpeed's ops, must nvcc be of torch's CUDA major.

How it is found
    Errors of such a build; nvcc on PATH against the CUDA of the torch build, where DeepSpeed is installed.

Cures
    The toolkit of torch's CUDA beside the other, with CUDA_HOME pointing to it; or a ready wheel.

When to ignore it
    While nothing is compiled: nvcc that differs is harmless at run time.

Seen as
    The detected CUDA version (10.1) mismatches the version that was used to compile PyTorch (11.3)
    Installed CUDA version 11.8 does not match the version torch was compiled with 12.1
    MissingCUDAException: CUDA_HOME does not exist, unable to compile CUDA op(s)
    nvcc fatal   : Value 'c++17' is not defined for option 'std'
    undefined symbol: cudaGetDriverEntryPointByVersion, version libcudart.so.12
"""

import re

from tunedoctor.api import (
    Compilers,
    Errors,
    Finding,
    Packages,
    TorchBuild,
    Unknown,
    check,
    known,
    parts,
    pattern,
    set_variable,
    tell,
    told,
)

HOST = (
    r"unsupported (?:GNU|clang) version! [^\n]{0,60} versions (?:later|newer) than",
    r"unsupported Microsoft Visual Studio version!",
    r"installed version of \S{1,60} \([\d.]+\) is (?:greater|less) than the (?:max|min)imum required version by CUDA",
)
"""nvcc refuses the host's compiler."""
ARCH = r"nvcc fatal\s{0,8}: Unsupported gpu architecture '(?:compute|sm)_\d+\w?'"
STANDARD = r"nvcc fatal\s{0,8}: Value '(?:c|gnu)\+\+\d\d' is not defined for option 'std'"
"""torch's headers want C++17 since 2.1, which nvcc knows since CUDA 11. Source: torch/utils/cpp_extension.py."""
OWN_BUILD = pattern(
    r"[\\/](?:\.cache|torch_extensions|\w{1,40}_extensions|cached_ops|jit_cache)[\\/][^\n]{0,600}"
    r"\.so: undefined symbol: (?P<symbol>cu(?:da)?[A-Z]\w{2,80}), version (?P<library>libcudart\.so\.\d{1,2})"
)
"""What was compiled here calls a function that the CUDA runtime of torch's wheels is too old for."""
SAID = (
    r"detected CUDA version \([\d.]+\) mismatches the version",
    r"Installed CUDA version [\d.]+ does not match the version torch was compiled with(?!.{0,20} but since the APIs)",
    r"Cuda extensions are being compiled with a version of Cuda that does not match",
    *HOST,
    r"FlashAttention is only supported on CUDA [\d.]+ and above",
)


@check("toolkit-build-mismatch", "nvcc and PyTorch are of different CUDA releases")
def toolkit_build_mismatch(
    compilers: Compilers | Unknown | None,
    torch: TorchBuild | Unknown | None,
    packages: Packages | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Believe an error first; versions alone are a note, and only beside DeepSpeed."""
    tools, build, there = known(compilers), known(torch), known(packages)
    said = told(errors, *SAID)
    if host := told(errors, *HOST):
        return Finding(
            title="nvcc refuses the C++ compiler of this system",
            found=f"the error '{host}'",
            said=host,
            means="an extension that is compiled here stops in its build; torch itself runs",
            cure=tell("export CC=gcc-11 CXX=g++-11"),
            cure_note="a release that this nvcc takes, installed beside the system's; or a CUDA toolkit that "
            "knows the compiler, of the release of torch; or a ready wheel of the extension",
        )
    if arch := told(errors, ARCH):
        return Finding(
            title="nvcc does not know the GPU that it compiles for",
            found=f"the error '{arch}'",
            said=arch,
            means="an extension that is compiled here stops in its build",
            cure=tell("nvcc --version; python -c 'import torch; print(torch.version.cuda)'"),
            cure_note="install the toolkit of the release that torch names and point CUDA_HOME to it; "
            "or name other GPUs in TORCH_CUDA_ARCH_LIST",
            settle="nvcc --list-gpu-arch",
        )
    if standard := told(errors, STANDARD):
        return Finding(
            title="nvcc is too old for the headers of this PyTorch",
            found=f"the error '{standard}'",
            said=standard,
            means="an extension that is compiled here stops in its build; torch itself runs",
            cure=tell("python -c 'import torch; print(torch.version.cuda)'"),
            cure_note="install the CUDA toolkit of that release and point CUDA_HOME to it; or a ready wheel of the "
            "extension",
        )
    for error in errors.errors if isinstance(errors, Errors) else ():
        if own := OWN_BUILD.search(error.text):
            return _newer_nvcc(own["symbol"], own["library"], build)
    cuda = build.cuda if build is not None else ""
    nvcc = tools.nvcc_version if tools is not None else ""
    differ = bool(cuda and nvcc) and parts(cuda)[:1] != parts(nvcc)[:1]
    if not said and not (differ and there is not None and there.get("deepspeed")):
        return None
    wanted = re.search(r"PyTorch \(([\d.]+)\)|compiled with ([\d.]+\d)", said)
    release = ".".join(map(str, parts(cuda)[:2])) or (wanted[1] or wanted[2] if wanted else "")
    found = f"nvcc is of CUDA {nvcc}, torch of CUDA {cuda}" if differ else f"the error '{said}'"
    return Finding(
        severity="error" if said else "note",
        found=found + (f"; '{said}' was printed" if said and differ else ""),
        said=said,
        means="an extension that is compiled here stops in its build; torch itself runs",
        cure=set_variable(None, "CUDA_HOME", f"/usr/local/cuda-{release}")
        if release
        else tell("python -c 'import torch; print(torch.version.cuda)'"),
        cure_note=f"with the CUDA toolkit {release} installed there; or install a ready wheel of the extension"
        if release
        else "install the toolkit of that release and point CUDA_HOME to it; or a ready wheel of the extension",
        evidence=(tools.nvcc,) if tools is not None and tools.nvcc else (),
    )


def _newer_nvcc(symbol: str, library: str, torch: TorchBuild | None) -> Finding:
    """Tell of an extension compiled here by an nvcc that is newer than the CUDA runtime beside torch."""
    said = f"undefined symbol: {symbol}, version {library}"
    own = f" {torch.cuda}" if torch is not None and torch.cuda else ""
    return Finding(
        title="An extension was compiled by a newer nvcc than torch's CUDA",
        found=f"the error '{said}': the {library} beside torch is older than what it was compiled with",
        said=said,
        means="the extension does not load; torch itself runs",
        cure=set_variable(None, "CUDA_HOME", f"/usr/local/cuda-{own.strip()}")
        if own
        else tell("python -c 'import torch; print(torch.version.cuda)'"),
        cure_note=f"with the CUDA toolkit{own or ' of that release'} installed and CUDA_HOME pointing to it; then "
        "remove the folder of the file, which is compiled anew",
    )
