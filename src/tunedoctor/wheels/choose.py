"""Choose the PyTorch build for a machine, or say what stands in the way.

The rule: the newest release in range that has a build with a wheel for the platform and Python, a driver floor that
is met, and compiled code for every GPU; among the builds of that release the one that its companions are built for.
CPU is never chosen silently. Rows of the table that nobody verified are taken last, and the choice says so.
"""

from msgspec.structs import replace

from tunedoctor.wheels.beside import beside
from tunedoctor.wheels.blocked import WayOut, alternatives_of, double_ways_out, ways_out
from tunedoctor.wheels.choice import INSTALLS, Action, Alternative, Choice
from tunedoctor.wheels.impossible import impossible
from tunedoctor.wheels.install import installed, with_said
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pick import Found, Picker, offered, pick_cpu, pick_cuda, pick_rocm, pick_xpu
from tunedoctor.wheels.requirement import asks_for_cpu, at_fault
from tunedoctor.wheels.say_blocked import about_blocked, about_nothing
from tunedoctor.wheels.say_gpus import about_gpus
from tunedoctor.wheels.situation import Situation, names_of, situation
from tunedoctor.wheels.targets import last_driver, vendor_builds
from tunedoctor.wheels.undriven import undriven
from tunedoctor.wheels.vendors import TWO_VENDORS, for_some, which_vendor

_PICKERS: dict[str, Picker] = {"nvidia": pick_cuda, "amd": pick_rocm, "intel": pick_xpu}


def choose(machine: Machine) -> Choice:
    """Return what to install on a machine, why, and what else there is; never raises on any input."""
    s = situation(machine)
    vendors = [vendor for vendor in _PICKERS if s.gpus.of(vendor)]
    early = impossible(s) or at_fault(s, _PICKERS[vendors[0]] if vendors else pick_cpu)
    if early is not None:
        return with_said(early, beside(s, early))
    if s.question.family.startswith("macos"):
        choice = _plain(s, "install")
    elif vendors and asks_for_cpu(s):
        choice = _cpu_as_asked(s, _PICKERS[vendors[0]])
    else:
        choice = _for_gpus(s, vendors) if vendors else undriven(s) or _no_gpu(s)
        said = about_gpus(s)
        if choice.action != "cpu_only":
            return with_said(choice, [*said, *beside(s, choice)])
        choice = with_said(choice, said, first=True)  # why not the GPU is what decides
    return with_said(choice, beside(s, choice))


def _for_gpus(s: Situation, vendors: list[str]) -> Choice:
    found = {vendor: _PICKERS[vendor](s.question) for vendor in vendors}
    fits = {vendor: builds for vendor, builds in found.items() if builds}
    if not fits:
        return _unfit(s, vendors[0])
    one = next(iter(fits.values()))
    choice = which_vendor(s, fits) if len(fits) > 1 else installed(s, "install", one)
    for vendor in vendors:
        if vendor not in fits:
            choice = _without(s, choice, vendor)
    return choice


def _without(s: Situation, choice: Choice, vendor: str) -> Choice:
    """Say why the GPUs of a vendor are left out where those of another one work."""
    other = _unfit(s, vendor)
    if other.build is not None and other.action == "install_partial":
        alternatives = (
            *other.alternatives,
            *((Alternative(choice.build),) if choice.build else ()),
        )
        return with_said(replace(other, alternatives=alternatives), [TWO_VENDORS])
    why = f"not counted: {names_of(s.gpus.of(vendor))}; {other.reasons[0]}"
    said = [("gpu_ignored", why)]
    if vendor == "nvidia" and other.action not in INSTALLS:  # the way to it is as good an answer
        said += [(code, "") for code in other.says]
        choice = replace(choice, alternatives=(*choice.alternatives, *other.alternatives))
    return with_said(choice, said)


def _unfit(s: Situation, vendor: str) -> Choice:
    """Answer where no build serves all GPUs of a vendor as things are."""
    if vendor == "amd" and s.machine.platform in ("windows", "wsl"):
        return _amd_of_windows(s)
    picker = _PICKERS[vendor]
    if ways := ways_out(s, picker):
        return _blocked(s, ways)
    if vendor != "intel" and (some := for_some(s, vendor)):
        return some
    ways = double_ways_out(s, picker)
    return _blocked(s, ways) if ways else _nothing(s, vendor)


def _nothing(s: Situation, vendor: str) -> Choice:
    """Answer where not even giving way on everything helps: vendor build, source build, CPU."""
    gpus = s.gpus.of(vendor)
    names = names_of(gpus)
    said = about_nothing(s, vendor)
    if vendor == "amd" and s.question.family == "linux_x86_64":
        if all(g.gfx in vendor_builds() for g in gpus):
            why = f"no build of PyTorch's own index holds code for {names}; AMD publishes builds that do"
            answer = Choice("use_vendor_build", alternatives=_on_cpu(s), reasons=(why,))
            return with_said(answer, said)
    elif vendor == "nvidia" and not any(last_driver(c) == "470" for c in s.gpus.capabilities):
        why = f"no wheel for this platform holds code for {names}: build PyTorch from source, or use the CPU"
        answer = Choice("build_from_source", alternatives=_on_cpu(s), reasons=(why,))
        return with_said(answer, said)
    return with_said(_plain(s, "cpu_only", f"no build for this platform serves {names}"), said)


def _amd_of_windows(s: Situation) -> Choice:
    if s.machine.platform == "windows":
        why = "PyTorch's index has no ROCm wheel for Windows; AMD publishes its own"
        said = [("no_rocm_on_windows_index", why)]
    else:
        why = "ROCm under WSL goes through /dev/dxg; AMD publishes its own steps and wheels for it"
        said = [("", why)]
    return with_said(Choice("use_vendor_build", alternatives=_on_cpu(s)), said)


def _on_cpu(s: Situation) -> tuple[Alternative, ...]:
    return offered(pick_cpu(s.question), "without the GPU")


def _no_gpu(s: Situation) -> Choice:
    """Answer for a machine without a GPU in the work: plain CPU, or CPU with the reason."""
    if s.gpus.left_out or s.machine.driver_version:
        return _plain(s, "cpu_only")
    return _plain(s, "install")


def _cpu_as_asked(s: Situation, picker: Picker) -> Choice:
    why = f"torch {s.question.torch} is the CPU build: the GPU stays unused"
    choice = _plain(s, "cpu_only", why)
    found: tuple[Found, ...] = picker(
        s.question._replace(torch=s.question.torch.replace("+cpu", ""))
    )
    others = offered(found, "without the label")
    return replace(choice, alternatives=(*choice.alternatives, *others))


def _plain(s: Situation, action: Action, why: str = "") -> Choice:
    found = pick_cpu(s.question)
    if not found:
        ways = ways_out(s, pick_cpu) or double_ways_out(s, pick_cpu)
        return _blocked(s, ways) if ways else Choice("unsupported_platform", reasons=(why,))
    return with_said(installed(s, action, found), [("", why)], first=True)


def _blocked(s: Situation, ways: list[WayOut]) -> Choice:
    return Choice.of(ways[0].action, about_blocked(s, ways), alternatives_of(ways))
