from tunedoctor.api import (
    LAST_INTEL_MAC,
    Facts,
    Finding,
    Host,
    Interpreter,
    Refused,
    TorchBuild,
    Unknown,
    check,
    expression,
    family,
    heard,
    listed,
    pip,
    refused,
    within,
    worded,
)


@check("platform-unsupported")
def platform_unsupported(facts: Facts, torch: TorchBuild | Unknown | None) -> Finding | None:  # noqa: PLR0911  what is there, what is asked for, what was said
    """Judge by family of wheels; an installed torch is left alone, unless one is asked for that never was."""
    if tcc := _tcc_under_wsl(facts):
        return tcc
    mac = facts.apple or (facts.host.os == "macos")
    if device := _of_device(facts, mac=mac):
        return device
    if _stops_at_222(facts):
        return _intel_mac("pip finds torch up to 2.2.2 only, as on an Intel Mac", facts.interpreter)
    if loaded := heard(facts.errors, "platform-unsupported/musl"):
        return worded(
            "platform-unsupported/musl",
            found=f"the error '{loaded}': the loader of musl, and a file built for glibc",
        )
    why = refused(facts.index_answer, facts.interpreter, facts.host)
    if why is not None:
        return _by_index(facts, why) if why.cause == "platform-unsupported" else None
    if not facts.interpreter or not facts.host:
        return None
    newer = _newer_than_last(facts)
    return _judged(facts.interpreter, facts.host, absent=torch is None, newer=newer)


def _by_index(facts: Facts, why: Refused) -> Finding:
    if why.file:
        return _other_file(why.found).saying(why.found)
    if named := expression("platform-unsupported/label").search(why.found):
        return _label_on_a_mac(facts, why.found, named[1]).saying(why.found)
    if "Intel Mac" in why.found:
        return _intel_mac(why.found, facts.interpreter).saying(why.found)
    return _refused(facts, why.found).saying(why.found)


def _label_on_a_mac(facts: Facts, found: str, plain: str) -> Finding:
    return worded(
        "platform-unsupported/label-on-a-mac",
        found=found,
        cure=pip(facts.interpreter, "install", plain),
    )


def _tcc_under_wsl(facts: Facts) -> Finding | None:
    """Find a card that Windows drives without a display model: WSL 2 reaches GPUs by WDDM alone.

    Source: NVIDIA, CUDA on WSL User Guide.
    """
    gpus = facts.nvidia.gpus
    cards = [gpu for gpu in gpus if gpu.driver_model in ("TCC", "MCDM")]
    if 17 not in (
        facts.nvidia_answer.nvml_code,
        facts.nvidia_answer.smi_code,
    ):
        return None
    if not cards and any(gpu.driver_model for gpu in gpus):
        return None
    if not cards:
        return worded(
            "platform-unsupported/kept-from-wsl", said="GPU access blocked by the operating system"
        )
    return worded(
        "platform-unsupported/tcc",
        found=f"{cards[0].name} is in {cards[0].driver_model} mode on Windows; in WSL NVML says that it is blocked",
        said="GPU access blocked by the operating system",
        index=cards[0].index,
    )


def _refused(facts: Facts, found: str) -> Finding:
    musl = facts.host.libc == "musl" or facts.host.distro == "alpine"
    return worded(
        "platform-unsupported/refused",
        "platform-unsupported/refused:musl" if musl else "platform-unsupported/refused:else",
        found=found,
    )


def _other_file(found: str) -> Finding:
    return worded("platform-unsupported/other-file", found=found)


def _newer_than_last(facts: Facts) -> bool:
    """Tell whether a torch is asked for that Intel Macs never had."""
    return any(
        one.name == "torch" and one.specifier and within(LAST_INTEL_MAC, one.specifier) is False
        for one in (facts.request.requirements)
        if ">" in one.specifier or "==" in one.specifier
    )


def _judged(own: Interpreter, host: Host, *, absent: bool, newer: bool) -> Finding | None:
    if family(host, own) == "macos_x86_64" and own.implementation == "cpython":
        if host.rosetta:
            return worded(
                "platform-unsupported/rosetta",
                found=f"{own.executable} runs under Rosetta as {own.machine}",
            )
        return _intel_mac(_machine(host, own), own) if absent or newer else None
    if not absent or own.bits == 32 or not (own.machine or host.machine):
        return None
    if own.implementation != "cpython":
        return worded(
            "platform-unsupported/implementation",
            found=f"{own.executable} is {own.implementation} {own.version}",
        )
    return None if family(host, own) else _nothing(host, own)


def _nothing(host: Host, own: Interpreter) -> Finding:
    musl = host.libc == "musl"
    return worded(
        "platform-unsupported/nothing",
        "platform-unsupported/nothing:musl" if musl else "platform-unsupported/nothing:else",
        found=_machine(host, own) + (", whose C library is musl" if musl else ""),
    )


def _machine(host: Host, interpreter: Interpreter) -> str:
    return f"{host.name} on {interpreter.machine or host.machine}, Python {interpreter.version}"


def _stops_at_222(facts: Facts) -> bool:
    return bool(heard(facts.errors, "platform-unsupported/stops-at-222"))


def _intel_mac(found: str, interpreter: Interpreter | None) -> Finding:
    return worded("platform-unsupported/intel-mac", interpreter=interpreter, what=found)


def _of_device(facts: Facts, *, mac: bool) -> Finding | None:
    """Find a library that has no kernels for a kind of device, by its own words."""
    said = heard(facts.errors, "platform-unsupported/quantised")
    if said and (mac or not facts.host):
        return worded(
            "platform-unsupported/quantised",
            found=f"the error '{said}'" + (", on a Mac" if mac else ""),
            said=said,
        )
    said = heard(facts.errors, "platform-unsupported/flash")
    return _flash(facts, said) if said else None


def _flash(facts: Facts, said: str) -> Finding:
    """Tell of a card that flash-attn has no kernels for. Source: flash-attn, csrc/flash_attn/flash_api.cpp."""
    names = listed(dict.fromkeys(card.name for card in facts.nvidia.gpus))
    return worded(
        "platform-unsupported/flash",
        found=f"the error '{said}'" + (f"; the GPU is {names}" if names else ""),
        said=said,
    )
