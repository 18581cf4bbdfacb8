"""Choose the PyTorch build for a machine, or say what stands in the way.

The rule: the newest release in range that has a build with a wheel for the platform and Python, a driver floor that
is met, and compiled code for every GPU; among the builds of that release the one that its companions are built for.
CPU is never chosen silently. Rows of the table that nobody verified are taken last, and the choice says so.
"""

from msgspec.structs import replace

from tunedoctor.versions import specifiers
from tunedoctor.wheels.beside import beside
from tunedoctor.wheels.blocked import WayOut, double_ways_out, ways_out
from tunedoctor.wheels.choice import Action, Alternative, Choice
from tunedoctor.wheels.impossible import impossible
from tunedoctor.wheels.machine import Gpu, Machine
from tunedoctor.wheels.matrix import allowed
from tunedoctor.wheels.pick import (
    Found,
    Picker,
    pick_cpu,
    pick_cuda,
    pick_rocm,
    pick_xpu,
)
from tunedoctor.wheels.rules import INDEX
from tunedoctor.wheels.say_blocked import about_blocked
from tunedoctor.wheels.say_gpus import about_gpus
from tunedoctor.wheels.say_release import about_release
from tunedoctor.wheels.situation import Said, Situation, situation
from tunedoctor.wheels.targets import integrated, last_driver, override_of_all, vendor_builds
from tunedoctor.wheels.undriven import undriven


def choose(machine: Machine) -> Choice:
    """Return what to install on a machine, why, and what else there is; never raises on any input."""
    s = situation(machine)
    early = impossible(s) or _requirement(s)
    if early is not None:
        return _with(early, beside(s))
    gpus = s.gpus
    if s.question.family.startswith("macos"):
        return _with(_plain(s, "install"), beside(s))
    if gpus.nvidia:
        rocm = pick_rocm(s.question) if gpus.amd else ()
        xpu = pick_xpu(s.question) if any(not integrated(g) for g in gpus.intel) else ()
        cuda = pick_cuda(s.question)
        both = cuda and (rocm or xpu)
        choice = _two_vendors(s, cuda, rocm or xpu) if both else _nvidia(s, cuda)
    elif gpus.amd:
        choice = _amd(s)
    elif gpus.intel:
        choice = _xpu(s)
    else:
        choice = undriven(s) or _no_gpu(s)
    return _with(choice, [*about_gpus(s), *beside(s)])


def _requirement(s: Situation) -> Choice | None:
    """Return the answer where the wanted range itself is at fault."""
    wanted = s.question.torch
    if specifiers(wanted) is None:
        return Choice(
            "fix_requirement",
            reasons=(f"{wanted[:80]!r} is not a range of versions such as >=2.6",),
        )
    if allowed(wanted):
        return None
    ways = ways_out(s, _picker(s))
    action: Action = ways[0].action if ways else "fix_requirement"
    range_ = specifiers(wanted)
    old = range_ is not None and any(range_.contains(v) for v in _BEFORE)
    action = "use_newer_torch" if old and "+" not in wanted else "fix_requirement"
    why = f"no torch release that is known here lies within {wanted}"
    return Choice(action, alternatives=_alternatives(ways), reasons=(why,))


_BEFORE = ("1.13.1", "1.12.1", "1.11.0", "1.10.2", "1.9.1", "1.8.1", "1.7.1", "1.6.0")
"""Releases before 2.0, which the table leaves out: none of them runs with today's libraries."""


def _picker(s: Situation) -> Picker:
    if s.gpus.nvidia:
        return pick_cuda
    if s.gpus.amd:
        return pick_rocm
    return pick_xpu if s.gpus.intel else pick_cpu


def _nvidia(s: Situation, found: tuple[Found, ...]) -> Choice:
    if found:
        return _installed(s, "install", found)
    ways = ways_out(s, pick_cuda)
    return _blocked(s, ways) if ways else _some(s) or _otherwise(s, pick_cuda)


def _otherwise(s: Situation, picker: Picker) -> Choice:
    ways = double_ways_out(s, picker)
    return _blocked(s, ways) if ways else _nothing(s)


def _some(s: Situation) -> Choice | None:
    """Choose for the newest GPUs that one build can serve together, where no build serves all."""
    order = sorted(
        s.gpus.nvidia, key=lambda g: tuple(map(int, g.compute_capability.split("."))), reverse=True
    )
    kept: list[Gpu] = []
    found: tuple[Found, ...] = ()
    for gpu in order:
        capabilities = frozenset(g.compute_capability for g in (*kept, gpu))
        now = pick_cuda(s.question._replace(capabilities=capabilities))
        if now:
            kept, found = [*kept, gpu], now
    left = [gpu for gpu in s.gpus.nvidia if gpu not in kept]
    if not found or not left:
        return None
    choice = _installed(s, "install_partial", found)
    others = pick_cuda(
        s.question._replace(capabilities=frozenset(g.compute_capability for g in left))
    )
    names = ", ".join(dict.fromkeys(g.name for g in left))
    said: list[Said] = [
        (
            "no_build_covers_all",
            f"no build holds code for all GPUs; this one leaves out {names}: hide it with CUDA_VISIBLE_DEVICES",
        )
    ]
    alternatives = (
        *choice.alternatives,
        *((Alternative(others[0].build, f"for the {names} only"),) if others else ()),
    )
    return _with(
        replace(choice, alternatives=alternatives, hidden=tuple(g.name for g in left)), said
    )


def _nothing(s: Situation) -> Choice:
    """Answer where not even giving way on everything helps: vendor build, source build, CPU."""
    names = ", ".join(dict.fromkeys(g.name for g in (*s.gpus.nvidia, *s.gpus.amd, *s.gpus.intel)))
    cpu = pick_cpu(s.question)
    alternatives = tuple(Alternative(one.build, "without the GPU") for one in cpu)
    if s.gpus.amd and all(g.gfx in vendor_builds() for g in s.gpus.amd):
        why = (
            f"no build of PyTorch's own index holds code for {names}; AMD publishes builds that do"
        )
        return Choice("use_vendor_build", alternatives=alternatives, reasons=(why,))
    if s.gpus.nvidia and not any(last_driver(c) == "470" for c in s.gpus.capabilities):
        why = f"no wheel for this platform holds code for {names}: build PyTorch from source, or use the CPU"
        return Choice("build_from_source", alternatives=alternatives, reasons=(why,))
    return _plain(s, "cpu_only", f"no build holds code for {names}")


def _amd(s: Situation) -> Choice:
    platform = s.machine.platform
    cpu = tuple(Alternative(one.build, "without the GPU") for one in pick_cpu(s.question))
    if platform in ("windows", "wsl"):
        why = (
            "PyTorch's index has no ROCm wheel for Windows; AMD publishes its own"
            if platform == "windows"
            else "ROCm under WSL goes through /dev/dxg; AMD publishes its own steps and wheels for it"
        )
        said: list[Said] = [("no_rocm_on_windows_index", why)] if platform == "windows" else []
        return Choice(
            "use_vendor_build",
            alternatives=cpu,
            says=tuple(code for code, _ in said),
            reasons=(why,),
        )
    found = pick_rocm(s.question)
    if found:
        choice = _installed(s, "install", found)
        environment = override_of_all(s.gpus.amd)
        return replace(choice, environment=environment)
    ways = ways_out(s, pick_rocm)
    return _blocked(s, ways) if ways else _otherwise(s, pick_rocm)


def _xpu(s: Situation) -> Choice:
    found = pick_xpu(s.question)
    if found:
        return _installed(s, "install", found)
    ways = ways_out(s, pick_xpu)
    return _blocked(s, ways) if ways else _otherwise(s, pick_xpu)


def _no_gpu(s: Situation) -> Choice:
    """Answer for a machine without a GPU in the work: plain CPU, or CPU with the reason."""
    if s.gpus.left_out or s.machine.driver_version:
        return _plain(s, "cpu_only")
    return _plain(s, "install")


def _plain(s: Situation, action: Action, why: str = "") -> Choice:
    found = pick_cpu(s.question)
    if not found:
        ways = ways_out(s, pick_cpu) or double_ways_out(s, pick_cpu)
        return _blocked(s, ways) if ways else Choice("unsupported_platform", reasons=(why,))
    choice = _installed(s, action, found)
    return replace(choice, reasons=(why, *choice.reasons) if why else choice.reasons)


def _two_vendors(s: Situation, cuda: tuple[Found, ...], other: tuple[Found, ...]) -> Choice:
    """Two vendors can work: ask; by default the one with more memory, NVIDIA where that isn't known."""
    rivals = s.gpus.amd or s.gpus.intel
    more = sum(g.memory_gib for g in rivals) > sum(g.memory_gib for g in s.gpus.nvidia) > 0
    first, second = (other, cuda) if more else (cuda, other)
    choice = _installed(s, "ask", first)
    names = " and ".join(dict.fromkeys(g.name for g in (*s.gpus.nvidia, *rivals)))
    said: list[Said] = [
        (
            "two_vendors",
            f"one build serves one vendor, and both {names} can work: choose between them",
        )
    ]
    alternatives = (*(Alternative(f.build) for f in second), *choice.alternatives)
    environment = override_of_all(s.gpus.amd) if more else {}
    return _with(
        replace(choice, alternatives=alternatives, environment=environment), said, first=True
    )


def _installed(s: Situation, action: Action, found: tuple[Found, ...]) -> Choice:
    best = found[0]
    said, more = about_release(s, found)
    vision = best.release.torchvision
    own = f"{INDEX}{best.variant}"
    return Choice(
        action,
        build=best.build,
        torchvision=vision,
        torchaudio=best.release.torchaudio,
        index="PyPI" if s.machine.platform == "macos" else own,
        alternatives=(*(Alternative(f.build) for f in found[1:]), *more),
        says=tuple(dict.fromkeys(code for code, _ in said if code)),
        reasons=tuple(dict.fromkeys(sentence for _, sentence in said)),
    )


def _blocked(s: Situation, ways: list[WayOut]) -> Choice:
    said = about_blocked(s, ways)
    return Choice(
        ways[0].action,
        alternatives=_alternatives(ways),
        says=tuple(dict.fromkeys(code for code, _ in said if code)),
        reasons=tuple(dict.fromkeys(sentence for _, sentence in said)),
    )


def _alternatives(ways: list[WayOut]) -> tuple[Alternative, ...]:
    return tuple(way.alternative for way in ways)


def _with(choice: Choice, said: list[Said], *, first: bool = False) -> Choice:
    codes = [code for code, _ in said if code]
    sentences = [sentence for _, sentence in said if sentence]
    says = (*codes, *choice.says) if first else (*choice.says, *codes)
    reasons = (*sentences, *choice.reasons) if first else (*choice.reasons, *sentences)
    return replace(choice, says=tuple(dict.fromkeys(says)), reasons=tuple(dict.fromkeys(reasons)))
