"""Choose the PyTorch build for a machine, or say what prevents it; and list the whole table for that machine.

The rule: the newest release in range that has a build with a wheel for the platform and Python, whose driver floor is
met, and with compiled code for every GPU; of that release's builds, the one that its companions are built for.
The CPU build is never chosen silently. Unverified rows of the table come last, and the choice says so. If the
environment has a torch that fits, it stays; else the nearest release that fits is chosen.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import InstallerConfig, Knowledge
from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.versions import parts, pep440, within
from tunedoctor.tables.wheel_rows import VARIANT
from tunedoctor.tables.wheels import Numbers, cuda_of, release_row, releases
from tunedoctor.tables.wheels import WheelRow as Row
from tunedoctor.wheels import blocked, pick, situation
from tunedoctor.wheels.commands import Steer, WheelCommands, commands_of, steering
from tunedoctor.wheels.pick import (
    Action,
    Alternative,
    Build,
    Choice,
    FittingBuild,
    fitting,
    offered,
    say,
)
from tunedoctor.wheels.reasons import (
    about_gpus,
    about_old_gpus,
    about_release,
    about_settings,
    further,
)
from tunedoctor.wheels.rules import driver_floor, index_of, last_driver
from tunedoctor.wheels.situation import Situation, floor_words, label_of, names_of
from tunedoctor.wheels.vendor import amd_build, amd_pythons


def choose(machine: Machine) -> Choice:
    """Return what to install on a machine, why, and the alternatives; never raises on any input."""
    s = situation.situation(machine)
    vendors = [vendor for vendor in pick.KINDS if s.gpus.of(vendor)]
    kind = pick.KINDS[vendors[0]] if vendors else "cpu"
    if early := blocked.impossible(s) or blocked.at_fault(s, kind):
        return early.saying(about_settings(s, early.torchvision))
    if s.question.family.startswith("macos"):
        choice = _plain(s, "install")
    elif vendors and blocked.asks_for_cpu(s):
        requested = s.question.torch
        choice = _plain(s, "cpu_only", say(":as_asked_cpu", wanted=requested))
        builds = fitting(s.question._replace(torch=requested.replace("+cpu", "")), kind)
        choice = choice.offering(*offered(builds, "without the label"))
    else:
        waiting = bool(s.gpus.left_out or s.machine.driver_version)
        choice = (_for_gpus(s, vendors) if vendors else blocked.undriven(s)) or _plain(
            s, "cpu_only" if waiting else "install"
        )
        # without a usable GPU, the reason for that comes first
        choice = choice.saying(about_gpus(s), first=choice.action == "cpu_only")
    return choice.saying(about_settings(s, choice.torchvision))


def of_build(build: Build, machine: Machine, action: Action = "install") -> Choice:
    """Return the choice of a build, with its companions and its index."""
    row = release_row(build.torch_version)
    pair = (row.torchvision, row.torchaudio) if row else ("", "")
    index = "PyPI" if machine.platform == "macos" else index_of(build.variant)
    return Choice(action, *pair, index, build=build)


def _installed(s: Situation, action: Action, builds: tuple[FittingBuild, ...]) -> Choice:
    best = builds[0]
    return replace(
        of_build(best.build, s.machine, action),
        alternatives=(*(Alternative(f.build) for f in builds[1:]), *further(s, best)),
        environment=situation.override_of_all(s.gpus.amd) if best.row.kind == "rocm" else {},
    ).saying(about_release(s, best))


def _for_gpus(s: Situation, vendors: list[str]) -> Choice:
    by_vendor = {vendor: fitting(s.question, pick.KINDS[vendor]) for vendor in vendors}
    fits = {vendor: builds for vendor, builds in by_vendor.items() if builds}
    if not fits:
        return _unfit(s, vendors[0])
    builds_of_vendor = next(iter(fits.values()))
    choice = _which_vendor(s, fits) if len(fits) > 1 else _installed(s, "install", builds_of_vendor)
    for vendor in vendors:
        if vendor not in fits:
            choice = _without(s, choice, vendor)
    return choice


def _which_vendor(s: Situation, fits: dict[str, tuple[FittingBuild, ...]]) -> Choice:
    """Return the question which vendor to use. The default has the most memory; then NVIDIA, AMD, Intel."""
    memory = {v: sum(g.memory_gib for g in s.gpus.of(v)) for v in fits}
    order = sorted(fits, key=lambda v: -memory[v] if all(memory.values()) else 0)
    choice = _installed(s, "ask", fits[order[0]])
    others = tuple(Alternative(f.build) for vendor in order[1:] for f in fits[vendor])
    names = " and ".join(names_of(s.gpus.of(vendor)) for vendor in fits)
    choice = replace(choice, alternatives=(*others, *choice.alternatives))
    return choice.saying([say("two_vendors:each", gpus=names)], first=True)


def _without(s: Situation, choice: Choice, vendor: str) -> Choice:
    other = _unfit(s, vendor)
    if other.action == "install_partial":
        mine = (Alternative(choice.build),) if choice.build else ()
        return other.offering(*mine).saying([say("two_vendors")])
    messages = [say("gpu_ignored:vendor", gpus=names_of(s.gpus.of(vendor)), why=other.reasons[0])]
    # for NVIDIA, the way to a working driver is as good
    if vendor == "nvidia" and other.action not in pick.INSTALLS:
        messages += [(code, "") for code in other.says]
        choice = choice.offering(*other.alternatives)
    return choice.saying(messages)


def _unfit(s: Situation, vendor: str) -> Choice:  # noqa: PLR0911  one for each way that is left
    """Return the result if no build fits all GPUs of a vendor: what blocks it, else what is impossible."""
    kind, gpus = pick.KINDS[vendor], s.gpus.of(vendor)
    if vendor == "amd" and s.question.windows:
        windows = s.machine.platform == "windows"
        message = say("no_rocm_on_windows_index" if windows else ":rocm_on_wsl")
        on_cpu = offered(fitting(s.question, "cpu"), "without the GPU")
        return _of_amd(s, Choice.of("use_vendor_build", [message], on_cpu))
    if remedies := blocked.ways_out(s, kind):
        return blocked.in_the_way(s, remedies)
    if vendor != "intel" and (partial := _for_some(s, vendor)):
        return partial
    if remedies := blocked.ways_out(s, kind, several=True):
        return blocked.in_the_way(s, remedies)
    key = "gpu_not_supported:here"
    if vendor == "intel":
        key = "gpu_not_supported:xpu_on_arm"
    elif s.question.family == "linux_aarch64":
        amd = vendor == "amd"
        key = "gpu_not_supported:rocm_on_arm" if amd else "gpu_not_in_aarch64_builds:ever"
    names = names_of(gpus)
    message = say(key, gpus=names)
    on_cpu = offered(fitting(s.question, "cpu"), "without the GPU")
    built = vendor == "amd" and all(g.gfx in situation.vendor_builds() for g in gpus)
    if built and s.question.family == "linux_x86_64":
        why = [say(":vendor_build", gpus=names), message]
        return _of_amd(s, Choice.of("use_vendor_build", why, on_cpu))
    old = any(last_driver(c) == "470" for c in s.question.capabilities)
    if vendor == "nvidia" and not old:
        return Choice.of("build_from_source", [say(":from_source", gpus=names), message], on_cpu)
    return _plain(s, "cpu_only", say(":cpu_instead", gpus=names)).saying([message])


def _of_amd(s: Situation, choice: Choice) -> Choice:
    """Return the choice with AMD's own build for the GPUs, or with the reason why no such build is known."""
    machine, gfx = s.machine, [gpu.gfx for gpu in s.gpus.amd if gpu.gfx]
    built = s.question.family in ("linux_x86_64", "win_amd64")
    pythons = amd_pythons(machine.platform) if built else ()
    if not gfx or not pythons:
        return choice
    own = amd_build(
        gfx, machine.platform, machine.python, torch=s.question.torch, glibc=machine.glibc
    )
    if own:
        key = ":amd_index" if own.rocm else ":amd_nightly"
        return replace(choice, vendor=own).saying([say(key, rocm=own.rocm)])
    if machine.python not in pythons:
        return choice.saying([say(":amd_python", oldest=pythons[0], newest=pythons[-1])])
    return choice.saying([say(":amd_none", gpus=names_of(s.gpus.amd))])


def _for_some(s: Situation, vendor: str) -> Choice | None:
    kind, nvidia = pick.KINDS[vendor], vendor == "nvidia"
    supported: tuple[Gpu, ...] = ()
    builds: tuple[FittingBuild, ...] = ()

    def newness(gpu: Gpu) -> tuple[Numbers, float, int, str]:
        return parts(gpu.compute_capability), gpu.memory_gib, len(gpu.gfx), gpu.gfx

    for gpu in sorted(s.gpus.of(vendor), key=newness, reverse=True):
        if fitting_builds := fitting(s.question.about(vendor, (*supported, gpu)), kind):
            supported, builds = (*supported, gpu), fitting_builds
    left = [gpu for gpu in s.gpus.of(vendor) if gpu not in supported]
    if not builds or not left:
        return None
    gpus = s.gpus._replace(nvidia=supported) if nvidia else s.gpus._replace(amd=supported)
    narrow = s._replace(gpus=gpus, question=s.question.about(vendor, supported))
    choice, names = _installed(narrow, "install_partial", builds), names_of(left)
    rest = offered(fitting(s.question.about(vendor, left), kind), f"for the {names} only")
    hidden = tuple(g.name for g in left)
    choice = replace(choice, alternatives=(*choice.alternatives, *rest), hidden=hidden)
    variable = "CUDA_VISIBLE_DEVICES" if nvidia else "HIP_VISIBLE_DEVICES"
    message = say("no_build_covers_all", gpus=names, variable=variable)
    return choice.saying([message, *about_old_gpus(s)], first=True)


def _plain(s: Situation, action: Action, why: pick.Said = ("", "")) -> Choice:
    if builds := fitting(s.question, "cpu"):
        return _installed(s, action, builds).saying([why], first=True)
    remedies = blocked.ways_out(s, "cpu") or blocked.ways_out(s, "cpu", several=True)
    return blocked.in_the_way(s, remedies) if remedies else Choice.of("unsupported_platform", [why])


def choose_nearest(machine: Machine, installed: str = "", beside: str = "") -> tuple[Choice, bool]:
    """Return the build nearest to the installed torch ("2.6.0+cu124", "2.6.0", ""), and whether that one stays.

    It stays if it is in the requested range and covers what the newest build would: a CPU build does not fit a
    machine with a GPU that a build supports. Without a GPU every build runs, so none is replaced; nor if
    no build fits; a build that is newer than the table, or the user's own, is assumed to fit. If a driver has to be
    installed first, the build that runs then is returned. Without an installed torch, the release that matches
    the packages `beside` it is preferred to the best one.
    """
    release, _, label = installed.partition("+")
    best = choose(machine)
    in_range = bool(release) and (not machine.torch or bool(within(release, machine.torch)))
    labelled = machine.platform != "macos" and bool(VARIANT.fullmatch(label))
    installed_build = Build(release, label)
    index = index_of(label) if labelled else ""
    unmatched = not best.build or not pick.allowed(f"=={release}")
    if in_range and (unmatched or (index and not machine.gpus)):
        return replace(best, build=installed_build, index=index), True
    if release and (same := _like(best, machine, installed if labelled else release)):
        return replace(same, build=installed_build, index=same.index if labelled else ""), True
    paired = _like(best, machine, beside) if beside and not release else None
    choice = paired or nearest_build(machine, release)
    if choice.action.endswith("_driver") and choice.alternatives:
        build = of_build(choice.alternatives[0].build, machine)
        choice = replace(build, reasons=choice.reasons)
    return choice, False


def nearest_build(machine: Machine, release: str) -> Choice:
    """Return the build of a release, its minor, newer or older minors, if it covers what the best does, else that."""
    best, parsed = choose(machine), pep440(release)
    if parsed is None or not best.build:
        return best
    own_minor = parsed.release[:2]
    minors = dict.fromkeys(r.parsed.release[:2] for r in reversed(releases()))
    candidates = [
        own_minor,
        *(m for m in minors if m > own_minor),
        *(m for m in reversed(minors) if m < own_minor),
    ]
    specifiers = (
        parsed.base_version,
        *(".".join(map(str, (*m, 0)[:2])) + ".*" for m in candidates),
    )
    return next(
        (choice for specifier in specifiers if (choice := _like(best, machine, specifier))), best
    )


def _like(best: Choice, machine: Machine, specifier: str) -> Choice | None:
    """Return the choice within one release, if it covers what the best choice covers."""
    if not pick.allowed(f"=={specifier}"):
        return None
    range_ = ",".join(filter(None, (machine.torch, f"=={specifier}")))
    choice = choose(replace(machine, torch=range_))
    same = choice.action == best.action or {choice.action, best.action} <= {"install", "ask"}
    return choice if choice.build and same else None


class WheelChoice(pick.Chosen, frozen=True, kw_only=True):
    """A choice for one machine, with the commands that carry it out."""

    schema: Literal["doctor.wheel/1"] = "doctor.wheel/1"
    torch_version: str | None
    """None if the action is not an install."""
    variant: str | None
    alternatives: tuple[str, ...]
    """Best first: "2.14.1+cu126", or "2.15.0+cu132 with driver 580 or newer"."""
    reason: str
    driver_floor: str = ""
    assumed: tuple[str, ...] = ()
    """Unknown properties of the machine, and the values that were assumed."""
    installed: str = ""
    installed_fits: bool | None = None
    """Whether the installed torch can stay; None if there is none, or if its variant is unknown."""
    nearest: str = ""
    """The build nearest to the installed one that fits this machine, if that one doesn't; `doctor fix` installs it."""
    machine: Machine
    knowledge: Knowledge | None = None
    """Age of the wheel table that was used."""
    commands: WheelCommands | None = None
    steering: tuple[Steer, ...] = ()


def choose_with_commands(
    machine: Machine,
    snapshot: Snapshot | None = None,
    assumed: tuple[str, ...] = (),
    knowledge: Knowledge | None = None,
) -> WheelChoice:
    """Choose for a machine; `snapshot` shows what is installed and configured here, None where nothing here counts."""
    choice, target_snapshot = choose(machine), snapshot or Snapshot.of(())
    facts, config = Facts(target_snapshot), target_snapshot.find(InstallerConfig)
    installed, python = label_of(facts.torch), facts.interpreter.executable
    build = choice.build
    floor = driver_floor(cuda_of(build.variant), windows=machine.windows) if build else ""
    if machine.driver_supposed and floor:
        assumed = (*assumed, f"driver {floor} or newer")
    variant_known = "+" in installed or (installed and machine.platform == "macos")
    nearest_choice, stays = choose_nearest(machine, installed) if variant_known else (None, False)
    return WheelChoice(
        **{name: getattr(choice, name) for name in pick.Chosen.__struct_fields__},
        torch_version=build.torch_version if build else None,
        variant=build.variant if build else None,
        alternatives=tuple(
            f"{alternative.build} {alternative.after}".strip()
            for alternative in choice.alternatives
        ),
        reason=choice.reasons[0] if choice.reasons else "",
        driver_floor=floor,
        assumed=assumed,
        installed=installed,
        installed_fits=stays and build is not None if nearest_choice else None,
        nearest=str(nearest_choice.build or "") if nearest_choice and not stays else "",
        machine=replace(machine, driver_version="") if machine.driver_supposed else machine,
        knowledge=knowledge,
        commands=commands_of(choice, machine, installed=installed, python=python, config=config),
        steering=steering(config, choice, machine, python=python) if config else (),
    )


_VENDORS = {kind: vendor for vendor, kind in pick.KINDS.items()}


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """A build for the machine's platform."""

    torch: str
    variant: str
    """cu126, rocm7.2, xpu, cpu, or mps."""
    pythons: tuple[str, ...]
    """Tags with a wheel: "3.13", "3.13t"."""
    system: str
    """Oldest glibc or macOS; "" on Windows."""
    driver: str
    """Oldest NVIDIA driver; "" for builds without CUDA."""
    code: tuple[str, ...]
    """Compute capabilities or gfx targets that it has code for."""
    verified: bool
    """Its publication was confirmed, and its list of code was read."""
    lacks: tuple[str, ...]
    """What this machine lacks for it; () if it runs here."""
    chosen: bool


class BuildMatrix(msgspec.Struct, frozen=True, kw_only=True):
    """All builds for a machine's platform, newest release first."""

    schema: Literal["doctor.wheel-matrix/1"] = "doctor.wheel-matrix/1"
    machine: Machine
    assumed: tuple[str, ...]
    """Unknown properties of the machine, and the values that were assumed."""
    rows: tuple[MatrixRow, ...]
    knowledge: Knowledge | None = None


def matrix(choice: WheelChoice) -> BuildMatrix:
    """Return the builds of the releases that an answer chose among, with what its machine lacks for each."""
    s = situation.situation(choice.machine)
    vendors = frozenset(vendor for vendor in pick.KINDS if s.gpus.of(vendor))
    chosen, q = (choice.torch_version, choice.variant), s.question
    kinds = (*pick.KINDS.values(), "cpu")
    builds = chain(*(pick.in_range(kind, q.family, q.torch) for kind in kinds))
    rows = (
        MatrixRow(
            torch=release.version,
            variant=row.variant,
            pythons=tuple(row.python.split()),
            system=row.floor,
            driver=floor_words(floor) if (floor := row.drivers[s.question.windows]) else "",
            code=tuple(sorted({_target(code) for code, _ in row.compiled}, key=_number)),
            verified=row.verified or row.kind != "cuda",
            lacks=tuple(_lacks(s.question, vendors, row)),
            chosen=(release.version, row.variant) == chosen,
        )
        for release, row in sorted(builds, key=lambda pair: pair[0].parsed, reverse=True)
    )
    shared = {name: getattr(choice, name) for name in ("machine", "assumed", "knowledge")}
    return BuildMatrix(rows=tuple(rows), **shared)


def _lacks(q: pick.BuildQuestion, vendors: Iterable[str], row: Row) -> Iterator[str]:
    mac = q.family.startswith("macos")
    if q.python and q.python not in row.pythons:
        yield f"no wheel for Python {q.python}"
    if (q.macos if mac else q.glibc) < row.system:
        yield f"{'macOS' if mac else 'glibc'} {row.floor}"
    if row.kind == "cpu":
        return
    if _VENDORS[row.kind] not in vendors:
        yield f"no {'Intel' if row.kind == 'xpu' else _VENDORS[row.kind].upper()} GPU"
        return
    if not q.reaches(row.kind):
        yield "only AMD's own builds run here"
    if q.driver < row.drivers[q.windows]:
        yield f"driver {floor_words(row.drivers[q.windows])}"
    if code := pick.lacking(row, sorted(q.needed_targets(row.kind))):
        yield f"code for {', '.join(code)}"


def _number(target: str) -> tuple[int, str]:
    return int(target.removeprefix("gfx").partition("+")[0].replace(".", ""), 16), target


def _target(compiled: str) -> str:
    """Return "8.9" for sm_89, "9.0+PTX" for compute_90, and a gfx target unchanged."""
    kind, _, digits = compiled.rpartition("_")
    if not kind:
        return compiled
    digits, letter = (digits, "") if digits[-1].isdigit() else (digits[:-1], digits[-1])
    return f"{digits[:-1]}.{digits[-1]}{letter}" + ("+PTX" if kind == "compute" else "")
