import re

from msgspec import structs

from tunedoctor import api

INTEL_MAC = "/intel-mac"
BLOCKED = "GPU access blocked by the operating system"


@api.check("platform-unsupported")
def platform_unsupported(
    facts: api.Facts, torch: api.TorchBuild | api.Unknown | None
) -> api.Finding | None:
    """Judge by wheel family; an installed torch is fine, unless a release is requested that never existed."""
    if special := _tcc_under_wsl(facts) or _of_device(facts):
        return special
    if facts.heard("/stops-at-222"):
        return facts.worded(
            INTEL_MAC, what="pip finds no torch newer than 2.2.2, as happens on an Intel Mac"
        )
    if loaded := facts.if_heard("/musl"):
        return structs.replace(loaded, said="")
    if why := api.refused(facts.index_answer, facts.interpreter, facts.host):
        return _by_index(facts, why) if why.cause == "platform-unsupported" else None
    return (
        _check_platform(facts, absent=torch is None) if facts.interpreter and facts.host else None
    )


def _by_index(facts: api.Facts, why: api.Refused) -> api.Finding:
    match = facts.search("/label", why.found)
    key, system = "/refused", _system(facts)
    if why.file:
        key = "/other-file"
    elif match:
        key = "/label-on-a-mac"
    elif "Intel Mac" in why.found:
        return facts.worded(INTEL_MAC, said=why.found, what=why.found)
    return facts.worded(key, system, found=why.found, said=why.found, plain=match and match[1])


def _system(facts: api.Facts) -> str:
    """Return the case of the fix: an image with glibc instead of musl, or another machine."""
    musl = facts.host.libc == "musl" or facts.host.distro == "alpine"
    return "/system:musl" if musl else "/system:else"


def _tcc_under_wsl(facts: api.Facts) -> api.Finding | None:
    """Find a card that is not in WDDM mode on Windows, which WSL 2 needs (NVIDIA, CUDA on WSL User Guide)."""
    gpus = facts.nvidia.gpus
    cards = [gpu for gpu in gpus if gpu.driver_model in ("TCC", "MCDM")]
    if not facts.nvidia_answer.says(17):
        return None
    if not cards:
        model = any(gpu.driver_model for gpu in gpus)
        return None if model else facts.worded("/kept-from-wsl", said=BLOCKED)
    return facts.worded("/tcc", said=BLOCKED, card=cards[0])


def _check_platform(facts: api.Facts, *, absent: bool) -> api.Finding | None:
    own, host = facts.interpreter, facts.host
    where, cpython = api.family(host, own), own.implementation == "cpython"
    machine = f"{host.name} on {own.machine or host.machine}, Python {own.version}"
    if where == "macos_x86_64" and cpython:
        if host.rosetta:
            return facts.worded("/rosetta")
        torch_specifiers = [o.specifier for o in facts.request.requirements if o.name == "torch"]
        bound = (
            specifier for specifier in torch_specifiers if ">" in specifier or "==" in specifier
        )
        # a release that never existed for Intel Macs
        is_reported = absent or any(
            api.within(api.LAST_INTEL_MAC, specifier) is False for specifier in bound
        )
        return facts.worded(INTEL_MAC, what=machine) if is_reported else None
    if not absent or own.bits == 32 or not (own.machine or host.machine) or (where and cpython):
        return None
    if not cpython:
        return facts.worded("/implementation")
    found = machine + (", whose C library is musl" if host.libc == "musl" else "")
    return facts.worded("/nothing", _system(facts), found=found)


def _of_device(facts: api.Facts) -> api.Finding | None:
    """Find a library without kernels for this device, by its own message (flash-attn, flash_api.cpp)."""
    mac = bool(facts.apple) or facts.host.os == "macos"
    error = facts.heard("/quantised")
    if error and (mac or not facts.host):
        return facts.worded("/quantised", said=error, where="on a Mac" if mac else "")
    error = facts.heard("/flash")
    names = dict.fromkeys(card.name for card in facts.nvidia.gpus)
    return facts.worded("/flash", said=error, names=names) if error else None


@api.check("glibc-too-old")
def glibc_too_old(facts: api.Facts) -> api.Finding | None:
    """Use an error first, then a failed install, then the minimum of the installed wheel."""
    have = facts.host.libc_version if facts.host.libc == "glibc" else ""
    if match := facts.matched("/needed"):
        by = match[2] or ""
        flash = next((p for p in ("flash_attn", "vllm", "torch") if p in by), "") == "flash_attn"
        case = "/from-error:flash-attn" if flash else "/from-error:else"
        name = by.replace("\\", "/").rpartition("/")[2]
        system = f"glibc {have}" if have else "an older one"
        return facts.worded(case, name=name, needed=match[1], system=system)
    conda, path = facts.interpreter.kind == "conda", facts.environment.get("LD_LIBRARY_PATH")
    cxx = api.cxx_too_old(facts.errors, conda=conda, path=path or "")
    if cxx is not None and cxx.whose == "system":
        return facts.worded("/cxx-library", found=cxx.found, said=cxx.said)
    why = api.refused(facts.index_answer, facts.interpreter, facts.host)
    if why is not None and why.cause == "glibc-too-old":
        return facts.worded("/refused", found=why.found, said=why.found)
    stage, torch = facts.runtime.stage("import torch"), facts.torch
    comparable = have and facts.interpreter and torch and not torch.conda
    where = api.family(facts.host, facts.interpreter) if comparable else ""
    if not where.startswith("linux") or (stage is not None and stage.outcome == "ok"):
        return None
    floor = api.glibc_floor(torch.version, torch.variant, where)
    return None if api.at_least(have, floor) else facts.worded("/floor", "/refused", floor=floor)


MPS_FLOOR = (("2.9", "14.0"), ("2.5", "13.0"), ("1.12", "12.3"))
"""torch -> macOS that MPS needs. Source: reports confirmed against platform tags of the wheels."""


@api.check("macos-too-old")
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
        return facts.worded(
            "/refused", found=why.found, cure=api.torch_install(facts, specifier).cure
        )
    error = facts.heard()
    floor = _floor(facts) if facts.torch else ""
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
    fits = older is not None and older.version
    cases = "/older" if fits else "", ":floor" if floor else "", "macos-too-old"
    cure = older.cure if older and fits else None
    return facts.worded(*cases, said=error, cure=cure, floor=floor)


def _floor(facts: api.Facts) -> str:
    """Return the higher of the two minimums."""
    own, version = facts.interpreter, facts.torch.version
    wheel = api.macos_floor(version, api.python_tag(own)) if own else ""
    mps = next((f for since, f in MPS_FLOOR if api.release(version) >= api.release(since)), "")
    return max((f for f in (wheel, mps) if f), key=api.release, default="")


OF_TORCH = ("torch", "torchvision", "torchaudio")


@api.check("wheel-not-on-index")
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
    return facts.worded(
        ":other" if not (number and variants) and fact.name not in OF_TORCH else "",
        ":release" if number and variants else "",
        name=fact.name,
        why=why.found,
        release=number and number[0],
        variants=", ".join(variants),
    )
