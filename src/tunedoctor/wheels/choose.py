"""Choose the PyTorch build for a machine, or say what stands in the way.

The rule: the newest release in range that has a build with a wheel for the platform and Python, a driver floor that
is met, and compiled code for every GPU; among the builds of that release the one that its companions are built for.
CPU is never chosen silently. Rows of the table that nobody verified are taken last, and the choice says so.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from tunedoctor.tables.wheels import Numbers
from tunedoctor.versions import parts
from tunedoctor.wheels.beside import beside
from tunedoctor.wheels.blocked import double_ways_out, in_the_way, ways_out
from tunedoctor.wheels.choice import INSTALLS, Action, Alternative, Choice, Said, say
from tunedoctor.wheels.early import asks_for_cpu, at_fault, impossible
from tunedoctor.wheels.machine import Gpu, Machine
from tunedoctor.wheels.pick import KINDS, Found, fitting, offered
from tunedoctor.wheels.pins import of_build
from tunedoctor.wheels.rules import last_driver
from tunedoctor.wheels.say_gpus import about_gpus, undriven
from tunedoctor.wheels.say_release import about_old_gpus, about_release, further
from tunedoctor.wheels.situation import Situation, names_of, situation
from tunedoctor.wheels.targets import override_of_all, vendor_builds


def choose(machine: Machine) -> Choice:
    """Return what to install on a machine, why, and what else there is; never raises on any input."""
    s = situation(machine)
    vendors = [vendor for vendor in KINDS if s.gpus.of(vendor)]
    kind = KINDS[vendors[0]] if vendors else "cpu"
    if early := impossible(s) or at_fault(s, kind):
        return early.saying(beside(s, early))
    if s.question.family.startswith("macos"):
        choice = _plain(s, "install")
    elif vendors and asks_for_cpu(s):
        choice = _cpu_as_asked(s, kind)
    else:
        choice = _for_gpus(s, vendors) if vendors else undriven(s) or _no_gpu(s)
        # without a GPU, why it is not in the work is what decides
        choice = choice.saying(about_gpus(s), first=choice.action == "cpu_only")
    return choice.saying(beside(s, choice))


def _installed(s: Situation, action: Action, found: tuple[Found, ...]) -> Choice:
    """Return the choice of the first build of `found`, the others as alternatives."""
    best = found[0]
    return replace(
        of_build(best.build, s.machine, action),
        alternatives=(*(Alternative(f.build) for f in found[1:]), *further(s, best)),
        environment=override_of_all(s.gpus.amd) if best.row.kind == "rocm" else {},
    ).saying(about_release(s, best))


def _for_gpus(s: Situation, vendors: list[str]) -> Choice:
    found = {vendor: fitting(s.question, KINDS[vendor]) for vendor in vendors}
    fits = {vendor: builds for vendor, builds in found.items() if builds}
    if not fits:
        return _unfit(s, vendors[0])
    one = next(iter(fits.values()))
    choice = _which_vendor(s, fits) if len(fits) > 1 else _installed(s, "install", one)
    for vendor in vendors:
        if vendor not in fits:
            choice = _without(s, choice, vendor)
    return choice


def _which_vendor(s: Situation, fits: dict[str, tuple[Found, ...]]) -> Choice:
    """GPUs of several vendors can work: ask. The default is the one with the most memory, else NVIDIA, AMD, Intel."""
    memory = {v: sum(g.memory_gib for g in s.gpus.of(v)) for v in fits}
    order = list(fits)
    if all(memory.values()):
        order.sort(key=memory.__getitem__, reverse=True)
    choice = _installed(s, "ask", fits[order[0]])
    names = " and ".join(names_of(s.gpus.of(vendor)) for vendor in fits)
    others = tuple(Alternative(f.build) for vendor in order[1:] for f in fits[vendor])
    choice = replace(choice, alternatives=(*others, *choice.alternatives))
    return choice.saying([say("two_vendors:each", gpus=names)], first=True)


def _without(s: Situation, choice: Choice, vendor: str) -> Choice:
    """Say why the GPUs of a vendor are left out where those of another one work."""
    other = _unfit(s, vendor)
    if other.build is not None and other.action == "install_partial":
        mine = (Alternative(choice.build),) if choice.build else ()
        other = replace(other, alternatives=(*other.alternatives, *mine))
        return other.saying([say("two_vendors")])
    said = [say("gpu_ignored:vendor", gpus=names_of(s.gpus.of(vendor)), why=other.reasons[0])]
    if vendor == "nvidia" and other.action not in INSTALLS:  # the way to it is as good an answer
        said += [(code, "") for code in other.says]
        choice = replace(choice, alternatives=(*choice.alternatives, *other.alternatives))
    return choice.saying(said)


def _unfit(s: Situation, vendor: str) -> Choice:
    """Answer where no build serves all GPUs of a vendor as things are."""
    if vendor == "amd" and s.question.windows:
        on = s.machine.platform
        said = say("no_rocm_on_windows_index" if on == "windows" else ":rocm_on_wsl")
        return Choice.of("use_vendor_build", [said], _on_cpu(s))
    kind = KINDS[vendor]
    if ways := ways_out(s, kind):
        return in_the_way(s, ways)
    if vendor != "intel" and (some := _for_some(s, vendor)):
        return some
    ways = double_ways_out(s, kind)
    return in_the_way(s, ways) if ways else _nothing(s, vendor)


def _nothing(s: Situation, vendor: str) -> Choice:
    """Answer where not even giving way on everything helps: vendor build, source build, CPU."""
    gpus = s.gpus.of(vendor)
    names = names_of(gpus)
    key = "gpu_not_supported:here"
    if vendor == "intel":
        key = "gpu_not_supported:xpu_on_arm"
    elif s.question.family == "linux_aarch64":
        on_arm = ("gpu_not_in_aarch64_builds:ever", "gpu_not_supported:rocm_on_arm")
        key = on_arm[vendor == "amd"]
    action: Action = "cpu_only"
    deciding = say(":cpu_instead", gpus=names)
    if vendor == "amd" and all(g.gfx in vendor_builds() for g in gpus):
        if s.question.family == "linux_x86_64":
            action, deciding = "use_vendor_build", say(":vendor_build", gpus=names)
    elif vendor == "nvidia" and not any(last_driver(c) == "470" for c in s.gpus.capabilities):
        action, deciding = "build_from_source", say(":from_source", gpus=names)
    said = [say(key, gpus=names)]
    if action == "cpu_only":
        return _plain(s, action, deciding).saying(said)
    return Choice.of(action, [deciding, *said], _on_cpu(s))


def _for_some(s: Situation, vendor: str) -> Choice | None:
    """Choose for the newest GPUs of a vendor that one build can serve together, where no build serves all."""
    kept, found = _together(s, vendor)
    left = [gpu for gpu in s.gpus.of(vendor) if gpu not in kept]
    if not found or not left:
        return None
    nvidia = vendor == "nvidia"
    gpus = s.gpus._replace(nvidia=kept) if nvidia else s.gpus._replace(amd=kept)
    narrow = s._replace(gpus=gpus, question=s.question.about(vendor, kept))
    choice = _installed(narrow, "install_partial", found)
    others = _pick(s, vendor, left)
    names = names_of(left)
    variable = "CUDA_VISIBLE_DEVICES" if nvidia else "HIP_VISIBLE_DEVICES"
    said = [say("no_build_covers_all", gpus=names, variable=variable), *about_old_gpus(s)]
    rest = (Alternative(others[0].build, f"for the {names} only"),) if others else ()
    hidden = tuple(g.name for g in left)
    choice = replace(choice, alternatives=(*choice.alternatives, *rest), hidden=hidden)
    return choice.saying(said, first=True)


def _together(s: Situation, vendor: str) -> tuple[tuple[Gpu, ...], tuple[Found, ...]]:
    """Return the newest GPUs that one build can serve, and the builds that serve them."""
    kept: tuple[Gpu, ...] = ()
    found: tuple[Found, ...] = ()
    for gpu in sorted(s.gpus.of(vendor), key=_newness, reverse=True):
        if now := _pick(s, vendor, (*kept, gpu)):
            kept, found = (*kept, gpu), now
    return kept, found


def _newness(gpu: Gpu) -> tuple[Numbers, float, int, str]:
    """Order GPUs by compute capability, or by memory and gfx target."""
    return parts(gpu.compute_capability), gpu.memory_gib, len(gpu.gfx), gpu.gfx


def _pick(s: Situation, vendor: str, gpus: Iterable[Gpu]) -> tuple[Found, ...]:
    return fitting(s.question.about(vendor, gpus), KINDS[vendor])


def _on_cpu(s: Situation) -> tuple[Alternative, ...]:
    return offered(fitting(s.question, "cpu"), "without the GPU")


def _no_gpu(s: Situation) -> Choice:
    """Answer for a machine without a GPU in the work: plain CPU, or CPU with the reason."""
    waiting = s.gpus.left_out or s.machine.driver_version
    return _plain(s, "cpu_only" if waiting else "install")


def _cpu_as_asked(s: Situation, kind: str) -> Choice:
    wanted = s.question.torch
    choice = _plain(s, "cpu_only", say(":as_asked_cpu", wanted=wanted))
    found = fitting(s.question._replace(torch=wanted.replace("+cpu", "")), kind)
    others = offered(found, "without the label")
    return replace(choice, alternatives=(*choice.alternatives, *others))


def _plain(s: Situation, action: Action, why: Said = ("", "")) -> Choice:
    if found := fitting(s.question, "cpu"):
        return _installed(s, action, found).saying([why], first=True)
    ways = ways_out(s, "cpu") or double_ways_out(s, "cpu")
    return in_the_way(s, ways) if ways else Choice.of("unsupported_platform", [why])
