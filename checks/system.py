import re

from tunedoctor import api

GLIBC_IMAGE = api.tell("docker run --rm -it python:3.12-slim")
GLIBC_IMAGE_NOTE = "an image with glibc (Debian, Ubuntu, Rocky) has wheels"
BLOCKED = "GPU access blocked by the operating system"

ARM_PYTHON = api.tell("uv python install cpython-3.12-macos-aarch64")
ARM_PYTHON_NOTE = "installs a Python for arm64; then create a new environment with it"


@api.check(
    "platform-unsupported",
    uses=(
        api.AppleGpu,
        api.Errors,
        api.Host,
        api.IndexAnswer,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaAnswer,
        api.Wanted,
    ),
)
def platform_unsupported(
    facts: api.Facts, torch: api.TorchBuild | api.Unknown | None
) -> api.Finding | None:
    """Judge by wheel family; an installed torch is fine, unless a release is requested that never existed."""
    if special := _find_tcc_under_wsl(facts) or _find_missing_device_code(facts):
        return special
    if facts.error_text("/stops-at-222"):
        return _report_intel_mac(
            facts, "pip finds no torch newer than 2.2.2, as happens on an Intel Mac"
        )
    if error := facts.error_text("/musl"):
        return api.Finding(
            found=f"the error '{error}': the loader is musl's, but the file was built for glibc",
            means="the import fails: PyTorch and its libraries are built only for glibc",
            cure=GLIBC_IMAGE,
            cure_note=GLIBC_IMAGE_NOTE,
        )
    if mixed := facts.matched("/mach-o"):
        return _report_mixed_mac(facts, built_for=mixed[1], needed=mixed[2], error=mixed[0])
    if why := api.refused(facts.index_answer, facts.interpreter, facts.host):
        return _report_no_wheel(facts, why) if why.cause == "platform-unsupported" else None
    return (
        _check_platform(facts, absent=torch is None) if facts.interpreter and facts.host else None
    )


def _report_intel_mac(facts: api.Facts, what: str, error: str = "") -> api.Finding:
    return api.Finding(
        title="PyTorch 2.2.2 is the last release for Intel Macs",
        found=f"{what}: no torch after 2.2.2 is built for it",
        means=(
            "pip finds no newer release, and transformers 5 treats 2.2.2 as not installed; no GPU "
            "can train"
        ),
        cure=facts.pip("install", "torch==2.2.2", "transformers<4.50", "numpy<2"),
        cure_note="needs Python 3.8 to 3.12; enough for small models on the CPU",
        said=error,
    )


def _report_mixed_mac(facts: api.Facts, *, built_for: str, needed: str, error: str) -> api.Finding:
    """Report a library for one of the two processors of Macs that a Python for the other one loads."""
    if needed == "x86_64":  # this Python runs under Rosetta, on an Apple processor
        cure, note = ARM_PYTHON, ARM_PYTHON_NOTE
    else:
        cure = facts.pip("install", "--force-reinstall", "--no-cache-dir", "torch")
        note = "do the same for other packages that the error names, or create a new environment"
    return api.Finding(
        title="A library is built for the other processor of Macs",
        found=f"a library for {built_for} in a Python for {needed}",
        means="the import fails",
        cure=cure,
        cure_note=note,
        said=error,
    )


def _report_no_wheel(facts: api.Facts, why: api.Refused) -> api.Finding:
    """Report an install that failed because no wheel fits this system."""
    error = why.found
    if why.file:
        return api.Finding(
            title="The wheel file is for another system",
            found=error,
            means="pip rejects the file and installs nothing",
            cure=api.tell("doctor wheel"),
            cure_note=(
                "names the build for this machine; install other packages by name, not by file"
            ),
            said=error,
        )
    if match := facts.search("/label", error):
        return api.Finding(
            title="A build for CUDA or ROCm was requested on a Mac",
            found=error,
            means="pip finds no such file for macOS and installs nothing",
            cure=facts.pip("install", match[1]),
            cure_note=(
                "files for macOS have no CUDA or ROCm label; training uses the Apple GPU (mps), "
                "without libraries that need CUDA itself"
            ),
            said=error,
        )
    if "Intel Mac" in error:
        return _report_intel_mac(facts, error, error)
    cure, note = _other_system_fix(facts)
    return api.Finding(
        found=error,
        means="pip and uv find no wheel for this system and install nothing",
        cure=cure,
        cure_note=note,
        said=error,
    )


def _other_system_fix(facts: api.Facts) -> tuple[api.Cure, str]:
    """Return the fix and its note: an image with glibc instead of musl, or another machine."""
    if facts.host.libc == "musl" or facts.host.distro == "alpine":
        return GLIBC_IMAGE, GLIBC_IMAGE_NOTE
    note = "run it on a machine with Linux on x86_64 or aarch64, Windows x64 or Apple silicon"
    return api.tell("doctor check --target ~/train"), note


def _find_tcc_under_wsl(facts: api.Facts) -> api.Finding | None:
    """Find a card that is not in WDDM mode on Windows, which WSL 2 needs (NVIDIA, CUDA on WSL User Guide)."""
    gpus = facts.nvidia.gpus
    cards = [gpu for gpu in gpus if gpu.driver_model in ("TCC", "MCDM")]
    if not facts.nvidia_answer.says(17):
        return None
    if not cards:
        model = any(gpu.driver_model for gpu in gpus)
        return None if model else _report_blocked_wsl()
    card = cards[0]
    return api.Finding(
        title="WSL cannot use a GPU in this driver model",
        found=(
            f"{card.name} is in {card.driver_model} mode on Windows; in WSL, NVML reports that "
            "access to it is blocked"
        ),
        means="torch.cuda.is_available() is False in WSL, so training runs on the CPU",
        cure=api.tell(f"nvidia-smi -i {card.index} -dm 0", "root"),
        cure_note=(
            "in an administrator's PowerShell on Windows, then restart; if the card or its driver "
            "refuses WDDM, train on Windows itself or on Linux"
        ),
        said=BLOCKED,
    )


def _report_blocked_wsl() -> api.Finding:
    return api.Finding(
        title="Windows does not let WSL use the GPU",
        found=f"NVML reports '{BLOCKED}', for example because a card is not in WDDM mode",
        means="torch.cuda.is_available() is False in WSL, so training runs on the CPU",
        cure=api.tell("nvidia-smi -dm 0", "root"),
        cure_note=(
            "in an administrator's PowerShell on Windows, if the card is in TCC or MCDM mode; "
            "otherwise run `wsl --update` and remove the distribution's own nvidia-utils"
        ),
        settle="nvidia-smi.exe --query-gpu=name,driver_model.current --format=csv",
        said=BLOCKED,
    )


def _check_platform(facts: api.Facts, *, absent: bool) -> api.Finding | None:
    own, host = facts.interpreter, facts.host
    where, cpython = api.family(host, own), own.implementation == "cpython"
    machine = f"{host.name} on {own.machine or host.machine}, Python {own.version}"
    if where == "macos_x86_64" and cpython:
        if host.rosetta:
            return api.Finding(
                title="This Python is an Intel build on an Apple processor",
                found=f"{own.executable} runs under Rosetta as {own.machine}",
                means="the last torch for it is 2.2.2, which does not see the GPU",
                cure=ARM_PYTHON,
                cure_note=ARM_PYTHON_NOTE,
            )
        torch_specifiers = [o.specifier for o in facts.request.requirements if o.name == "torch"]
        bound = (
            specifier for specifier in torch_specifiers if ">" in specifier or "==" in specifier
        )
        # a release that never existed for Intel Macs
        is_reported = absent or any(
            api.within(api.LAST_INTEL_MAC, specifier) is False for specifier in bound
        )
        return _report_intel_mac(facts, machine) if is_reported else None
    if not absent or own.bits == 32 or not (own.machine or host.machine) or (where and cpython):
        return None
    if not cpython:
        return api.Finding(
            found=f"{own.executable} is {own.implementation} {own.version}",
            means="torch is built only for CPython",
            cure=api.tell("python3.12 -m venv ~/train"),
            cure_note="creates an environment with CPython",
        )
    cure, note = _other_system_fix(facts)
    return api.Finding(
        found=machine + (", whose C library is musl" if host.libc == "musl" else ""),
        means="pip finds no torch for this system, or one that cannot be imported",
        cure=cure,
        cure_note=note,
    )


def _find_missing_device_code(facts: api.Facts) -> api.Finding | None:
    """Find a library without kernels for this device, by its own message."""
    mac = bool(facts.apple) or facts.host.os == "macos"
    error = facts.error_text("/quantised")
    if error and (mac or not facts.host):
        return api.Finding(
            title="bitsandbytes has no kernels for this device",
            found=f"the error '{error}'" + (", on a Mac" if mac else ""),
            means="4-bit and 8-bit loading fails: the kernels of this release are for CUDA",
            cure=api.advise("Load the model in bfloat16 without quantization_config"),
            cure_note="LoRA in 16 bits runs on MPS and on the CPU",
            said=error,
        )
    return None


@api.check("flash-attention-old-gpu", uses=(api.Errors, api.NvidiaGpus))
def flash_attention_old_gpu(facts: api.Facts) -> api.Finding | None:
    """Find flash-attn on a card older than its kernels, by its own message (flash_api.cpp)."""
    error = facts.error_text()
    if not error:
        return None
    names = dict.fromkeys(card.name for card in facts.nvidia.gpus)
    gpu = f"; the GPU is {api.listed(names)}" if names else ""
    return api.Finding(
        found=f"the error '{error}'{gpu}",
        cure=api.advise("Set attn_implementation='sdpa'"),
        said=error,
    )


@api.check(
    "glibc-too-old",
    uses=(
        api.Environment,
        api.Errors,
        api.Host,
        api.IndexAnswer,
        api.Interpreter,
        api.Runtime,
        api.TorchBuild,
    ),
)
def glibc_too_old(facts: api.Facts) -> api.Finding | None:
    """Use an error first, then a failed install, then the minimum of the installed wheel."""
    have = facts.host.libc_version if facts.host.libc == "glibc" else ""
    if match := facts.matched("/needed"):
        return _report_binary(facts, match[2] or "", match[1], have)
    conda, path = facts.interpreter.kind == "conda", facts.environment.get("LD_LIBRARY_PATH")
    cxx = api.cxx_too_old(facts.errors, conda=conda, path=path or "")
    if cxx is not None and cxx.whose == "system":
        return api.Finding(
            title="The system's C++ library is older than a binary needs",
            found=cxx.found,
            means="imports of that binary fail",
            cure=api.tell(NEWER_CONTAINER, "root"),
            cure_note=(
                "runs a container; or use a newer system, or an older release of that package. "
                "Without root, use a conda environment, whose libstdcxx-ng is newer"
            ),
            said=cxx.said,
        )
    why = api.refused(facts.index_answer, facts.interpreter, facts.host)
    if why is not None and why.cause == "glibc-too-old":
        return _report_old_glibc(
            facts,
            found=why.found,
            means="pip and uv find no wheel that this system can load, so nothing is installed",
            error=why.found,
        )
    stage, torch = facts.runtime.stage("import torch"), facts.torch
    comparable = have and facts.interpreter and torch and not torch.conda
    where = api.family(facts.host, facts.interpreter) if comparable else ""
    if not where.startswith("linux") or (stage is not None and stage.outcome == "ok"):
        return None
    floor = api.glibc_floor(torch.version, torch.variant, where)
    if api.at_least(have, floor):
        return None
    return _report_old_glibc(
        facts,
        found=f"{torch.described} needs glibc {floor}; {facts.host.name} has {have}",
        means=f'import torch fails with "version `GLIBC_{floor}\' not found"',
    )


NEWER_CONTAINER = "docker run --rm -it --gpus all pytorch/pytorch:latest"


def _report_old_glibc(facts: api.Facts, *, found: str, means: str, error: str = "") -> api.Finding:
    return api.Finding(
        found=found,
        means=means,
        cure=facts.pip("install", "torch==2.6.0", "torchvision==0.21.0"),
        cure_note=(
            "the last release for glibc 2.17; a newer system or a container can use any release"
        ),
        said=error,
    )


def _report_binary(facts: api.Facts, file: str, needed: str, have: str) -> api.Finding:
    """Report a binary that needs a newer glibc; `file`: the one that an error names, "" if none."""
    name = file.replace("\\", "/").rpartition("/")[2] or "a compiled module"
    library = next((p for p in ("flash_attn", "vllm", "torch") if p in file), "")
    if library == "flash_attn":
        flags = ("--no-build-isolation", "--no-binary=:all:", "--no-deps")
        cure = facts.pip("install", *flags, "flash-attn")
        note = "compiles it on this machine for its glibc; needs nvcc"
    else:
        cure = api.tell(NEWER_CONTAINER)
        note = "runs a container with a newer glibc; or install an older release of that package"
    system = f"glibc {have}" if have else "an older one"
    return api.Finding(
        found=f"{name} needs glibc {needed}; the system has {system}",
        means=f'importing it fails with "version `GLIBC_{needed}\' not found"',
        cure=cure,
        cure_note=note,
    )


UPDATE_MACOS = api.tell("softwareupdate --install --all")
LAST_FOR_MACOS = "this is the last torch for this macOS; or update macOS"
MPS_FLOOR = (("2.9", "14.0"), ("2.5", "13.0"), ("1.12", "12.3"))
"""torch -> macOS that MPS needs. Source: reports confirmed against platform tags of the wheels."""


@api.check(
    "macos-too-old",
    systems=("macos",),
    uses=(
        api.AmdGpus,
        api.Errors,
        api.Host,
        api.IndexAnswer,
        api.IntelGpu,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.PciBus,
        api.TorchBuild,
    ),
)
def macos_too_old(
    facts: api.Facts,
    host: api.Host | api.Unknown | None,
    torch: api.TorchBuild | api.Unknown | None,
) -> api.Result:
    """Compare macOS with the minimum of the wheel and of MPS."""
    have, own = facts.host.macos_version, facts.interpreter
    why = api.refused(facts.index_answer, own, facts.host)
    # the releases whose MPS runs on this macOS; "" if all do, or none
    above = [since for since, floor in MPS_FLOOR if not api.at_least(have, floor)]
    specifier = f"<{above[-1]}" if 0 < len(above) < len(MPS_FLOOR) else ""
    if why is not None and why.cause == "macos-too-old":
        return api.Finding(
            found=why.found,
            means="pip and uv find no wheel for this macOS and install nothing",
            cure=api.torch_install(facts, specifier).cure or UPDATE_MACOS,
            cure_note=LAST_FOR_MACOS,
        )
    error = facts.error_text()
    floor = _required_macos(facts) if facts.torch else ""
    arm = own.machine in ("arm64", "")
    below = bool(have and floor and arm) and not api.at_least(have, floor)
    if not error and not (below and facts.host.os == "macos"):
        fact = torch if facts.host.os == "macos" else host
        return fact if isinstance(fact, api.Unknown) else None
    match = facts.search("/named", error)
    if match and have and not api.at_least(have, match[1]):
        floor = floor if below else ""
    elif error and have and floor and api.at_least(have, floor):
        return None
    older = api.torch_install(facts, specifier) if facts.torch and below else None
    means = "torch.backends.mps.is_available() is False, so training runs on the CPU"
    this_macos = f"; this is macOS {have}" if have else ""
    if floor:
        found = f"{facts.torch.described} needs macOS {floor} for the GPU{this_macos}"
        means += f"; '{error}' names an outdated minimum" if error else ""
    else:
        found = f"the error '{error}'{this_macos}"
    fits = older is not None and older.version
    return api.Finding(
        found=found,
        means=means,
        cure=(older.cure if older and fits else None) or UPDATE_MACOS,
        cure_note=LAST_FOR_MACOS if fits else "run it yourself: it needs a restart",
        said=error,
    )


def _required_macos(facts: api.Facts) -> str:
    """Return the higher of the two minimums."""
    own, version = facts.interpreter, facts.torch.version
    wheel = api.macos_floor(version, api.python_tag(own)) if own else ""
    mps = next((f for since, f in MPS_FLOOR if api.release(version) >= api.release(since)), "")
    return max((f for f in (wheel, mps) if f), key=api.release, default="")


OF_TORCH = ("torch", "torchvision", "torchaudio")


@api.check("wheel-not-on-index", uses=(api.Host, api.IndexAnswer, api.Interpreter))
def wheel_not_on_index(facts: api.Facts) -> api.Finding | None:
    """Report it only if the release has wheels for this Python and system."""
    why = api.refused(facts.index_answer, facts.interpreter, facts.host)
    if why is None or why.cause != "wheel-not-on-index":
        return None
    refusals = facts.index_answer.refusals
    fact = next((refusal for refusal in refusals if refusal.name == "torch"), refusals[0])
    number = re.search(r"\d+\.\d+\.\d+", fact.specifier)
    row = api.release_row(number[0]) if number and fact.name == "torch" else None
    variants = (
        [variant for variant in row.variants("linux_x86_64") if variant != "xpu"] if row else []
    )
    found = why.found
    if number and variants:
        found += f"; torch {number[0]} was built for {', '.join(variants)}"
        cure = api.tell(f"doctor wheel --torch {number[0]}")
    elif fact.name not in OF_TORCH:
        cure = facts.pip("install", fact.name)
    else:
        cure = api.tell("doctor wheel")
    return api.Finding(
        found=found,
        cure=cure,
        cure_note=(
            "names the build of that release for this machine, and the index to install it from"
        ),
    )
