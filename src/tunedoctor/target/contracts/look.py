"""Find names that libraries import from other libraries, but that these do not define. Nothing is imported.

REQUEST on standard input: {"path": folders of sys.path, "sites": those that hold distributions, "libraries": {module:
[entries]}, "commands": {module: [entries that only a command of it runs]}, "whole": packages that are not followed,
"seconds": time for all}. An entry is a module
("axolotl.cli.train") or a name that a lazy package exports ("SFTTrainer"). What an import of a library runs of other
packages is followed as well, those of `whole` apart. One JSON line for each package: {"library", "led_by": the library
whose import runs it, "asked": names, "cut", "problems": [{"kind", "module", "name", "file", "line" …}]}. A
problem with "command" is met by that command, not by an import of the library. Kind
"name": the module lacks it, "module": a part of a package that is there is gone, "missing": there is no such package,
"unreadable": the file of the module is none that Python can run, "name" says why.

What is followed: statements that every import runs, from the package's own __init__ on: no function, no try, no with,
no if whose condition the files don't decide. Where code makes names by other means than statements, and the name is
written anywhere in that package, the answer is "cannot tell", which is no problem. The language is that of the
interpreter that runs this.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any, Iterable, NamedTuple, Tuple

from .world import STANDARD, ModulePlace, World, absolute

MOST_MODULES = 6000
"""Modules of one library that are followed."""
MOST_PROBLEMS = 40
MEMORY = 4 << 30
Problem = Tuple[str, str, str]
"""Kind, module, name."""
FIELDS = ("library", "kind", "module", "name", "file", "line", "within")


class NeededName(NamedTuple):
    """A name that a library imports from another library."""

    file: str
    line: int
    module: str
    names: tuple[str, ...]
    attributes: bool = False
    keyword: str = ""
    """Passed to what the names name."""
    within: str = ""
    """The function that passes it."""


def follow(
    world: World, library: str, entries: Iterable[str], ends: float
) -> tuple[list[NeededName], bool, list[ModulePlace]]:
    """Return what an import of `library` asks, whether the time `ends` cut it off, and its files that can't be read."""
    dark: list[ModulePlace] = []
    there = bool(world.find("torch"))
    starts = [one if "." in one else world.holder(library, one, backends=there) for one in entries]
    todo: list[str] = []
    seen: set[str] = set()
    asked: list[NeededName] = []

    def enter(name: str) -> None:
        parts = name.split(".")
        todo.extend(".".join(parts[:n]) for n in range(1, len(parts) + 1))

    for one in (library, *(s for s in starts if world.find(s))):
        enter(one)
    while todo and len(seen) < MOST_MODULES and time.monotonic() < ends:
        place = world.find(todo.pop())
        source = world.source(place) if place and place.name not in seen else None
        if place is None or source is None:
            dark += [place] if place and place.file and place.name not in seen else []
            continue
        seen.add(place.name)
        for ask in source.asks:
            module = absolute(place, ask.module, ask.level)
            top = module.partition(".")[0]
            if not all(world.exists(one, top) for one in ask.needs):
                continue
            if top != library:
                asked.append(NeededName(place.file, ask.line, module, ask.names, ask.attributes))
            elif not ask.attributes:
                enter(world.holder(module, ask.names[0]) if ask.names else module)
                enter(module + "." + ask.names[0] if ask.names else module)
        for call in source.calls:
            module = absolute(place, call.called.module, call.called.level)
            passes = NeededName(
                place.file, call.line, module, call.called.names, within=call.within
            )
            beyond = module.partition(".")[0] != library
            asked += [passes._replace(keyword=one) for one in call.keywords if beyond]
    return asked, bool(todo), dark


def look(
    world: World, library: str, entries: Iterable[str], ends: float, commands: Iterable[str] = ()
) -> tuple[dict[str, Any], set[str]]:
    """Return the output line about a library, and the modules of others that its import runs."""
    asked, cut, dark = follow(world, library, entries, ends)
    problems = problems_of(world, library, asked, dark)
    fields = [
        dict(zip(FIELDS, (library, *key, one.file, one.line, one.within)))
        for key, one in problems.items()
    ]
    if commands:
        more, _, unread = follow(world, library, commands, ends)
        fields += [
            dict(zip(FIELDS, (library, *key, one.file, one.line, one.within)), command=library)
            for key, one in problems_of(world, library, more, unread).items()
            if key not in problems
        ]
    line = {
        "library": library,
        "asked": len({one[2:4] for one in asked}),
        "cut": cut,
        "problems": fields[:MOST_PROBLEMS],
    }
    return line, {one.module for one in asked if not (one.keyword or one.attributes)}


def problems_of(
    world: World, library: str, asked: Iterable[NeededName], dark: Iterable[ModulePlace]
) -> dict[Problem, NeededName]:
    """Return the problems of what a library asks, each with the first place that asks it."""
    problems: dict[Problem, NeededName] = {}
    for place in dark:
        why, number = world.spoilt(place)
        if why:
            at = NeededName(place.file, number, place.name, ())
            problems.setdefault(("unreadable", place.name, why), at)
    for one in asked:
        told = problem(world, one)
        made = one.names if one.keyword else (told[2],) if told else ()
        if told and world.patches(library).isdisjoint(made):
            problems.setdefault(told, one)
    return problems


def problem(world: World, asked: NeededName) -> Problem | None:
    """Return what a neighbour certainly lacks of what it is asked for."""
    module, names = asked.module, asked.names
    parts = module.split(".")
    if parts[0] in STANDARD:
        return None
    if asked.keyword:
        taken = world.takes(module, names)
        lacks = taken is not None and asked.keyword not in taken
        return ("keyword", ".".join((module, *names)), asked.keyword) if lacks else None
    for n in range(1, len(parts) + 1):
        if world.gone(".".join(parts[:n])):
            return ("missing" if n == 1 else "module", ".".join(parts[:n]), "")
    if asked.attributes:
        module, names = world.through(module, names)
    if not names or names[0] == "*" or not world.lacks(module, names[0]):
        return None
    return ("name", module, names[0])


def main() -> None:
    """Answer the request on standard input."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, OSError, ValueError):
        pass
    gc.disable()  # trees hold no rings, and looking for some costs a third of the time
    request = json.loads(sys.stdin.read())
    ends = time.monotonic() + request["seconds"]
    world = World(request["path"], request["sites"], frozenset(request["libraries"]))
    ahead = {one: (frozenset(e), "") for one, e in request["libraries"].items() if world.find(one)}
    seen = {*request["whole"], *STANDARD}
    while ahead:
        seen.update(ahead)
        beyond: dict[str, tuple[frozenset[str], str]] = {}
        for library, (entries, led_by) in ahead.items():
            commands = request.get("commands", {}).get(library, ())
            line, modules = look(world, library, entries, ends, commands)
            sys.stdout.write(json.dumps({**line, "led_by": led_by}) + "\n")
            sys.stdout.flush()
            for one in modules:
                top = one.partition(".")[0]
                if top not in seen and world.is_distributed(top):
                    before, first = beyond.get(top, (frozenset(), led_by or library))
                    beyond[top] = (before | {one}, first)
        ahead = beyond
