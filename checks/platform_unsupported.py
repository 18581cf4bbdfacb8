"""No PyTorch wheel exists for this system or processor.

What it means
    Wheels are made for Linux with glibc on x86_64 and aarch64, Windows x64, and macOS. Alpine (musl), 32-bit ARM,
    PyPy and Windows on ARM get none from the default index; Intel Macs end with torch 2.2.2.

How it is found
    The system, its C library and the architecture that the interpreter was built for.

Cures
    Another base image or interpreter; on an Intel Mac the last releases that go together.

When to ignore it
    Where you compile torch yourself, or the system's packages bring it.

Seen as
    ERROR: Could not find a version that satisfies the requirement torch==2.4.1 (from versions: 2.0.0, 2.0.1
    ImportError: libc.musl-x86_64.so.1
    RuntimeError: No GPU found. A GPU is needed for quantization.
    RuntimeError: FlashAttention only supports Ampere GPUs or newer.
"""

from tunedoctor.api import (
    LAST_INTEL_MAC,
    AppleGpu,
    Errors,
    Finding,
    Host,
    IndexAnswer,
    Interpreter,
    NvidiaAnswer,
    NvidiaGpus,
    Refused,
    TorchBuild,
    Unknown,
    Wanted,
    advise,
    check,
    family,
    known,
    listed,
    pattern,
    pip,
    refused,
    tell,
    told,
    within,
)

_PACKAGE = r"\S{0,200}[/\\](?:site|dist)-packages[/\\](?:torch|triton|nvidia|bitsandbytes|vllm|xformers)[/\\]"
MUSL = (
    rf"Error relocating {_PACKAGE}[^\s:]{{1,160}}: \S{{1,200}}: symbol not found",
    rf"Error loading shared library \S{{1,80}}: No such file or directory \(needed by {_PACKAGE}",
    r"Error loading shared library (?:ld-linux\S{1,20}|lib(?:c|m|dl|rt|pthread)\.so\.\d): No such file",
)
"""How the loader of musl speaks of a file that was built for glibc. Source: musl, ldso/dynlink.c."""


@check(
    "platform-unsupported",
    "No PyTorch wheel exists for this system",
    explains=[
        "library-import-fails",
        "missing-dependency",
        "torch-import-crash",
        "torch-missing",
        "torch-old",
    ],
)
def platform_unsupported(  # noqa: PLR0913, PLR0911  what is there, what is asked for, what was said
    interpreter: Interpreter | Unknown | None,
    host: Host | Unknown | None,
    torch: TorchBuild | Unknown | None,
    apple: AppleGpu | Unknown | None,
    errors: Errors | Unknown | None,
    wanted: Wanted | Unknown | None,
    answer: IndexAnswer | Unknown | None,
    nvml: NvidiaAnswer | Unknown | None,
    nvidia: NvidiaGpus | Unknown | None,
) -> Finding | None:
    """Judge by family of wheels; an installed torch is left alone, unless one is asked for that never was."""
    own, system = known(interpreter), known(host)
    if tcc := _tcc_under_wsl(known(nvml), known(nvidia)):
        return tcc
    mac = known(apple) is not None or (system is not None and system.os == "macos")
    if device := _of_device(errors, system, known(nvidia), mac=mac):
        return device
    if _stops_at_222(errors):
        return _intel_mac("pip finds torch up to 2.2.2 only, as on an Intel Mac", interpreter)
    if loaded := told(errors, *MUSL):
        return _musl(f"the error '{loaded}': the loader of musl, and a file built for glibc")
    why = refused(answer, own, system)
    if why is not None:
        return _by_index(why, system, interpreter) if why.cause == "platform-unsupported" else None
    if own is None or system is None:
        return None
    newer = _newer_than_last(known(wanted))
    return _judged(own, system, absent=torch is None, newer=newer)


def _by_index(
    why: Refused, host: Host | None, interpreter: Interpreter | Unknown | None
) -> Finding:
    if why.file:
        return _other_file(why.found).saying(why.found)
    if named := LABEL.search(why.found):
        return _label_on_a_mac(why.found, named[1], interpreter).saying(why.found)
    if "Intel Mac" in why.found:
        return _intel_mac(why.found, interpreter).saying(why.found)
    return _refused(why.found, host).saying(why.found)


LABEL = pattern(r"^(\S{1,60})\+(?:cu|rocm)\S{1,20} is a build for a GPU that no Mac has")


def _label_on_a_mac(found: str, plain: str, interpreter: Interpreter | Unknown | None) -> Finding:
    return Finding(
        title="A build for CUDA or ROCm is asked for on a Mac",
        found=found,
        means="pip finds no such file for macOS, and nothing is installed",
        cure=pip(interpreter, "install", plain),
        cure_note="files for macOS carry no label; training uses the Apple GPU (mps); what needs CUDA itself stays out",
    )


def _tcc_under_wsl(nvml: NvidiaAnswer | None, nvidia: NvidiaGpus | None) -> Finding | None:
    """Find a card that Windows drives without a display model: WSL 2 reaches GPUs by WDDM alone.

    Source: NVIDIA, CUDA on WSL User Guide.
    """
    gpus = nvidia.gpus if nvidia else ()
    cards = [gpu for gpu in gpus if gpu.driver_model in ("TCC", "MCDM")]
    if nvml is None or 17 not in (nvml.nvml_code, nvml.smi_code):
        return None
    if not cards and any(gpu.driver_model for gpu in gpus):
        return None
    if not cards:
        return Finding(
            title="Windows keeps the GPU from WSL",
            found="NVML says 'GPU access blocked by the operating system', as where a card is not in the WDDM mode",
            said="GPU access blocked by the operating system",
            means="torch.cuda.is_available() is False in WSL, so training runs on the CPU",
            cure=tell("nvidia-smi -dm 0", who="root"),
            cure_note="in an administrator's PowerShell on Windows, if the card is in TCC or MCDM mode; else update "
            "with `wsl --update` and remove the distribution's own nvidia-utils",
            settle="nvidia-smi.exe --query-gpu=name,driver_model.current --format=csv",
        )
    return Finding(
        title="WSL cannot use a GPU in this driver model",
        found=f"{cards[0].name} is in {cards[0].driver_model} mode on Windows; in WSL NVML says that it is blocked",
        said="GPU access blocked by the operating system",
        means="torch.cuda.is_available() is False in WSL, so training runs on the CPU",
        cure=tell(f"nvidia-smi -i {cards[0].index} -dm 0", who="root"),
        cure_note="in an administrator's PowerShell on Windows, then restart; a card or driver that refuses WDDM "
        "trains on Windows itself or on Linux",
    )


def _refused(found: str, host: Host | None) -> Finding:
    musl = host is not None and (host.libc == "musl" or host.distro == "alpine")
    return Finding(
        found=found,
        means="pip and uv find no wheel for this system, and nothing is installed",
        cure=tell("docker run --rm -it python:3.12-slim")
        if musl
        else tell("doctor check --target ~/train"),
        cure_note="an image with glibc (Debian, Ubuntu, Rocky) has wheels"
        if musl
        else "on a machine with Linux on x86_64 or aarch64, Windows x64 or Apple silicon",
    )


def _other_file(found: str) -> Finding:
    return Finding(
        title="The wheel file is for another system",
        found=found,
        means="pip refuses the file, and nothing is installed",
        cure=tell("doctor wheel"),
        cure_note="names the build for this machine; other packages: install them by name, not by file",
    )


def _musl(found: str) -> Finding:
    return Finding(
        found=found,
        means="the import stops: PyTorch and its libraries are built for glibc alone",
        cure=tell("docker run --rm -it python:3.12-slim"),
        cure_note="an image with glibc (Debian, Ubuntu, Rocky) has wheels",
    )


def _newer_than_last(wanted: Wanted | None) -> bool:
    """Tell whether a torch is asked for that Intel Macs never had."""
    return any(
        one.name == "torch" and one.specifier and within(LAST_INTEL_MAC, one.specifier) is False
        for one in (wanted.requirements if wanted else ())
        if ">" in one.specifier or "==" in one.specifier
    )


def _judged(own: Interpreter, host: Host, *, absent: bool, newer: bool) -> Finding | None:
    if family(host, own) == "macos_x86_64" and own.implementation == "cpython":
        if host.rosetta:
            return _rosetta(own)
        return _intel_mac(_machine(host, own), own) if absent or newer else None
    if not absent or own.bits == 32 or not (own.machine or host.machine):
        return None
    if own.implementation != "cpython":
        return Finding(
            found=f"{own.executable} is {own.implementation} {own.version}",
            means="torch is built for CPython alone",
            cure=tell("python3.12 -m venv ~/train"),
            cure_note="an environment of CPython",
        )
    return None if family(host, own) else _nothing(host, own)


def _nothing(host: Host, own: Interpreter) -> Finding:
    musl = host.libc == "musl"
    return Finding(
        found=_machine(host, own) + (", whose C library is musl" if musl else ""),
        means="pip finds no torch for it, or one whose import stops",
        cure=tell("docker run --rm -it python:3.12-slim")
        if musl
        else tell("doctor check --target ~/train"),
        cure_note="an image with glibc (Debian, Ubuntu, Rocky) has wheels"
        if musl
        else "on a machine with Linux on x86_64 or aarch64, Windows x64 or Apple silicon",
    )


def _machine(host: Host, interpreter: Interpreter) -> str:
    return f"{host.name} on {interpreter.machine or host.machine}, Python {interpreter.version}"


def _stops_at_222(errors: Errors | Unknown | None) -> bool:
    return bool(told(errors, r"requirement torch\S* \(from versions: [^)]*2\.2\.2\)"))


def _intel_mac(found: str, interpreter: Interpreter | Unknown | None) -> Finding:
    return Finding(
        title="Intel Macs end with PyTorch 2.2.2",
        found=f"{found}: no torch after {LAST_INTEL_MAC} is built for it",
        means="newer releases are not found, and transformers 5 counts 2.2.2 as not installed; no GPU trains",
        cure=pip(
            interpreter, "install", f"torch=={LAST_INTEL_MAC}", "transformers<4.50", "numpy<2"
        ),
        cure_note="Python 3.8 to 3.12; small models on the CPU",
    )


def _rosetta(own: Interpreter) -> Finding:
    return Finding(
        title="This Python is an Intel one on an Apple processor",
        found=f"{own.executable} runs under Rosetta as {own.machine}",
        means=f"torch ends at {LAST_INTEL_MAC} for it, and the GPU is not seen",
        cure=tell("uv python install cpython-3.12-macos-aarch64"),
        cure_note="a Python for arm64; then make a new environment of it",
    )


def _of_device(
    errors: Errors | Unknown | None, host: Host | None, nvidia: NvidiaGpus | None, *, mac: bool
) -> Finding | None:
    """Find a library that has no kernels for a kind of device, by its own words."""
    said = told(errors, r"No GPU found\. A GPU is needed for quantization")
    if said and (mac or host is None):
        return _quantised(said, mac=mac)
    said = told(errors, r"FlashAttention only supports \w+ GPUs or newer")
    return _flash(said, nvidia) if said else None


def _flash(said: str, nvidia: NvidiaGpus | None) -> Finding:
    """Tell of a card that flash-attn has no kernels for. Source: flash-attn, csrc/flash_attn/flash_api.cpp."""
    names = listed(dict.fromkeys(card.name for card in nvidia.gpus)) if nvidia else ""
    return Finding(
        title="flash-attn has no kernels for this GPU",
        found=f"the error '{said}'" + (f"; the GPU is {names}" if names else ""),
        said=said,
        means="training stops at the first attention layer; the kernels begin with compute capability 8.0",
        cure=advise("Set attn_implementation='sdpa'"),
        cure_note="in from_pretrained; axolotl: flash_attention: false and sdp_attention: true",
    )


def _quantised(said: str, *, mac: bool) -> Finding:
    return Finding(
        title="bitsandbytes has no kernels for this device",
        found=f"the error '{said}'" + (", on a Mac" if mac else ""),
        said=said,
        means="4-bit and 8-bit loading stops; the kernels of that release are for CUDA",
        cure=advise("Load the model in bfloat16 without quantization_config"),
        cure_note="LoRA in 16 bits runs on MPS and on the CPU",
    )
