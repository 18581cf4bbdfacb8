from tunedoctor.api import TRITON, Facts, Finding, check, expression, heard, if_heard, told, worded

INSTALL = {
    "debian": "sudo apt-get install -y gcc g++",
    "ubuntu": "sudo apt-get install -y gcc g++",
    "alpine": "sudo apk add build-base",
    "arch": "sudo pacman -S --noconfirm gcc",
    "opensuse-leap": "sudo zypper install -y gcc gcc-c++",
}
GCC = "sudo dnf install -y gcc gcc-c++"
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
    version = next(filter(None, map(facts.packages.version, TRITON)), "")
    gpu, linux = facts.nvidia or facts.amd, facts.host.os in ("linux", "")
    lacks = facts.compilers and facts.compilers.cc == "" and not facts.environment.get("CC")
    windows = _windows(facts, said)
    if not said and not (lacks and version and gpu and linux):
        return None
    return worded(
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
    files = (frame.file for error in facts.errors.errors for frame in error.frames)
    drive = expression("compiler-missing/drive")
    words = expression("compiler-missing/of-windows").search(said)
    return words is not None or any(drive.match(file) for file in files)


def _other_tool(facts: Facts) -> Finding | None:
    """Tell of a build that lacks nvcc or ninja, not a C compiler."""
    if found := if_heard(facts.errors, "compiler-missing/nvcc"):
        return found
    for sign, (compiler, brings, shows) in OTHERS.items():
        if said := told(facts.errors, sign):
            key = "compiler-missing/other-tool"
            return worded(key, said=said, compiler=compiler, brings=brings, shows=shows)
    return if_heard(facts.errors, "compiler-missing/ninja")
