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
from tunedoctor.wheels.pick import NEWEST, Action, Choice, Found, Question, allowed, fitting, say
from tunedoctor.wheels.rules import first_driver, last_driver, one_spelling
from tunedoctor.wheels.situation import Situation, driver_needed, names_of, newest_driver
from tunedoctor.wheels.vendor import windows_arm_build

_BEFORE = ("1.13.1", "1.12.1", "1.11.0", "1.10.2", "1.9.1", "1.8.1", "1.7.1", "1.6.0")
"""Releases before 2.0, which are not in the table: none of them runs with current libraries."""


class WayOut(NamedTuple):
    """The result of lifting conditions."""

    action: Action
    found: tuple[Found, ...]
    after: str
    """What it requires, in words: "on Python 3.13"."""
    nearest: Found | None = None
    """If it requires a newer torch: the release next to the requested one, if that is another one."""


class _Lifted(NamedTuple):
    """A question with one condition less, and what that requires; for the driver, the build found decides that."""

    action: Action
    question: Question
    after: str = ""


def impossible(s: Situation) -> Choice | None:
    """Return the result if no choice of an index can help: because of Python, system or processor; else None."""
    machine, env, arch = s.machine, s.machine.env, one_spelling(s.machine.arch)
    python, windows = machine.python, machine.platform == "windows"
    named = " ".join([python, *(v for k, v in env.items() if "implementation" in k.lower())])
    bits = next((v for k, v in env.items() if "bits" in k.lower() or "bitness" in k.lower()), "")
    narrow = "32" in bits or named_as("narrow", arch)
    texts = (*(gpu.name for gpu in machine.gpus), *env.values())
    told = (key for key, value in env.items() if situation.affirmed(value))
    apple = any(named_as("apple_silicon", text) for text in texts)
    apple |= any(named_as("apple_keys", key) for key in told)
    none, jetpack = not s.question.family, situation.jetpack_of(machine)
    so = {
        "other_python": named_as("other_python", named)
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
        if so[condition]:
            where = "win_amd64" if condition == "narrow_python" and windows else family
            cuda = condition == "narrow_python" and s.gpus.nvidia
            other = s.question._replace(family=where)
            found = fitting(other, "cuda" if cuda else "cpu") if where else ()
            system = machine.arch or "this processor"
            said = say(key, python=python[:40], arch=system, jetpack=jetpack or "6 or older")
            more = [("need_64_bit_python", "")] if condition == "narrow" else []
            choice = Choice.of(action, (said, *more), pick.offered(found, after))
            return _on_windows_arm(s, choice) if condition == "windows_arm" else choice
    return None


def _on_windows_arm(s: Situation, choice: Choice) -> Choice:
    """Return the choice with PyTorch's CPU build for a native Python, and where to find CUDA builds."""
    known = table("windows_arm")
    span = {"oldest": known["pythons"][0], "newest": known["pythons"][-1]}
    own = windows_arm_build(s.machine.python, s.question.torch)
    said = [] if own else [say(":arm_python", release=known["torch"][0], **span)]
    if any(gpu.vendor == "nvidia" for gpu in s.machine.gpus):
        said.append(say(":arm_cuda", index=known["cuda_index"], cuda=known["cuda"]))
    return replace(choice, vendor=own).saying(said)


def at_fault(s: Situation, kind: str) -> Choice | None:
    """Return the result if the requested range can't be met on any machine, else None."""
    wanted, label = s.question.torch, label_of(s.question.torch)
    range_ = specifiers(wanted)
    if range_ is None:
        return Choice.of("fix_requirement", [say(":no_range", wanted=wanted[:80])])
    if allowed(wanted):
        return None
    old = "+" not in wanted and any(range_.contains(version) for version in _BEFORE)
    bare = allowed(without_label(wanted)) if label else ()
    first, last = releases()[-1].version, releases()[0].version
    said = say(":before_2" if old else ":no_such_release", wanted=wanted, first=first, last=last)
    if bare and not old:
        release = bare[0][0]
        has = ", ".join(release.variants(s.question.family)) or "none"
        said = say(":no_such_label", release=release.version, label=label, has=has)
    ways = ways_out(s, kind) or ways_out(s, kind, several=True)
    action: Action = "use_newer_torch" if old else "fix_requirement"
    return Choice.of(action, [said], alternatives_of(ways))


def asks_for_cpu(s: Situation) -> bool:
    """Return whether the requested range names the CPU build, for example ==2.6.0+cpu."""
    found = allowed(s.question.torch)
    return bool(found) and all(labels == frozenset({"cpu"}) for _, labels in found)


def alternatives_of(ways: list[WayOut]) -> tuple[pick.Alternative, ...]:
    """Return the best build of each way out; for the first also the one next to the requested release."""
    found = [pick.Alternative(way.found[0].build, way.after) for way in ways]
    if ways and (nearest := ways[0].nearest) is not None:
        found.insert(1, pick.Alternative(nearest.build, ways[0].after))
    return tuple(dict.fromkeys(found))


def label_of(wanted: str) -> str:
    """Return "cu124" for "==2.6.0+cu124"; "" if no label is requested."""
    return wanted.partition("+")[2].partition(",")[0].strip()


def without_label(wanted: str) -> str:
    """Return "==2.6.0" for "==2.6.0+cu124"."""
    return ",".join(part.partition("+")[0] for part in wanted.split(","))


def undriven(s: Situation) -> Choice | None:
    """Return the result if no GPU has a working driver: what to do about the driver first; else None."""
    for why in situation.NOT_DRIVEN:
        if gpus := situation.of_nvidia(s.gpus.out(why)):
            outside = why == "no driver" and situation.in_container(s)
            return None if outside else _wait_for(s, why, gpus)
    amd = [g for g in s.gpus.out("no driver") if g.vendor == "amd"]
    if not amd or situation.in_container(s):
        return None
    found = fitting(s.question.about("amd", amd), "rocm") if any(g.gfx for g in amd) else ()
    said = say(":amdgpu_missing", gpus=names_of(amd))
    return Choice.of("install_driver", [said], pick.offered(found, "after the driver"))


def _wait_for(s: Situation, why: str, gpus: tuple[Gpu, ...]) -> Choice:
    windows, driver = s.question.windows, s.machine.driver_version
    question = s.question.about("nvidia", gpus)._replace(family=situation.family_of(s.machine))
    found = fitting(question._replace(driver=newest_driver(gpus)), "cuda")
    last = min((one for g in gpus if (one := last_driver(g.compute_capability))), default="")
    first = max((first_driver(g.compute_capability, windows=windows) for g in gpus), key=parts)
    floor = found[0].row.drivers[windows] if found else ()
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
    said = [say(key, gpus=names_of(gpus), driver=driver, branch=last, floor=first, need=need)]
    if why == "driver too old" and situation.virtual(s.machine, gpus):
        said.append(say("vgpu_ask_admin"))
    return Choice.of(action, said, pick.offered(found, after))


def ways_out(s: Situation, kind: str, *, several: bool = False) -> list[WayOut]:
    """Return the results of lifting one condition (`several`: two, or all), in order; of Pythons only the nearest."""
    found: dict[Action, WayOut] = {}
    for path in _paths(s, several=several):
        first = path[0].action
        if first in found or not (builds := fitting(path[-1].question, kind)):
            continue
        action, best = _direction(first, s.question.torch, builds[0]), builds[0]
        needs = (driver_needed(s, best) if p.action == "upgrade_driver" else p.after for p in path)
        newer = action == "use_newer_torch" and not several
        next_ = _nearest_newer(s.question, best, kind) if newer else None
        found[first] = WayOut(action, builds, " and ".join(filter(None, needs)), next_)
    if found or not several:
        return list(found.values())
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


def _lifted(s: Situation, q: Question) -> Iterator[_Lifted]:
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
    here = parts(python) or (3, 12)
    threaded = python.endswith("t")

    def distance(tag: str) -> tuple[int, int, bool]:
        minor = parts(tag)[1]
        return abs(minor - here[1]), minor, tag.endswith("t") != threaded

    kinds = (tag for tag in pick.pythons() if threaded or not tag.endswith("t"))
    return sorted((tag for tag in kinds if tag != python), key=distance)


def _nearest_newer(q: Question, newest: Found, kind: str) -> Found | None:
    """Return the build of the first release above the range that fits, if it isn't the newest."""
    inside = [release.parsed for release, _ in allowed(q.torch)]
    for release in reversed(releases()):
        if inside and max(inside) < release.parsed < newest.release.parsed:
            found = fitting(q._replace(torch=f"=={release.version}"), kind)
            if found and found[0].verified:
                return found[0]
    return None


def _direction(action: Action, wanted: str, found: Found) -> Action:
    if action != "use_newer_torch":
        return action
    if inside := [release.parsed for release, _ in allowed(wanted)]:
        older = found.release.parsed <= max(inside)
    else:
        numbers = (parts(specifier.version) for specifier in specifiers(wanted) or ())
        older = any(n > releases()[0].parsed.release for n in numbers)
    return "use_older_torch" if older else "use_newer_torch"


def in_the_way(s: Situation, ways: list[WayOut]) -> Choice:
    """Return the result if nothing fits: the condition that blocks it, and the effect of lifting it."""
    q, first, wanted = s.question, ways[0], s.question.torch
    best, actions = first.found[0], {way.action for way in ways}
    label, bare = label_of(wanted), without_label(wanted)
    same = first.action == "fix_requirement" and best.build.variant == label
    requested, key = f" {wanted}" if wanted else "", ":no_label" if same else f":{first.action}"
    slots = {"asked": requested, "wanted": wanted, "bare": bare}
    said = [say(key, **slots, build=best.build, after=first.after)]
    newer = first.action == "use_newer_torch"
    other_python = next((way for way in ways if way.action == "change_python"), None)
    python_lacks = not any(q.python in r.pythons(q.family) for r, _ in allowed(q.torch))
    if first.action == "upgrade_driver":
        have = situation.driver_words(s.machine)
        said.append(say("upgrade_driver", driver=have, build=best.build, after=first.after))
        said += reasons.opt_ins(s, best)
        own = next((r for r in reversed(releases()) if q.python in r.pythons(q.family)), None)
        if other_python and own and other_python.found[0].release.parsed < own.parsed:
            driver, key = s.machine.driver_version, "python_too_new_for_driver"
            said.append(say(key, python=q.python, release=own.version, driver=driver))
    upgrade = first.action == "upgrade_driver" and other_python and python_lacks
    if first.action == "change_python" or upgrade:
        said += _no_python(q)
    torch_too = actions & {"use_newer_torch", "use_older_torch", "fix_requirement"}
    if best.row.kind == "rocm" or (best.row.kind == "cuda" and torch_too):
        said += reasons.about_code(s, best.row.kind, newer=newer)
    said += [*reasons.about_system(s, None), *reasons.about_old_gpus(s)]
    if label and pick.unlabelled(q.family, label):
        key = "no_local_label_on_aarch64" if q.family == "linux_aarch64" else ":macos_label"
        said.append(say(key, bare=bare))
    if q.family == "macos_x86_64":
        said.append(say("intel_mac_ended"))
    return Choice.of(first.action, said, alternatives_of(ways))


def _no_python(q: Question) -> Iterator[pick.Said]:
    wanted = f"torch {q.torch}" if q.torch else "torch"
    has = [r.version for r, _ in allowed(q.torch) if q.python in r.pythons(q.family)]
    tags = {t for r, _ in allowed(q.torch) for t in r.pythons(q.family)}
    if not has:
        yield say("python_not_supported", wanted=wanted, python=q.python)
        if tags and parts(q.python) < min(map(parts, tags)):
            yield say("python_old:oldest", python=min(tags, key=parts))
    else:
        span = f"{has[-1]} to {has[0]}" if len(has) > 1 else has[0]
        yield say("python_not_supported:some", wanted=wanted, python=q.python, span=span)
        if parts(q.python) < min(map(parts, releases()[0].pythons(q.family)), default=()):
            yield say("python_old:last", python=q.python, release=has[0])
    if q.python == "3.13t":
        yield say("free_threaded_313_dropped")
