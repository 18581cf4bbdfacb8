"""What stands in the way where no build fits: the same question asked again with one condition lifted, then with two.

Conditions are lifted in the order in which giving way costs least. Each has its sentence in wheel_words.json.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Action, Alternative, Choice, Said, say
from tunedoctor.wheels.pick import (
    NEWEST,
    Found,
    Question,
    allowed,
    fitting,
    pythons,
    releases,
    unlabelled,
)
from tunedoctor.wheels.say_release import (
    about_code,
    about_gfx,
    about_old_gpus,
    about_system,
    no_label,
    opt_ins,
)
from tunedoctor.wheels.situation import Situation, driver_needed, driver_words, newest_driver


class WayOut(NamedTuple):
    """What lifting conditions would give."""

    action: Action
    """The first of them."""
    found: tuple[Found, ...]
    after: str
    """What it takes, in words: "on Python 3.13"."""
    nearest: Found | None = None
    """Where it takes a newer torch: the release next to what was asked for, if another one."""


class _Lifted(NamedTuple):
    """A question with one condition less."""

    action: Action
    question: Question
    after: str = ""


def alternatives_of(ways: list[WayOut]) -> tuple[Alternative, ...]:
    """Return the best build of each way out; of the first also the one next to what was asked for."""
    found = [Alternative(way.found[0].build, way.after) for way in ways]
    if ways and (nearest := ways[0].nearest) is not None:
        found.insert(1, Alternative(nearest.build, ways[0].after))
    return tuple(dict.fromkeys(found))


def label_of(wanted: str) -> str:
    """Return "cu124" of "==2.6.0+cu124"; "" where no label is asked for."""
    found = _LABEL.search(wanted)
    return found[0].removeprefix("+") if found else ""


def without_label(wanted: str) -> str:
    """Return "==2.6.0" of "==2.6.0+cu124"."""
    return _LABEL.sub("", wanted)


_LABEL = re.compile(r"\+[A-Za-z0-9.]+")


def ways_out(s: Situation, kind: str) -> list[WayOut]:
    """Return what lifting one condition gives, in order; [] where no single one helps.

    Of several Pythons the nearest that helps is enough.
    """
    found: dict[Action, WayOut] = {}
    for step in _lifted(s, s.question):
        if step.action not in found and (way := _try(s, step, kind, s.question)):
            found[step.action] = way
    return list(found.values())


def double_ways_out(s: Situation, kind: str) -> list[WayOut]:
    """Return what lifting two conditions gives, or all of them, for where no single one helps."""
    found: dict[Action, WayOut] = {}
    for first in _lifted(s, s.question):
        for second in _lifted(s, first.question):
            if second.action == first.action or first.action in found:
                continue
            if way := _try(s, second, kind, first.question):
                after = " and ".join(filter(None, (_after(s, first, way.found), way.after)))
                action = _direction(first.action, s.question.torch, way.found[0])
                found[first.action] = WayOut(action, way.found, after)
    return list(found.values()) or _all_away(s, kind)


def _all_away(s: Situation, kind: str) -> list[WayOut]:
    """Return what fits any release, on another Python and a current system under a current driver; [] if nothing."""
    current = s.question._replace(
        torch="", glibc=NEWEST, macos=NEWEST, driver=newest_driver(s.gpus)
    )
    for python in nearest(current.python):
        if found := fitting(current._replace(python=python), kind):
            after = f"on Python {python} and a current system"
            if s.gpus.nvidia and kind != "cpu":
                after += f", {driver_needed(s, found[0])}"
            return [WayOut("change_python", found, after)]
    return []


def _try(s: Situation, step: _Lifted, kind: str, before: Question) -> WayOut | None:
    found = fitting(step.question, kind)
    if not found:
        return None
    action = _direction(step.action, before.torch, found[0])
    newer = _nearest_newer(before, found[0], kind) if action == "use_newer_torch" else None
    return WayOut(action, found, _after(s, step, found), newer)


def _after(s: Situation, step: _Lifted, found: tuple[Found, ...]) -> str:
    """Say what a step takes."""
    return driver_needed(s, found[0]) if step.action == "upgrade_driver" else step.after


def _lifted(s: Situation, q: Question) -> Iterator[_Lifted]:
    """Driver, other Python, other torch, newer system: the order in which giving way costs least."""
    newest = newest_driver(s.gpus)
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
    """Return the other Pythons that have wheels, nearest first, of two equally near ones the older one.

    Another build of the same language version (free-threaded or not) comes first; else the kind is kept.
    """
    here = parts(python) or (3, 12)
    threaded = python.endswith("t")

    def distance(tag: str) -> tuple[int, int, bool]:
        minor = parts(tag)[1]
        return abs(minor - here[1]), minor, tag.endswith("t") != threaded

    others = [tag for tag in pythons() if tag != python and (threaded or not tag.endswith("t"))]
    return sorted(others, key=distance)


def _nearest_newer(q: Question, newest: Found, kind: str) -> Found | None:
    """Return the build of the first release above the range that fits, where that isn't the newest."""
    inside = [release.parsed for release, _ in allowed(q.torch)]
    for release in reversed(releases()):
        if inside and max(inside) < release.parsed < newest.release.parsed:
            found = fitting(q._replace(torch=f"=={release.version}"), kind)
            if found and found[0].verified:
                return found[0]
    return None


def _direction(action: Action, wanted: str, found: Found) -> Action:
    """Tell of another torch whether it lies above or below what was asked for."""
    if action != "use_newer_torch":
        return action
    inside = [release.parsed for release, _ in allowed(wanted)]
    if inside:
        return "use_newer_torch" if found.release.parsed > max(inside) else "use_older_torch"
    numbers = [parts(n) for n in re.findall(r"\d+(?:\.\d+)*", wanted)]
    newest = releases()[0].parsed.release
    return "use_older_torch" if any(n > newest for n in numbers) else "use_newer_torch"


def in_the_way(s: Situation, ways: list[WayOut]) -> Choice:
    """Answer where nothing fits as things are: the condition in the way, and what lifting it gives."""
    q, first = s.question, ways[0]
    best, actions = first.found[0], {way.action for way in ways}
    newer, label = first.action == "use_newer_torch", label_of(q.torch)
    said = [_in_words(s, first)]
    if first.action == "upgrade_driver":
        have = driver_words(s.machine)
        said.append(say("upgrade_driver", driver=have, build=best.build, after=first.after))
        said += opt_ins(s, best)
        if "change_python" in actions:
            said += _python_against_driver(s, ways)
    if first.action == "change_python" or (
        first.action == "upgrade_driver" and "change_python" in actions and not _has_python(q)
    ):
        said += _no_python(q)
    if best.row.kind == "cuda" and actions & _OTHER_RELEASE:
        said += about_code(s, newer=newer)
    if best.row.kind == "rocm":
        said += about_gfx(s, newer=newer)
    said += [*about_system(s, None), *about_old_gpus(s)]
    if label and unlabelled(q.family, label):
        arm = q.family == "linux_aarch64"
        said.append(no_label(without_label(q.torch)) if arm else say(":macos_label"))
    if q.family == "macos_x86_64":
        said.append(say("intel_mac_ended"))
    return Choice.of(first.action, said, alternatives_of(ways))


_OTHER_RELEASE = {"use_older_torch", "use_newer_torch", "fix_requirement"}


def _in_words(s: Situation, way: WayOut) -> Said:
    build, wanted = way.found[0].build, s.question.torch
    same = way.action == "fix_requirement" and build.variant == label_of(wanted)
    return say(
        ":no_label" if same else f":{way.action}",
        asked=f" {wanted}" if wanted else "",
        wanted=wanted,
        bare=without_label(wanted),
        build=build,
        after=way.after,
    )


def _python_against_driver(s: Situation, ways: list[WayOut]) -> list[Said]:
    q = s.question
    python = next(way for way in ways if way.action == "change_python")
    first = next((r for r in reversed(releases()) if q.python in r.pythons(q.family)), None)
    if first is None or python.found[0].release.parsed >= first.parsed:
        return []
    driver = s.machine.driver_version
    return [say("python_too_new_for_driver", python=q.python, release=first.version, driver=driver)]


def _no_python(q: Question) -> list[Said]:
    wanted = f"torch {q.torch}" if q.torch else "torch"
    has = [r for r, _ in allowed(q.torch) if q.python in r.pythons(q.family)]
    tags = {t for r, _ in allowed(q.torch) for t in r.pythons(q.family)}
    if not has:
        said = [say("python_not_supported", wanted=wanted, python=q.python)]
        if tags and parts(q.python) < min(map(parts, tags)):
            said.append(say("python_old:oldest", python=min(tags, key=parts)))
    else:
        first, last = has[-1].version, has[0].version
        span = f"{first} to {last}" if len(has) > 1 else last
        said = [say("python_not_supported:some", wanted=wanted, python=q.python, span=span)]
        if parts(q.python) < min(map(parts, releases()[0].pythons(q.family)), default=()):
            said.append(say("python_old:last", python=q.python, release=last))
    if q.python == "3.13t":
        said.append(say("free_threaded_313_dropped"))
    return said


def _has_python(q: Question) -> bool:
    return any(q.python in r.pythons(q.family) for r, _ in allowed(q.torch))
