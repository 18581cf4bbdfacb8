"""What project files want: pyproject.toml, setup files and environment.yml, pasted whole or in part."""

import re

from tunedoctor.facts import Requirement
from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.names import SPECIFIER, compact, normalised, poetry_specifier

_LONGEST = 400
"""Lines of an array."""


def project_files(lines: list[str]) -> tuple[list[Requirement], set[int]]:
    """Return what project files in these lines want, and the lines that they stand in.

    An exported environment.yml, with builds, is left to others.
    """
    wanted: list[Requirement] = []
    taken: set[int] = set()
    number = 0
    while number < len(lines):
        line, end, found = lines[number], number, list[Requirement]()
        if line.endswith(":") or ("[" in line and len(line) < 2000):
            if shape("yaml head").match(line):
                end, found = _yaml(lines, number)
            elif shape("poetry head").match(line):
                end, found = _poetry(lines, number)
            elif array := shape("array").match(line):
                end, found = _array(lines, number, array["rest"])
        wanted += found
        taken.update(range(number, end))
        number = max(end, number + 1)
    return wanted, taken


def _array(lines: list[str], start: int, rest: str) -> tuple[int, list[Requirement]]:
    """Read `dependencies = [ "torch>=2.4", … ]`; an array of other strings tells nothing."""
    found: list[Requirement] = []
    end = start
    for end in range(start, min(start + _LONGEST, len(lines))):
        text = rest if end == start else lines[end]
        items = list(shape("item").finditer(text[:2000]))
        found += [_asked(one["name"], one["spec"] or "", "pyproject.toml") for one in items]
        if "]" in re.sub(r"\[[\w,\s.-]{0,80}\]", "", text):
            break
        if end > start and text.strip() and not items and not text.lstrip().startswith("#"):
            return start, []
    return (end + 1, found) if any(one.specifier for one in found) else (start, [])


def _poetry(lines: list[str], start: int) -> tuple[int, list[Requirement]]:
    end, found = start + 1, list[Requirement]()
    while end < len(lines) and (row := shape("poetry line").match(lines[end][:600])) is not None:
        found.append(_asked(row["name"], poetry_specifier(row["spec"]), "pyproject.toml"))
        end += 1
    return end, found


def _yaml(lines: list[str], start: int) -> tuple[int, list[Requirement]]:
    end, found = start + 1, list[Requirement]()
    while end < len(lines):
        line = lines[end][:600]
        row = shape("yaml").match(line)
        if row is not None:
            spec = row["spec"] or ""
            if spec.count("=") >= 2 and not re.match(SPECIFIER, spec):
                return start, []  # name=version=build: an export, which tells what is installed
            if spec.startswith("=") and not spec.startswith("=="):
                spec = f"=={spec.lstrip('=')}" + ("" if spec.endswith("*") else ".*")
            found += [_asked(row["name"], spec, "environment.yml")] if spec else []
        elif not (shape("pip key").match(line) or not line.strip() or line.lstrip()[0] == "#"):
            break
        end += 1
    return end, found


def _asked(name: str, spec: str, by: str) -> Requirement:
    return Requirement(name=normalised(name), specifier=compact(spec), by=by)
