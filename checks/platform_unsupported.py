from msgspec import structs

from tunedoctor import api

INTEL_MAC = "platform-unsupported/intel-mac"
BLOCKED = "GPU access blocked by the operating system"


@api.check("platform-unsupported")
def platform_unsupported(
    facts: api.Facts, torch: api.TorchBuild | api.Unknown | None
) -> api.Finding | None:
    """Judge by family of wheels; an installed torch is left alone, unless one is asked for that never was."""
    if special := _tcc_under_wsl(facts) or _of_device(facts):
        return special
    if facts.heard("platform-unsupported/stops-at-222"):
        what = "pip finds torch up to 2.2.2 only, as on an Intel Mac"
        return facts.worded(INTEL_MAC, what=what)
    if loaded := facts.if_heard("platform-unsupported/musl"):
        return structs.replace(loaded, said="")
    if why := api.refused(facts.index_answer, facts.interpreter, facts.host):
        return _by_index(facts, why) if why.cause == "platform-unsupported" else None
    return _judged(facts, absent=torch is None) if facts.interpreter and facts.host else None


def _by_index(facts: api.Facts, why: api.Refused) -> api.Finding:
    named = api.expression("platform-unsupported/label").search(why.found)
    key, system = "platform-unsupported/refused", _system(facts)
    if why.file:
        key = "platform-unsupported/other-file"
    elif named:
        key = "platform-unsupported/label-on-a-mac"
    elif "Intel Mac" in why.found:
        return facts.worded(INTEL_MAC, said=why.found, what=why.found)
    return facts.worded(key, system, found=why.found, said=why.found, plain=named and named[1])


def _system(facts: api.Facts) -> str:
    """Return the case of the cure: an image with glibc in place of musl, or another machine."""
    musl = facts.host.libc == "musl" or facts.host.distro == "alpine"
    return "platform-unsupported/system:musl" if musl else "platform-unsupported/system:else"


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
    asked = (one for one in facts.request.requirements if one.name == "torch")
    bound = (one.specifier for one in asked if ">" in one.specifier or "==" in one.specifier)
    return any(api.within(api.LAST_INTEL_MAC, specifier) is False for specifier in bound)


def _judged(facts: api.Facts, *, absent: bool) -> api.Finding | None:
    own, host = facts.interpreter, facts.host
    where, cpython = api.family(host, own), own.implementation == "cpython"
    machine = f"{host.name} on {own.machine or host.machine}, Python {own.version}"
    if where == "macos_x86_64" and cpython:
        if host.rosetta:
            return facts.worded("platform-unsupported/rosetta")
        wanted = absent or _newer_than_last(facts)
        return facts.worded(INTEL_MAC, what=machine) if wanted else None
    if not absent or own.bits == 32 or not (own.machine or host.machine) or (where and cpython):
        return None
    if not cpython:
        return facts.worded("platform-unsupported/implementation")
    found = machine + (", whose C library is musl" if host.libc == "musl" else "")
    return facts.worded("platform-unsupported/nothing", _system(facts), found=found)


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
    names = dict.fromkeys(card.name for card in facts.nvidia.gpus)
    return facts.worded("platform-unsupported/flash", said=said, names=names) if said else None
