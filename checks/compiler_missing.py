import re

from tunedoctor.api import (
    TRITON,
    Facts,
    Finding,
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
OTHERS = {
    r"ROCM_HOME environment variable is not set": ("hipcc", "ROCm", "hipcc --version"),
    r"but hipcc was not found": ("hipcc", "ROCm", "hipcc --version"),
    r"SYCL runtime is not \w{5,8}\.": ("icpx", "oneAPI", "source /opt/intel/oneapi/setvars.sh"),
}
"""What torch says -> the compiler of AMD and of Intel, what brings it, and what shows it."""


@check("compiler-missing")
def compiler_missing(facts: Facts) -> Finding | None:
    """Believe an error first; else find Triton beside a GPU without a compiler on Linux."""
    said = heard(facts.errors, "compiler-missing")
    if other := _other_tool(facts):
        return other
    if "-lcuda" in said:
        return worded("compiler-missing/libcuda", said=said)
    version = next((v for n in TRITON if (v := facts.packages.version(n))), "")
    gpu = facts.nvidia or facts.amd
    lacks = facts.compilers and facts.compilers.cc == "" and not (facts.environment.get("CC"))
    linux = not facts.host or facts.host.os == "linux"
    windows = _windows(facts, said)
    if not said and not (lacks and version and gpu and linux):
        return None
    return worded(
        "compiler-missing",
        "compiler-missing:said" if said else "compiler-missing:not-on-path",
        "compiler-missing:windows" if windows else "compiler-missing:root",
        said=said,
        version=version,
        install=INSTALL.get(facts.host.distro if facts.host else "debian", GCC),
    )


def _windows(facts: Facts, said: str) -> bool:
    """Tell Windows by the system, by the words of the error, or by a file in its traceback."""
    if facts.host:
        return facts.host.os == "windows"
    frames = [f for e in facts.errors.errors for f in e.frames]
    return bool(re.search(WINDOWS_WORDS, said)) or any(
        expression("compiler-missing/drive").match(f.file) for f in frames
    )


def _other_tool(facts: Facts) -> Finding | None:
    """Tell of a build that lacks nvcc or ninja, not a C compiler."""
    if found := if_heard(facts.errors, "compiler-missing/nvcc"):
        return found
    for sign, (compiler, brings, shows) in OTHERS.items():
        if said := told(facts.errors, sign):
            return worded(
                "compiler-missing/other-tool",
                said=said,
                cure=tell(shows),
                compiler=compiler,
                brings=brings,
            )
    return if_heard(facts.errors, "compiler-missing/ninja")
