"""Find what prevents an install: what no build can help with, and if none fits, the effect of lifting conditions.

Conditions are lifted in order of increasing cost. Each has its sentence in wheel_words.json.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.model.machine import Gpu
from tunedoctor.model.versions import parts, specifiers
from tunedoctor.tables.gpus import named_as
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import releases
from tunedoctor.wheels import pick, reasons, situation
from tunedoctor.wheels.pick import (
    NEWEST,
    Action,
    BuildQuestion,
    Choice,
    FittingBuild,
    allowed,
    fitting,
    say,
)
from tunedoctor.wheels.rules import first_driver, last_driver, one_spelling
from tunedoctor.wheels.situation import Situation, driver_needed, names_of, newest_driver
from tunedoctor.wheels.vendor import windows_arm_build

_BEFORE = ("1.13.1", "1.12.1", "1.11.0", "1.10.2", "1.9.1", "1.8.1", "1.7.1", "1.6.0")
"""Releases before 2.0, which are not in the table: none of them runs with current libraries."""


class WayOut(NamedTuple):
    """The result of lifting conditions."""

    action: Action
    found: tuple[FittingBuild, ...]
    after: str
    """What it requires, in words: "on Python 3.13"."""
    nearest: FittingBuild | None = None
    """If it requires a newer torch: the release next to the requested one, if that is another one."""


class _Lifted(NamedTuple):
    """A question with one condition less, and what that requires; for the driver, the build found decides that."""

    action: Action
    question: BuildQuestion
    after: str = ""


def impossible(s: Situation) -> Choice | None:
    """Return the result if no choice of an index can help: because of Python, system or processor; else None."""
    machine, env, arch = s.machine, s.machine.env, one_spelling(s.machine.arch)
    python, windows = machine.python, machine.platform == "windows"
    python_words = " ".join([python, *(v for k, v in env.items() if "implementation" in k.lower())])
    bits = next((v for k, v in env.items() if "bits" in k.lower() or "bitness" in k.lower()), "")
    narrow = "32" in bits or named_as("narrow", arch)
    texts = (*(gpu.name for gpu in machine.gpus), *env.values())
    affirmed_keys = (key for key, value in env.items() if situation.affirmed(value))
    apple = any(named_as("apple_silicon", text) for text in texts)
    apple |= any(named_as("apple_keys", key) for key in affirmed_keys)
    none, jetpack = not s.question.family, situation.jetpack_of(machine)
    conditions = {
        "other_python": named_as("other_python", python_words)
        or (python and not situation.tag_of(python)),
        "rosetta": machine.platform == "macos" and arch == "x86_64" and apple,
        "narrow_python": narrow and arch in ("x86", "x86_64"),
        "narrow": narrow,
        "musl": none and machine.libc.startswith("musl"),
        "windows_arm": none and windows and arch == "arm64",
        "no_family": none,
        "jetson": jetpack is not None and jetpack < 7,
    }
    for condition, action, key, family, after in table("wheel_words")["obstacles"]:
        if conditions[condition]:
            other_family = "win_amd64" if condition == "narrow_python" and windows else family
            cuda = condition == "narrow_python" and s.gpus.nvidia
            other = s.question._replace(family=other_family)
            builds = fitting(other, "cuda" if cuda else "cpu") if other_family else ()
            system = machine.arch or "this processor"
            message = say(key, python=python[:40], arch=system, jetpack=jetpack or "6 or older")
            more = [("need_64_bit_python", "")] if condition == "narrow" else []
            choice = Choice.of(action, (message, *more), pick.offered(builds, after))
            return _on_windows_arm(s, choice) if condition == "windows_arm" else choice
    return None


def _on_windows_arm(s: Situation, choice: Choice) -> Choice:
    """Return the choice with PyTorch's CPU build for a native Python, and where to find CUDA builds."""
    rows = table("windows_arm")
    span = {"oldest": rows["pythons"][0], "newest": rows["pythons"][-1]}
    own = windows_arm_build(s.machine.python, s.question.torch)
    messages = [] if own else [say(":arm_python", release=rows["torch"][0], **span)]
    if any(gpu.vendor == "nvidia" for gpu in s.machine.gpus):
        messages.append(say(":arm_cuda", index=rows["cuda_index"], cuda=rows["cuda"]))
    return replace(choice, vendor=own).saying(messages)


def at_fault(s: Situation, kind: str) -> Choice | None:
    """Return the result if the requested range can't be met on any machine, else None."""
    requested, label = s.question.torch, label_of(s.question.torch)
    range_ = specifiers(requested)
    if range_ is None:
        return Choice.of("fix_requirement", [say(":no_range", wanted=requested[:80])])
    if allowed(requested):
        return None
    old = "+" not in requested and any(range_.contains(version) for version in _BEFORE)
    bare = allowed(without_label(requested)) if label else ()
    first, last = releases()[-1].version, releases()[0].version
    message = say(
        ":before_2" if old else ":no_such_release", wanted=requested, first=first, last=last
    )
    if bare and not old:
        release = bare[0][0]
        has = ", ".join(release.variants(s.question.family)) or "none"
        message = say(":no_such_label", release=release.version, label=label, has=has)
    remedies = ways_out(s, kind) or ways_out(s, kind, several=True)
    action: Action = "use_newer_torch" if old else "fix_requirement"
    return Choice.of(action, [message], alternatives_of(remedies))


def asks_for_cpu(s: Situation) -> bool:
    """Return whether the requested range names the CPU build, for example ==2.6.0+cpu."""
    matching = allowed(s.question.torch)
    return bool(matching) and all(labels == frozenset({"cpu"}) for _, labels in matching)


def alternatives_of(remedies: list[WayOut]) -> tuple[pick.Alternative, ...]:
    """Return the best build of each way out; for the first also the one next to the requested release."""
    alternatives = [pick.Alternative(remedy.found[0].build, remedy.after) for remedy in remedies]
    if remedies and (nearest := remedies[0].nearest) is not None:
        alternatives.insert(1, pick.Alternative(nearest.build, remedies[0].after))
    return tuple(dict.fromkeys(alternatives))


def label_of(requested: str) -> str:
    """Return "cu124" for "==2.6.0+cu124"; "" if no label is requested."""
    return requested.partition("+")[2].partition(",")[0].strip()


def without_label(requested: str) -> str:
    """Return "==2.6.0" for "==2.6.0+cu124"."""
    return ",".join(part.partition("+")[0] for part in requested.split(","))


def undriven(s: Situation) -> Choice | None:
    """Return the result if no GPU has a working driver: what to do about the driver first; else None."""
    for why in situation.NOT_DRIVEN:
        if gpus := situation.of_nvidia(s.gpus.out(why)):
            outside = why == "no driver" and situation.in_container(s)
            return None if outside else _wait_for(s, why, gpus)
    amd = [g for g in s.gpus.out("no driver") if g.vendor == "amd"]
    if not amd or situation.in_container(s):
        return None
    builds = fitting(s.question.about("amd", amd), "rocm") if any(g.gfx for g in amd) else ()
    message = say(":amdgpu_missing", gpus=names_of(amd))
    return Choice.of("install_driver", [message], pick.offered(builds, "after the driver"))


def _wait_for(s: Situation, why: str, gpus: tuple[Gpu, ...]) -> Choice:
    windows, driver = s.question.windows, s.machine.driver_version
    question = s.question.about("nvidia", gpus)._replace(family=situation.family_of(s.machine))
    builds = fitting(question._replace(driver=newest_driver(gpus)), "cuda")
    last = min(
        (last_branch for g in gpus if (last_branch := last_driver(g.compute_capability))),
        default="",
    )
    first = max((first_driver(g.compute_capability, windows=windows) for g in gpus), key=parts)
    floor = builds[0].row.drivers[windows] if builds else ()
    need = f" (branch {last})" if last else ""
    if floor:
        need = f" ({floor[0]} to {last})" if last else f" ({floor[0]} or newer)"
    action: Action = "install_driver"
    after = f"after driver branch {last}" if last else "after the driver"
    place = "wsl" if s.machine.platform == "wsl" else "none"
    key = f"nvidia_driver_missing:{'broken' if driver else place}"
    if why == "driver too new":
        action, after = "downgrade_driver", f"with driver branch {last}"
        key = "driver_590_dropped_this_gpu" if last == "580" else ":downgrade_driver"
    elif why == "driver too old":
        action, key = "upgrade_driver", "upgrade_driver:gpu"
        after = f"with driver {situation.floor_words(max(parts(first), floor))} or newer"
    elif why == "open module":
        key, after = "open_module_excludes_pre_turing:loaded", "with the proprietary module"
    messages = [say(key, gpus=names_of(gpus), driver=driver, branch=last, floor=first, need=need)]
    if why == "driver too old" and situation.virtual(s.machine, gpus):
        messages.append(say("vgpu_ask_admin"))
    return Choice.of(action, messages, pick.offered(builds, after))


def ways_out(s: Situation, kind: str, *, several: bool = False) -> list[WayOut]:
    """Return the results of lifting one condition (`several`: two, or all), in order; of Pythons only the nearest."""
    results: dict[Action, WayOut] = {}
    for path in _paths(s, several=several):
        first = path[0].action
        if first in results or not (builds := fitting(path[-1].question, kind)):
            continue
        action, best = _direction(first, s.question.torch, builds[0]), builds[0]
        needs = (driver_needed(s, best) if p.action == "upgrade_driver" else p.after for p in path)
        newer = action == "use_newer_torch" and not several
        next_ = _nearest_newer(s.question, best, kind) if newer else None
        results[first] = WayOut(action, builds, " and ".join(filter(None, needs)), next_)
    if results or not several:
        return list(results.values())
    newest = newest_driver(s.gpus.nvidia)
    current = s.question._replace(torch="", glibc=NEWEST, macos=NEWEST, driver=newest)
    for python in nearest(current.python):
        if builds := fitting(current._replace(python=python), kind):
            after = f"on Python {python} and a current system"
            if s.gpus.nvidia and kind != "cpu":
                after += f", {driver_needed(s, builds[0])}"
            return [WayOut("change_python", builds, after)]
    return []


def _paths(s: Situation, *, several: bool) -> Iterator[tuple[_Lifted, ...]]:
    for first in _lifted(s, s.question):
        if not several:
            yield (first,)
            continue
        for second in _lifted(s, first.question):
            if second.action != first.action:
                yield first, second


def _lifted(s: Situation, q: BuildQuestion) -> Iterator[_Lifted]:
    """Yield the question without driver, Python, torch and system conditions, in order of increasing cost."""
    newest = newest_driver(s.gpus.nvidia)
    if s.gpus.nvidia and q.driver < newest:
        yield _Lifted("upgrade_driver", q._replace(driver=newest))
    for python in nearest(q.python):
        yield _Lifted("change_python", q._replace(python=python), f"on Python {python}")
    if "+" in q.torch:
        without = q._replace(torch=without_label(q.torch))
        yield _Lifted("fix_requirement", without, "without the label")
    if q.torch:
        yield _Lifted("use_newer_torch", q._replace(torch=""))
    if q.glibc != NEWEST:
        yield _Lifted("upgrade_os", q._replace(glibc=NEWEST), "with glibc 2.28 or newer")
    if q.macos != NEWEST:
        yield _Lifted("upgrade_os", q._replace(macos=NEWEST), "on macOS 14 or newer")


def nearest(python: str) -> list[str]:
    """Return the other Pythons that have wheels, nearest first: another build of the same version, then the older."""
    current = parts(python) or (3, 12)
    threaded = python.endswith("t")

    def distance(tag: str) -> tuple[int, int, bool]:
        minor = parts(tag)[1]
        return abs(minor - current[1]), minor, tag.endswith("t") != threaded

    tags = (tag for tag in pick.pythons() if threaded or not tag.endswith("t"))
    return sorted((tag for tag in tags if tag != python), key=distance)


def _nearest_newer(q: BuildQuestion, newest: FittingBuild, kind: str) -> FittingBuild | None:
    """Return the build of the first release above the range that fits, if it isn't the newest."""
    in_range = [release.parsed for release, _ in allowed(q.torch)]
    for release in reversed(releases()):
        if in_range and max(in_range) < release.parsed < newest.release.parsed:
            builds = fitting(q._replace(torch=f"=={release.version}"), kind)
            if builds and builds[0].verified:
                return builds[0]
    return None


def _direction(action: Action, requested: str, build: FittingBuild) -> Action:
    if action != "use_newer_torch":
        return action
    if in_range := [release.parsed for release, _ in allowed(requested)]:
        older = build.release.parsed <= max(in_range)
    else:
        numbers = (parts(specifier.version) for specifier in specifiers(requested) or ())
        older = any(n > releases()[0].parsed.release for n in numbers)
    return "use_older_torch" if older else "use_newer_torch"


def in_the_way(s: Situation, remedies: list[WayOut]) -> Choice:
    """Return the result if nothing fits: the condition that blocks it, and the effect of lifting it."""
    q, first, torch_range = s.question, remedies[0], s.question.torch
    best, actions = first.found[0], {remedy.action for remedy in remedies}
    label, bare = label_of(torch_range), without_label(torch_range)
    same = first.action == "fix_requirement" and best.build.variant == label
    requested, key = (
        f" {torch_range}" if torch_range else "",
        ":no_label" if same else f":{first.action}",
    )
    slots = {"asked": requested, "wanted": torch_range, "bare": bare}
    messages = [say(key, **slots, build=best.build, after=first.after)]
    newer = first.action == "use_newer_torch"
    other_python = next((remedy for remedy in remedies if remedy.action == "change_python"), None)
    python_lacks = not any(q.python in r.pythons(q.family) for r, _ in allowed(q.torch))
    if first.action == "upgrade_driver":
        have = situation.driver_words(s.machine)
        messages.append(say("upgrade_driver", driver=have, build=best.build, after=first.after))
        messages += reasons.opt_ins(s, best)
        own = next((r for r in reversed(releases()) if q.python in r.pythons(q.family)), None)
        if other_python and own and other_python.found[0].release.parsed < own.parsed:
            driver, key = s.machine.driver_version, "python_too_new_for_driver"
            messages.append(say(key, python=q.python, release=own.version, driver=driver))
    upgrade = first.action == "upgrade_driver" and other_python and python_lacks
    if first.action == "change_python" or upgrade:
        messages += _no_python(q)
    torch_too = actions & {"use_newer_torch", "use_older_torch", "fix_requirement"}
    if best.row.kind == "rocm" or (best.row.kind == "cuda" and torch_too):
        messages += reasons.about_code(s, best.row.kind, newer=newer)
    messages += [*reasons.about_system(s, None), *reasons.about_old_gpus(s)]
    if label and pick.unlabelled(q.family, label):
        key = "no_local_label_on_aarch64" if q.family == "linux_aarch64" else ":macos_label"
        messages.append(say(key, bare=bare))
    if q.family == "macos_x86_64":
        messages.append(say("intel_mac_ended"))
    return Choice.of(first.action, messages, alternatives_of(remedies))


def _no_python(q: BuildQuestion) -> Iterator[pick.Said]:
    requested_torch = f"torch {q.torch}" if q.torch else "torch"
    releases_with_python = [
        r.version for r, _ in allowed(q.torch) if q.python in r.pythons(q.family)
    ]
    tags = {t for r, _ in allowed(q.torch) for t in r.pythons(q.family)}
    if not releases_with_python:
        yield say("python_not_supported", wanted=requested_torch, python=q.python)
        if tags and parts(q.python) < min(map(parts, tags)):
            yield say("python_old:oldest", python=min(tags, key=parts))
    else:
        span = (
            f"{releases_with_python[-1]} to {releases_with_python[0]}"
            if len(releases_with_python) > 1
            else releases_with_python[0]
        )
        yield say("python_not_supported:some", wanted=requested_torch, python=q.python, span=span)
        if parts(q.python) < min(map(parts, releases()[0].pythons(q.family)), default=()):
            yield say("python_old:last", python=q.python, release=releases_with_python[0])
    if q.python == "3.13t":
        yield say("free_threaded_313_dropped")
