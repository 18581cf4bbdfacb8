import re

from tunedoctor import api

DEBIAN = "sudo apt-get install -y gcc g++"
INSTALL_COMPILER = {
    "debian": DEBIAN,
    "ubuntu": DEBIAN,
    "alpine": "sudo apk add build-base",
    "arch": "sudo pacman -S --noconfirm gcc",
    "opensuse-leap": "sudo zypper install -y gcc gcc-c++",
}
"""Distribution -> its command; others have dnf."""
TORCH_CUDA = "python -c 'import torch; print(torch.version.cuda)'"
SAME_TOOLKIT = (
    "install the CUDA toolkit version that torch prints here and set CUDA_HOME to its folder"
)
OR_WHEEL = "or install a prebuilt wheel of the extension"
BUILD_FAILS = "extensions that are compiled on this machine fail to build; torch itself works"


@api.check(
    "compiler-missing",
    uses=(
        api.AmdGpus,
        api.Compilers,
        api.Environment,
        api.Errors,
        api.Host,
        api.NvidiaGpus,
        api.Packages,
    ),
)
def compiler_missing(facts: api.Facts) -> api.Finding | None:
    """Use an error first; otherwise find Triton and a GPU without a compiler on Linux."""
    error = facts.error_text()
    if other := _find_other_missing_tool(facts):
        return other
    if "-lcuda" in error:
        return _report_unlinked_libcuda(error)
    version = next(filter(None, map(facts.packages.version, api.TRITON)), "")
    gpu, linux = facts.nvidia or facts.amd, facts.host.os in ("linux", "")
    lacks = facts.compilers and facts.compilers.cc == "" and not facts.environment.get("CC")
    if not error and not (lacks and version and gpu and linux):
        return None
    if _is_windows(facts, error):
        cure = api.tell("winget install --exact Microsoft.VisualStudio.2022.BuildTools")
        note = (
            "select the workload Desktop development with C++; about 7 GB. Then start training from "
            "its x64 prompt"
        )
    else:
        distro = facts.host.distro if facts.host else "debian"
        cure = api.tell(INSTALL_COMPILER.get(distro, "sudo dnf install -y gcc gcc-c++"))
        note = "needs root; about 0.2 GB"
    return api.Finding(
        severity="error" if error else "warning",
        found=(
            f"the error '{error}'"
            if error
            else f"gcc, clang and cc are not on PATH; triton {version} is installed"
        ),
        cure=cure,
        cure_note=note,
        said=error,
    )


def _find_other_missing_tool(facts: api.Facts) -> api.Finding | None:
    """Report a build that lacks a tool other than a C compiler."""
    if error := facts.error_text("/nvcc"):
        return api.Finding(
            title="The CUDA toolkit with nvcc is missing or incomplete",
            severity="error",
            means=BUILD_FAILS,
            cure=api.tell(f"nvcc --version; {TORCH_CUDA}"),
            cure_note=(f"{SAME_TOOLKIT}; {OR_WHEEL}, which needs no compiler"),
            said=error,
        )
    if error := facts.error_text("/rocm"):
        return api.Finding(
            title="The compiler hipcc was not found",
            severity="error",
            means=BUILD_FAILS,
            cure=api.tell("hipcc --version"),
            cure_note="install ROCm with its compiler, in the version that torch was built for",
            said=error,
        )
    if error := facts.error_text("/oneapi"):
        return api.Finding(
            title="The compiler icpx was not found",
            severity="error",
            means=BUILD_FAILS,
            cure=api.tell("source /opt/intel/oneapi/setvars.sh"),
            cure_note="install oneAPI with its compiler, in the version that torch was built for",
            said=error,
        )
    if error := facts.error_text("/ninja"):
        return api.Finding(
            title="The build tool ninja was not found",
            severity="error",
            means="extensions that are compiled on first use fail; torch itself works",
            cure=facts.pip("install", "ninja"),
            cure_note="use the python that runs the script; its bin folder has to be on PATH",
            said=error,
        )
    return None


def _report_unlinked_libcuda(error: str) -> api.Finding:
    return api.Finding(
        title="The linker does not find libcuda.so",
        severity="error",
        found=(
            f"the error '{error}': the driver provides libcuda.so.1, but the linker does not search "
            "its folder"
        ),
        means="torch.compile and Triton kernels fail; plain training works",
        cure=api.tell("sudo ln -s libcuda.so.1 /usr/lib/x86_64-linux-gnu/libcuda.so"),
        cure_note=(
            "needs root; if ldconfig -p shows libcuda.so.1 in another folder, set "
            "TRITON_LIBCUDA_PATH to that folder instead"
        ),
        said=error,
    )


def _is_windows(facts: api.Facts, error_text: str) -> bool:
    """Recognise Windows by the system, the error text or a file in its traceback."""
    if facts.host:
        return facts.host.os == "windows"
    files = (frame.file for error in facts.errors.errors for frame in error.frames)
    drive = facts.expression("/drive")
    return facts.search("/of-windows", error_text) is not None or any(
        drive.match(file) for file in files
    )


@api.check("toolkit-build-mismatch", uses=(api.Compilers, api.Errors, api.Packages, api.TorchBuild))
def toolkit_build_mismatch(facts: api.Facts) -> api.Finding | None:
    """Use an error first; versions alone are a note, and only with DeepSpeed installed."""
    if refused := _find_refusing_nvcc(facts):
        return refused
    cuda, nvcc = facts.torch.cuda, facts.compilers.nvcc_version
    if own := facts.matched("/own-build"):
        return _report_newer_nvcc(facts, own["symbol"], own["library"])
    error = facts.error_text()
    differ = bool(cuda and nvcc) and api.parts(cuda)[:1] != api.parts(nvcc)[:1]
    if not error and not (differ and facts.packages.get("deepspeed")):
        return None
    stated = facts.search("/wanted", error)
    release = ".".join(map(str, api.parts(cuda)[:2])) or (stated[1] or stated[2] if stated else "")
    found = f"the error '{error}'"
    if differ:
        found = f"nvcc has CUDA {nvcc}, torch has CUDA {cuda}"
        found += f"; the build printed '{error}'" if error else ""
    if release:
        cure = facts.set_variable("CUDA_HOME", f"/usr/local/cuda-{release}")
        note = f"install the CUDA toolkit {release} there first; {OR_WHEEL}"
    else:
        cure = api.tell(TORCH_CUDA)
        note = f"{SAME_TOOLKIT}; {OR_WHEEL}"
    return api.Finding(
        severity="error" if error else "note",
        found=found,
        cure=cure,
        cure_note=note,
        evidence=(facts.compilers.nvcc,),
        said=error,
    )


def _find_refusing_nvcc(facts: api.Facts) -> api.Finding | None:
    """Report an nvcc that does not accept the compiler, the GPU or the headers."""
    if error := facts.error_text("/host"):
        return api.Finding(
            title="nvcc does not accept this system's C++ compiler",
            cure=api.tell("export CC=gcc-11 CXX=g++-11"),
            cure_note=(
                "use a compiler version that this nvcc accepts, installed next to the system's; or "
                "a CUDA toolkit of torch's version that accepts the compiler; or a prebuilt wheel "
                "of the extension"
            ),
            said=error,
        )
    if error := facts.error_text("/arch"):
        return api.Finding(
            title="nvcc does not know the GPU that it has to compile for",
            means="compiling an extension fails",
            cure=api.tell(f"nvcc --version; {TORCH_CUDA}"),
            cure_note=f"{SAME_TOOLKIT}; or name other GPUs in TORCH_CUDA_ARCH_LIST",
            settle="nvcc --list-gpu-arch",
            said=error,
        )
    if error := facts.error_text("/standard"):
        return api.Finding(
            title="nvcc is too old for the headers that it has to compile",
            cure=api.tell(TORCH_CUDA),
            cure_note=f"{SAME_TOOLKIT}; {OR_WHEEL}",
            said=error,
        )
    return None


def _report_newer_nvcc(facts: api.Facts, symbol: str, library: str) -> api.Finding:
    """Report an extension compiled here by an nvcc newer than the CUDA runtime that torch uses."""
    cuda = facts.torch.cuda
    error = f"undefined symbol: {symbol}, version {library}"
    return api.Finding(
        title="An extension was built with an nvcc newer than torch's CUDA",
        found=(
            f"the error '{error}': torch's {library} is older than the one that the extension was "
            "compiled with"
        ),
        means="importing the extension fails; torch itself runs",
        cure=(
            facts.set_variable("CUDA_HOME", f"/usr/local/cuda-{cuda}")
            if cuda
            else api.tell(TORCH_CUDA)
        ),
        cure_note=(
            f"install the CUDA toolkit {cuda or 'of that release'} and set CUDA_HOME to its folder; "
            "then delete the folder of the failing file, so that it is compiled again"
        ),
        said=error,
    )


OF_TORCH = api.expression("extension-abi-mismatch/of-torch")
PROCEDURE = api.expression("extension-abi-mismatch/procedure")
NOT_THESE = ("/torch/lib/", "libcudnn", "torchvision", "torchaudio", "/torch/_C")
"""Other checks report these."""
REINSTALL = "Reinstall the extension named before 'undefined symbol', built for this torch"
COMPILES = "compiles it for this torch, which needs nvcc of torch's CUDA version"
OWN = ("flash_attn", "xformers", "vllm", "bitsandbytes", "torchao", "deepspeed", "causal_conv1d")
DISTRIBUTIONS = {
    module: module.replace("_", "-")
    for module in (*OWN, "mamba_ssm", "torch_scatter", "torch_sparse")
}
DISTRIBUTIONS["selective_scan"] = "mamba-ssm"
"""Part of a path -> the distribution that installs it."""
REBUILD = ("--no-build-isolation", "--no-cache-dir", "--force-reinstall", "--no-deps")


@api.check("extension-abi-mismatch", uses=(api.Errors, api.Packages, api.TorchBuild))
def extension_abi_mismatch(facts: api.Facts) -> api.Finding | None:
    """Read the missing symbol; without an error, compare the label of flash-attn."""
    for error in facts.errors.errors:
        match = facts.search("/undefined", error.text)
        if match is None or facts.expression("/of-sycl").match(match[2]):
            continue
        path = f"/{match[1]}".replace("\\", "/")
        if not any(part in path for part in NOT_THESE):
            return _report_extension(facts, match[1], match[2])
    if match := PROCEDURE.search(api.find_error(facts.errors, PROCEDURE.pattern)):
        return _report_extension(facts, match[1], "")
    if match := OF_TORCH.search(api.find_error(facts.errors, rf"(?<!: )(?<!\w){OF_TORCH.pattern}")):
        # the installed extension, or how to find it
        name = next((n for n in DISTRIBUTIONS.values() if facts.packages.version(n)), "")
        return api.Finding(
            severity="error",
            found=f"the error 'undefined symbol: {match[1][:90]}', which is a symbol of torch",
            means=(
                "an extension was compiled for another torch; importing it fails, and so does every "
                "package that imports it"
            ),
            cure=_rebuild(facts, name) if name else api.advise(REINSTALL),
            cure_note=f"{COMPILES}; or install its wheel for this torch",
            said=f"undefined symbol: {match[1]}",
        )
    if message := facts.error_text():
        return api.Finding(
            title="The operations of deepspeed were built for another PyTorch",
            means=(
                "deepspeed fails at start: its compiled operations only work with the torch that "
                "they were built for"
            ),
            cure=_rebuild(facts, "deepspeed"),
            cure_note="builds them for this torch, which needs nvcc of torch's CUDA version",
            said=message,
        )
    version = facts.packages.version("flash-attn")
    label = re.search(r"torch(\d+\.\d+)", version.partition("+")[2])
    if not facts.torch or label is None or label[1] == api.minor(facts.torch.version):
        return None
    torch = facts.torch.described
    return api.Finding(
        title="flash-attn was built for another PyTorch",
        found=f"flash-attn {version} was built for torch {label[1]}; {torch} is installed",
        means="import flash_attn fails with 'undefined symbol', and so does transformers",
        cure=_rebuild(facts, "flash-attn"),
        cure_note=(
            "needs nvcc of torch's CUDA version and up to an hour; or use "
            "attn_implementation='sdpa'"
        ),
    )


def _report_extension(facts: api.Facts, path: str, symbol: str) -> api.Finding:
    """Report an extension; Windows names no symbol, and a module instead of a path."""
    stem = path.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    # pip gets no guess for an unknown folder
    tops = facts.expression("/installed").findall(path)
    distribution = next((DISTRIBUTIONS[n] for n in DISTRIBUTIONS if n in path or n == stem), "")
    distribution = distribution or (api.distribution_of(tops[-1]) if tops else "")
    name = distribution or stem.lstrip("_") or "extension"
    # the ABI of PyTorch's own Linux wheels; conda's differ
    last = "<2.6" if facts.torch.variant == "cu126" else "<2.7"
    old, torch = facts.torch and api.within(facts.torch.version, last), facts.torch.described
    if "__cxx11" in symbol and (not facts.torch or old):
        built_for = f"the new C++ ABI, and {torch} has the old one"
    elif facts.torch and not old and re.search(r"(?:ERKSs|Ss)", symbol):
        built_for = f"the old C++ ABI, and {torch} has the new one"
    else:
        built_for = "another torch" + (f" than {torch}" if torch else "")
    file = f"{stem}.so" if symbol else f"{stem}.pyd"
    what = f"{name} {facts.packages.version(name)}".strip()
    instead = (
        "or use attn_implementation='sdpa'"
        if name == "flash-attn"
        else "or install its wheel for this torch"
    )
    return api.Finding(
        title=f"{name} was built for another PyTorch",
        found=(
            f"{file} needs {symbol[:90] or 'a procedure'}, which torch does not have; {what} was "
            f"built for {built_for}"
        ),
        means=(
            f"import {stem} fails with 'undefined symbol', and so does every package that imports it"
        ),
        cure=_rebuild(facts, distribution) if distribution else api.advise(REINSTALL),
        cure_note=f"{COMPILES}; {instead}",
    )


def _rebuild(facts: api.Facts, name: str) -> api.Cure:
    plain = facts.packages.version(name).partition("+")[0]
    return facts.pip("install", *REBUILD, f"{name}=={plain}" if plain else name)
