"""No C compiler is found, and Triton needs one at run time.

What it means
    Triton compiles a small launcher with cc for each kernel. torch.compile, Unsloth, Liger and some quantised kernels
    use it. Plain training with transformers does not.

How it is found
    gcc, clang or cc on PATH, where Triton and a GPU are there; and errors of the compiler and the linker.

Cures
    Install gcc (and g++ for torch.compile on the CPU).

When to ignore it
    When nothing of that is used.

Seen as
    RuntimeError: Failed to find C compiler. Please specify via CC environment variable
    InvalidCxxCompiler: No working C++ compiler found
    /usr/bin/ld: cannot find -lcuda
"""

import re

from tunedoctor.api import (
    TRITON,
    AmdGpus,
    Compilers,
    Environment,
    Errors,
    Finding,
    Host,
    NvidiaGpus,
    Packages,
    Unknown,
    check,
    known,
    pattern,
    pip,
    tell,
    told,
)

INSTALL = {
    "debian": "sudo apt-get install -y gcc g++",
    "ubuntu": "sudo apt-get install -y gcc g++",
    "alpine": "sudo apk add build-base",
    "arch": "sudo pacman -S --noconfirm gcc",
    "opensuse-leap": "sudo zypper install -y gcc gcc-c++",
}
GCC = "sudo dnf install -y gcc gcc-c++"
BUILD_TOOLS = "winget install --exact Microsoft.VisualStudio.2022.BuildTools"
WINDOWS_WORDS = (
    r"MSVC|Windows SDK|Microsoft Visual C\+\+|\bcl\.exe|Compiler: cl\b|\bcl is not found|\['where'"
)
CC = r"(?:\S{0,40}-)?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|cl)(?:-\d{1,2})?(?:\.exe)?"
"""A compiler as messages name it."""
DRIVE = pattern(r"[A-Za-z]:\\")
SAID = (
    r"Failed to find C compiler",
    r"Failed to find (?:MSVC|Windows SDK)\b",
    r"InvalidCxxCompiler",
    r"No working C\+\+ compiler found",
    r"cannot find -lcuda\b",
    r"Compiler: \S{1,60} is not found",
    r"only support MSVC with English language pack",
    rf"\['which', '{CC}'\]' returned non-zero",
    rf"No such file or directory: '{CC}'",
    rf"(?:^|[\s:'\"]){CC}['\"]?: (?:command )?not found",
    rf"command '{CC}' failed: (?:No such file|None)",
    rf"Cannot find compiler '{CC}'",
    r"Microsoft Visual C\+\+ 14\.\d or greater is required",
    rf"unable to execute '{CC}': No such file",
    rf"checking compiler version for {CC}: .{{0,20}}WinError 2",
    rf"\['where', '{CC}'\]' returned non-zero",
    r"No CMAKE_(?:C|CXX)_COMPILER could be found",
    r"CMAKE_(?:C|CXX)_COMPILER not set, after EnableLanguage",
    r"cannot execute .cc1(?:plus)?.: ",
    r"linker .cc. not found",
    r"No supported gcc/g\+\+ host compiler found",
)
NVCC = (
    r"CUDA_HOME environment variable is not set",
    r"nvcc not found at '",
    r"CUDA_HOME does not exist, unable to compile CUDA op",
    r"command '(?:\S{0,80}/)?nvcc(?:\.exe)?' failed: (?:No such file|None)",
    r"No such file or directory: '(?:\S{0,80}/)?nvcc(?:\.exe)?'",
    r"(?:^|[\s:'\"])(?:/\S{0,80}/)?nvcc: (?:command )?not found",
    r"nvcc was not found\b",
    # setup.py of flash-attn, causal-conv1d and mamba goes on without it and stumbles here
    r"name 'bare_metal_version' is not defined",
    r"Could not find nvcc\b",
    r"No CMAKE_CUDA_COMPILER could be found",
)
"""What is said where the CUDA compiler is not there: a toolkit, which no wheel of torch brings."""
OTHERS = {
    r"ROCM_HOME environment variable is not set": ("hipcc", "ROCm", "hipcc --version"),
    r"but hipcc was not found": ("hipcc", "ROCm", "hipcc --version"),
    r"SYCL runtime is not \w{5,8}\.": ("icpx", "oneAPI", "source /opt/intel/oneapi/setvars.sh"),
}
"""What torch says -> the compiler of AMD and of Intel, what brings it, and what shows it."""
NINJA = r"Ninja is required to load C\+\+ extensions"


@check("compiler-missing", "No C compiler is found, and Triton needs one", "warning")
def compiler_missing(  # noqa: PLR0913  what needs it, what is there, what was said
    compilers: Compilers | Unknown | None,
    packages: Packages | Unknown | None,
    nvidia: NvidiaGpus | Unknown | None,
    amd: AmdGpus | Unknown | None,
    environment: Environment | Unknown | None,
    host: Host | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Believe an error first; else find Triton beside a GPU without a compiler on Linux."""
    said = told(errors, *SAID)
    system = known(host)
    if other := _other_tool(errors):
        return other
    if "-lcuda" in said:
        return Finding(
            severity="error",
            title="The linker finds no libcuda.so",
            found=f"the error '{said}': the driver brings libcuda.so.1, and its folder is not searched",
            said=said,
            means="torch.compile and Triton kernels stop; plain training runs",
            cure=tell("sudo ln -s libcuda.so.1 /usr/lib/x86_64-linux-gnu/libcuda.so"),
            cure_note="root; where ldconfig -p shows libcuda.so.1 elsewhere, set TRITON_LIBCUDA_PATH to that folder",
        )
    tools, there, settings = known(compilers), known(packages), known(environment)
    version = next((v for n in TRITON if there is not None and (v := there.version(n))), "")
    gpu = known(nvidia) is not None or known(amd) is not None
    lacks = (
        tools is not None and tools.cc == "" and not (settings is not None and settings.get("CC"))
    )
    linux = system is None or system.os == "linux"
    windows = _windows(system, said, errors)
    if not said and not (lacks and version and gpu and linux):
        return None
    return Finding(
        severity="error" if said else "warning",
        found=f"the error '{said}'"
        if said
        else f"no gcc, clang or cc on PATH; triton {version} is installed",
        said=said,
        means="torch.compile, Unsloth and other Triton kernels stop with 'Failed to find C compiler'",
        cure=tell(
            BUILD_TOOLS
            if windows
            else INSTALL.get(system.distro if system is not None else "debian", GCC)
        ),
        cure_note="with the workload Desktop development with C++; about 7 GB. Then start from its x64 prompt"
        if windows
        else "root; about 0.2 GB",
    )


def _windows(host: Host | None, said: str, errors: Errors | Unknown | None) -> bool:
    """Tell Windows by the system, by the words of the error, or by a file in its traceback."""
    if host is not None:
        return host.os == "windows"
    frames = [f for e in errors.errors for f in e.frames] if isinstance(errors, Errors) else []
    return bool(re.search(WINDOWS_WORDS, said)) or any(DRIVE.match(f.file) for f in frames)


def _other_tool(errors: Errors | Unknown | None) -> Finding | None:
    """Tell of a build that lacks nvcc or ninja, not a C compiler."""
    if said := told(errors, *NVCC):
        return Finding(
            severity="error",
            title="The CUDA compiler nvcc is not found",
            found=f"the error '{said}'",
            said=said,
            means="an extension that is compiled here stops in its build; torch itself runs",
            cure=tell("nvcc --version; python -c 'import torch; print(torch.version.cuda)'"),
            cure_note="install the CUDA toolkit of the release that torch names and point CUDA_HOME to it; "
            "or a ready wheel of the extension, which needs no compiler",
        )
    for sign, (compiler, brings, shows) in OTHERS.items():
        if said := told(errors, sign):
            return Finding(
                severity="error",
                title=f"The compiler {compiler} is not found",
                found=f"the error '{said}'",
                said=said,
                means="an extension that is compiled here stops in its build; torch itself runs",
                cure=tell(shows),
                cure_note=f"install {brings} with its compiler, of the release that torch names",
            )
    if said := told(errors, NINJA):
        return Finding(
            severity="error",
            title="The build tool ninja is not found",
            found=f"the error '{said}'",
            said=said,
            means="extensions that are compiled at their first use stop there; torch itself runs",
            cure=pip(None, "install", "ninja"),
            cure_note="with the python that runs the script; its bin folder has to be on PATH",
        )
    return None
