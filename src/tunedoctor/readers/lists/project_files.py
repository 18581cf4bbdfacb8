"""What project files want: pyproject.toml, setup files and environment.yml, pasted whole or in part."""

import re
from typing import NamedTuple

from tunedoctor.facts import Requirement
from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Told
from tunedoctor.readers.lists.names import (
    NAME,
    SPECIFIER,
    VERSION,
    compact,
    normalised,
    poetry_specifier,
)

_ARRAY = pattern(
    r"^\s*[\"']?(?:dependencies|install_requires|requires|dev|test|train|[\w-]{1,40})[\"']?\s*[=:]\s*\[(?P<rest>.*)$"
)
_ITEM = pattern(
    rf"[\"'](?P<name>{NAME})(?:\[[\w,\s.-]{{0,80}}\])?\s{{0,4}}\(?(?P<spec>{SPECIFIER})?\)?\s{{0,4}}"
    r"(?:;[^\"']{0,120})?[\"']"
)
_POETRY_HEAD = pattern(r"^\s*\[tool\.poetry(?:\.group\.[\w-]{1,40})?\.(?:dev-)?dependencies\]\s*$")
_POETRY = pattern(
    rf"^\s*(?P<name>{NAME})\s*=\s*(?:\{{[^}}]{{0,200}}?version\s*=\s*)?\"(?P<spec>[\^~]?{VERSION}|[^\"]{{1,80}})\""
)
_YAML_HEAD = pattern(r"^\s*dependencies\s*:\s*$")
_YAML = pattern(
    rf"^\s*-\s+[\"']?(?:[\w.-]{{1,60}}::)?(?P<name>{NAME}|_\w{{1,60}})(?:\[[\w,-]{{0,60}}\])?"
    rf"\s?(?P<spec>{SPECIFIER}|={{1,2}}[\w.*+]{{1,40}}(?:=[\w.*]{{1,60}})?)?[\"']?\s*(?:#.*)?$"
)
_PIP = pattern(r"^\s*-\s+pip\s*:\s*$")


class ProjectFiles(NamedTuple):
    """What was found, and the lines that it stood in."""

    told: Told
    taken: frozenset[int]


def project_files(lines: list[str]) -> ProjectFiles:
    """Return what project files in these lines want; an exported environment.yml, with builds, is left to others."""
    wanted: list[Requirement] = []
    taken: set[int] = set()
    number = 0
    while number < len(lines):
        line = lines[number]
        step = 1
        if line.endswith(":") or ("[" in line and len(line) < 2000):
            if _YAML_HEAD.match(line):
                step = _yaml(lines, number, wanted, taken)
            elif _POETRY_HEAD.match(line):
                step = _poetry(lines, number, wanted, taken)
            elif (array := _ARRAY.match(line)) is not None:
                step = _array(lines, number, array["rest"], (wanted, taken))
        number += step
    return ProjectFiles(Told(wanted=tuple(wanted)), frozenset(taken))


def _array(
    lines: list[str], start: int, rest: str, into: tuple[list[Requirement], set[int]]
) -> int:
    """Read `dependencies = [ "torch>=2.4", … ]`; an array of other strings tells nothing."""
    wanted, taken = into
    found: list[Requirement] = []
    end = start
    for end in range(start, min(start + 400, len(lines))):
        text = rest if end == start else lines[end]
        found += [
            _asked(m["name"], m["spec"] or "", "pyproject.toml")
            for m in _ITEM.finditer(text[:2000])
        ]
        if "]" in re.sub(r"\[[\w,\s.-]{0,80}\]", "", text):
            break
        if (
            end > start
            and text.strip()
            and not _ITEM.search(text)
            and not text.lstrip().startswith("#")
        ):
            return 1
    if not any(one.specifier for one in found):
        return 1
    wanted += found
    taken.update(range(start, end + 1))
    return end - start + 1


def _poetry(lines: list[str], start: int, wanted: list[Requirement], taken: set[int]) -> int:
    end = start + 1
    while end < len(lines) and (found := _POETRY.match(lines[end][:600])) is not None:
        wanted.append(_asked(found["name"], poetry_specifier(found["spec"]), "pyproject.toml"))
        end += 1
    taken.update(range(start, end))
    return end - start


def _yaml(lines: list[str], start: int, wanted: list[Requirement], taken: set[int]) -> int:
    end, found = start + 1, list[Requirement]()
    while end < len(lines):
        line = lines[end][:600]
        row = _YAML.match(line)
        if row is not None:
            spec = row["spec"] or ""
            if spec.count("=") >= 2 and not re.match(SPECIFIER, spec):
                return 1  # name=version=build: an export, which tells what is installed
            if spec.startswith("=") and not spec.startswith("=="):
                spec = f"=={spec.lstrip('=')}" + ("" if spec.endswith("*") else ".*")
            if spec:
                found.append(_asked(row["name"], spec, "environment.yml"))
        elif not _PIP.match(line) and line.strip() and not line.lstrip().startswith("#"):
            break
        end += 1
    wanted += found
    taken.update(range(start, end))
    return end - start


def _asked(name: str, spec: str, by: str) -> Requirement:
    return Requirement(name=normalised(name), specifier=compact(spec), by=by)
