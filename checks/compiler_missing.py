import re

from tunedoctor.api import (
    TRITON,
    AmdGpus,
    Compilers,
    Environment,
    Errors,
    Finding,
    Host,
    Known,
    NvidiaGpus,
    Packages,
    check,
    expression,
    heard,
    if_heard,
    tell,
    told,
    worded,
)

INSTALL = {
    "debian": "sudo apt-get install -y gcc g++",
    "ubuntu": "sudo apt-get install -y gcc g++",
    "alpine": "sudo apk add build-base",
    "arch": "sudo pacman -S --noconfirm gcc",
    "opensuse-leap": "sudo zypper install -y gcc gcc-c++",
}
GCC = "sudo dnf install -y gcc gcc-c++"
WINDOWS_WORDS = (
    r"MSVC|Windows SDK|Microsoft Visual C\+\+|\bcl\.exe|Compiler: cl\b|\bcl is not found|\['where'"
)
DRIVE = expression("compiler-missing/drive")
OTHERS = {
    r"ROCM_HOME environment variable is not set": ("hipcc", "ROCm", "hipcc --version"),
    r"but hipcc was not found": ("hipcc", "ROCm", "hipcc --version"),
    r"SYCL runtime is not \w{5,8}\.": ("icpx", "oneAPI", "source /opt/intel/oneapi/setvars.sh"),
}
"""What torch says -> the compiler of AMD and of Intel, what brings it, and what shows it."""


@check("compiler-missing")
def compiler_missing(
    compilers: Known[Compilers],
    packages: Known[Packages],
    nvidia: Known[NvidiaGpus],
    amd: Known[AmdGpus],
    environment: Known[Environment],
    host: Known[Host],
    errors: Known[Errors],
) -> Finding | None:
    """Believe an error first; else find Triton beside a GPU without a compiler on Linux."""
    said = heard(errors, "compiler-missing")
    if other := _other_tool(errors):
        return other
    if "-lcuda" in said:
        return worded("compiler-missing/libcuda", said=said)
    version = next((v for n in TRITON if packages is not None and (v := packages.version(n))), "")
    gpu = nvidia is not None or amd is not None
    lacks = (
        compilers is not None
        and compilers.cc == ""
        and not (environment is not None and environment.get("CC"))
    )
    linux = host is None or host.os == "linux"
    windows = _windows(host, said, errors)
    if not said and not (lacks and version and gpu and linux):
        return None
    return worded(
        "compiler-missing",
        "compiler-missing:said" if said else "compiler-missing:not-on-path",
        "compiler-missing:windows" if windows else "compiler-missing:root",
        said=said,
        version=version,
        install=INSTALL.get(host.distro if host is not None else "debian", GCC),
    )


def _windows(host: Host | None, said: str, errors: Errors | None) -> bool:
    """Tell Windows by the system, by the words of the error, or by a file in its traceback."""
    if host is not None:
        return host.os == "windows"
    frames = [f for e in errors.errors for f in e.frames] if isinstance(errors, Errors) else []
    return bool(re.search(WINDOWS_WORDS, said)) or any(DRIVE.match(f.file) for f in frames)


def _other_tool(errors: Errors | None) -> Finding | None:
    """Tell of a build that lacks nvcc or ninja, not a C compiler."""
    if found := if_heard(errors, "compiler-missing/nvcc"):
        return found
    for sign, (compiler, brings, shows) in OTHERS.items():
        if said := told(errors, sign):
            return worded(
                "compiler-missing/other-tool",
                said=said,
                cure=tell(shows),
                compiler=compiler,
                brings=brings,
            )
    return if_heard(errors, "compiler-missing/ninja")
