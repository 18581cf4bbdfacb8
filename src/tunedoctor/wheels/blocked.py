"""What stands in the way where no build fits: each constraint is taken away, in the order in which people would."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Action, Alternative
from tunedoctor.wheels.pick import (
    NEWEST,
    Found,
    Picker,
    Question,
    allowed,
    pick_cpu,
    pythons,
    releases,
)
from tunedoctor.wheels.situation import Situation, floor_words, newest_driver


class WayOut(NamedTuple):
    """What taking constraints away would give."""

    action: Action
    """The first of them."""
    found: tuple[Found, ...]
    after: str
    """What it takes, in words: "on Python 3.13"."""
    nearest: Found | None = None
    """Where it takes a newer torch: the release next to what was asked for, if another one."""


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


class _Step(NamedTuple):
    action: Action
    question: Question
    after: str


def ways_out(s: Situation, picker: Picker) -> list[WayOut]:
    """Return what the removal of one constraint gives, in order; [] where no single one helps.

    Of several Pythons the nearest that helps is enough.
    """
    found: dict[Action, WayOut] = {}
    for step in _steps(s, s.question):
        if step.action not in found and (way := _try(s, step, picker, s.question)):
            found[step.action] = way
    return list(found.values())


def double_ways_out(s: Situation, picker: Picker) -> list[WayOut]:
    """Return what the removal of two constraints gives, or of all of them, for where no single one helps."""
    found: dict[Action, WayOut] = {}
    for first in _steps(s, s.question):
        for second in _steps(s, first.question):
            if second.action == first.action or first.action in found:
                continue
            if way := _try(s, second, picker, first.question):
                after = " and ".join(filter(None, (_after(s, first, way.found), way.after)))
                action = first.action
                if action == "use_newer_torch":
                    action = _direction(s.question.torch, way.found[0])
                found[first.action] = WayOut(action, way.found, after)
    return list(found.values()) or _all_away(s, picker)


def _all_away(s: Situation, picker: Picker) -> list[WayOut]:
    """Return what fits any release, on another Python and a current system under a current driver; [] if nothing."""
    current = s.question._replace(
        torch="", glibc=NEWEST, macos=NEWEST, driver=newest_driver(s.gpus)
    )
    for python in nearest(current.python):
        if found := picker(current._replace(python=python)):
            after = f"on Python {python} and a current system"
            if s.gpus.nvidia and picker is not pick_cpu:
                after += f", {_after(s, _Step('upgrade_driver', current, ''), found)}"
            return [WayOut("change_python", found, after)]
    return []


def _try(s: Situation, step: _Step, picker: Picker, before: Question) -> WayOut | None:
    found = picker(step.question)
    if not found:
        return None
    action = step.action
    if action == "use_newer_torch":
        action = _direction(before.torch, found[0])
        nearest = _nearest_newer(before, found[0], picker) if action == "use_newer_torch" else None
        return WayOut(action, found, "", nearest)
    return WayOut(action, found, _after(s, step, found))


def _after(s: Situation, step: _Step, found: tuple[Found, ...]) -> str:
    """Say what a step takes."""
    if step.action != "upgrade_driver":
        return step.after
    q = s.question
    floor = found[0].row.drivers[q.windows]
    end = newest_driver(s.gpus)
    upto = f", up to branch {end[0]}" if end != NEWEST else ""
    return f"with driver {floor_words(floor)} or newer{upto}"


def _steps(s: Situation, q: Question) -> Iterator[_Step]:
    """Driver, other Python, other torch, newer system: the order in which giving way costs least."""
    newest = newest_driver(s.gpus)
    if s.gpus.nvidia and q.driver < newest:
        yield _Step("upgrade_driver", q._replace(driver=newest), "")
    for python in nearest(q.python):
        yield _Step("change_python", q._replace(python=python), f"on Python {python}")
    if "+" in q.torch:
        without = q._replace(torch=without_label(q.torch))
        yield _Step("fix_requirement", without, "without the label")
    if q.torch:
        yield _Step("use_newer_torch", q._replace(torch=""), "")
    if q.glibc != NEWEST:
        yield _Step("upgrade_os", q._replace(glibc=NEWEST), "with glibc 2.28 or newer")
    if q.macos != NEWEST:
        yield _Step("upgrade_os", q._replace(macos=NEWEST), "on macOS 14 or newer")


def nearest(python: str) -> list[str]:
    """Return the other Pythons that have wheels, nearest first, of two equally near ones the older one.

    Another build of the same language version (free-threaded or not) comes first; else the kind is kept.
    """
    here = parts(python)
    threaded = python.endswith("t")
    if not here:
        here = (3, 12)

    def distance(tag: str) -> tuple[int, int, bool]:
        numbers = parts(tag)
        return abs(numbers[1] - here[1]), numbers[1], tag.endswith("t") != threaded

    others = [tag for tag in pythons() if tag != python]
    return sorted(
        (tag for tag in others if not tag.endswith("t") or threaded),
        key=distance,
    )


def _nearest_newer(q: Question, newest: Found, picker: Picker) -> Found | None:
    """Return the build of the first release above the range that fits, where that isn't the newest."""
    inside = [release.parsed for release, _ in allowed(q.torch)]
    for release in reversed(releases()):
        if inside and max(inside) < release.parsed < newest.release.parsed:
            found = picker(q._replace(torch=f"=={release.version}"))
            if found and found[0].verified:
                return found[0]
    return None


def _direction(wanted: str, found: Found) -> Action:
    """Tell whether a release lies above or below what was asked for."""
    inside = [release.parsed for release, _ in allowed(wanted)]
    if inside:
        return "use_newer_torch" if found.release.parsed > max(inside) else "use_older_torch"
    numbers = [parts(n) for n in re.findall(r"\d+(?:\.\d+)*", wanted)]
    newest = releases()[0].parsed.release
    return "use_older_torch" if any(n > newest for n in numbers) else "use_newer_torch"
