from tunedoctor import api

BLOCKED = "GPU access blocked by the operating system"


@api.check("platform-unsupported")
def platform_unsupported(
    facts: api.Facts, torch: api.TorchBuild | api.Unknown | None
) -> api.Finding | None:
    """Judge by family of wheels; an installed torch is left alone, unless one is asked for that never was."""
    if special := _tcc_under_wsl(facts) or _of_device(facts):
        return special
    if facts.heard("platform-unsupported/stops-at-222"):
        return _intel_mac("pip finds torch up to 2.2.2 only, as on an Intel Mac", facts)
    if loaded := facts.heard("platform-unsupported/musl"):
        found = f"the error '{loaded}': the loader of musl, and a file built for glibc"
        return facts.worded("platform-unsupported/musl", found=found)
    if why := api.refused(facts.index_answer, facts.interpreter, facts.host):
        mine = why.cause == "platform-unsupported"
        return _by_index(facts, why).saying(why.found) if mine else None
    return _judged(facts, absent=torch is None) if facts.interpreter and facts.host else None


def _by_index(facts: api.Facts, why: api.Refused) -> api.Finding:
    if why.file:
        return facts.worded("platform-unsupported/other-file", found=why.found)
    if named := api.expression("platform-unsupported/label").search(why.found):
        plain = facts.pip("install", named[1])
        return facts.worded("platform-unsupported/label-on-a-mac", found=why.found, cure=plain)
    if "Intel Mac" in why.found:
        return _intel_mac(why.found, facts)
    musl = facts.host.libc == "musl" or facts.host.distro == "alpine"
    system = "platform-unsupported/system:musl" if musl else "platform-unsupported/system:else"
    return facts.worded("platform-unsupported/refused", system, found=why.found)


def _tcc_under_wsl(facts: api.Facts) -> api.Finding | None:
    """Find a card that Windows drives without a display model: WSL 2 reaches GPUs by WDDM alone.

    Source: NVIDIA, CUDA on WSL User Guide.
    """
    gpus = facts.nvidia.gpus
    cards = [gpu for gpu in gpus if gpu.driver_model in ("TCC", "MCDM")]
    if not facts.nvidia_answer.says(17):
        return None
    if not cards:
        model = any(gpu.driver_model for gpu in gpus)
        return None if model else facts.worded("platform-unsupported/kept-from-wsl", said=BLOCKED)
    return facts.worded("platform-unsupported/tcc", said=BLOCKED, card=cards[0])


def _newer_than_last(facts: api.Facts) -> bool:
    """Tell whether a torch is asked for that Intel Macs never had."""
    return any(
        one.name == "torch" and api.within(api.LAST_INTEL_MAC, one.specifier) is False
        for one in facts.request.requirements
        if ">" in one.specifier or "==" in one.specifier
    )


def _judged(facts: api.Facts, *, absent: bool) -> api.Finding | None:
    own, host = facts.interpreter, facts.host
    where, cpython = api.family(host, own), own.implementation == "cpython"
    if where == "macos_x86_64" and cpython:
        if host.rosetta:
            found = f"{own.executable} runs under Rosetta as {own.machine}"
            return facts.worded("platform-unsupported/rosetta", found=found)
        wanted = absent or _newer_than_last(facts)
        return _intel_mac(_machine(host, own), facts) if wanted else None
    if not absent or own.bits == 32 or not (own.machine or host.machine):
        return None
    if not cpython:
        found = f"{own.executable} is {own.implementation} {own.version}"
        return facts.worded("platform-unsupported/implementation", found=found)
    if where:
        return None
    musl = host.libc == "musl"
    return facts.worded(
        "platform-unsupported/nothing",
        "platform-unsupported/system:musl" if musl else "platform-unsupported/system:else",
        found=_machine(host, own) + (", whose C library is musl" if musl else ""),
    )


def _machine(host: api.Host, interpreter: api.Interpreter) -> str:
    return f"{host.name} on {interpreter.machine or host.machine}, Python {interpreter.version}"


def _intel_mac(found: str, facts: api.Facts) -> api.Finding:
    return facts.worded("platform-unsupported/intel-mac", what=found)


def _of_device(facts: api.Facts) -> api.Finding | None:
    """Find a library that has no kernels for a kind of device, by its own words.

    Source: flash-attn, csrc/flash_attn/flash_api.cpp.
    """
    mac = bool(facts.apple) or facts.host.os == "macos"
    said = facts.heard("platform-unsupported/quantised")
    if said and (mac or not facts.host):
        where = "on a Mac" if mac else ""
        return facts.worded("platform-unsupported/quantised", said=said, where=where)
    said = facts.heard("platform-unsupported/flash")
    names = api.listed(dict.fromkeys(card.name for card in facts.nvidia.gpus))
    return facts.worded("platform-unsupported/flash", said=said, names=names) if said else None
