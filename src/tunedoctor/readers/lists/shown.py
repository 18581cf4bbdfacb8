"""Packages told one by one: `pip show` blocks, JSON lists, and trees of dependencies."""

import re
from collections.abc import Iterator

from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Entry, Told
from tunedoctor.readers.lists.names import NAME, SPECIFIER, VERSION, compact, known, normalised

_NAME = pattern(rf"^\W{{0,4}}N?ame:\s*(?P<name>{NAME})\s*$")
_FIELD = pattern(
    r"^\W{0,4}(?P<key>Version|Location|Requires|Required-by|Editable project location|Installer|Summary"
    r"|Home-page|Author|Author-email|License|License-Expression|Metadata-Version):\s*(?P<value>.{0,2000})$"
)
_NOT_FOUND = pattern(rf"Package\(s\) not found: (?P<names>{NAME}(?:, {NAME}){{0,40}})")
_JSON = pattern(
    rf'\{{[^{{}}]{{0,400}}?"name"\s{{0,9}}:\s{{0,9}}"(?P<name>{NAME})"(?P<more>[^{{}}]{{0,400}}?)'
    rf'"version"\s{{0,9}}:\s{{0,9}}"(?P<version>{VERSION})"[^{{}}]{{0,600}}\}}'
)
_TREE = pattern(
    rf"^(?P<indent>[\s│|├└─+`\\*-]{{0,120}})(?P<name>{NAME})(?:\[[\w,-]{{0,60}}\])? "
    rf"\[required: (?P<spec>Any|{SPECIFIER}), installed: (?P<version>{VERSION}|\?)\]"
)
_ROOT = pattern(rf"^(?P<indent>[\s*]{{0,8}})(?P<name>{NAME})==(?P<version>{VERSION})\s*$")
_UV_TREE = pattern(
    rf"^(?P<indent>[\s│|├└─+`]{{0,120}})(?P<name>{NAME})(?:\[[\w,-]{{0,60}}\])? v(?P<version>{VERSION})"
    r"(?:\s+\((?:\*|extra: [\w-]{1,60}|group: [\w-]{1,60})\))*\s*$"
)


def shown(lines: list[str]) -> Told:
    """Return the packages of all such texts in these lines."""
    found = [*_shows(lines), *_json(lines), *_trees(lines), *_uv_trees(lines)]
    asked = [m for line in lines if "not found:" in line and (m := _NOT_FOUND.search(line))]
    absent = frozenset(normalised(name) for m in asked for name in m["names"].split(","))
    return Told(entries=tuple(found), absent=absent)


def _shows(lines: list[str]) -> Iterator[Entry]:
    """Yield `pip show` blocks: Name, then Version, then the rest in any order."""
    name, start, values = "", 0, dict[str, str]()
    for number, line in enumerate([*lines, ""]):
        if line and ":" not in line and not line.startswith("---"):
            continue
        if (named := _NAME.match(line)) is not None:
            yield from _show(start, name, values)
            name, start, values = named["name"], number, {}
        elif name and (field := _FIELD.match(line)) is not None:
            values.setdefault(field["key"], field["value"].strip())
        elif name and (not line.strip() or line.startswith("---")):
            yield from _show(start, name, values)
            name, values = "", {}
    yield from _show(start, name, values)


def _show(line: int, name: str, values: dict[str, str]) -> Iterator[Entry]:
    version = values.get("Version", "")
    # "Name:" and "Version:" alone stand in many texts
    told = {"Location", "Requires", "Required-by", "Summary", "Home-page"} & values.keys()
    plain = normalised(name)
    if not name or not version[:1].isdigit() or not (told or known(plain)):
        return
    yield Entry(
        line,
        plain,
        version,
        installer=values.get("Installer", "pip"),
        location=values.get("Editable project location") or values.get("Location", ""),
        editable="Editable project location" in values,
        requires=tuple(normalised(r) for r in values.get("Requires", "").split(",") if r.strip()),
    )


def _json(lines: list[str]) -> list[Entry]:
    """Return the packages of JSON lists; one that names nothing of the stack is another tool's."""
    if not any('"version"' in line for line in lines):
        return []
    text = "\n".join(lines)
    found: list[Entry] = []
    for one in _JSON.finditer(text):
        name = normalised(one["name"])
        build = re.search(r'"build_string"\s*:\s*"([\w.]{1,60})"', one[0])
        conda = f"{one['version']} {build[1]}" if build and build[1] != "pypi_0" else ""
        installer = "conda" if conda else "pip"
        line = text.count("\n", 0, one.start()) if len(found) < 1000 else len(lines)
        found.append(Entry(line, name, one["version"], installer=installer, conda=conda))
    return found if any(known(e.name) for e in found) else []


def _trees(lines: list[str]) -> Iterator[Entry]:
    """Yield pipdeptree's rows, each with what it requires of the rows below it."""
    owners: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines):
        if len(line) > 400 or ("==" not in line and "[required: " not in line):
            continue
        if (root := _ROOT.match(line)) is not None:
            owners = [(len(root["indent"]), normalised(root["name"]), root["version"])]
            continue
        row = _TREE.match(line)
        if row is None:
            continue
        column, name = len(row["indent"]), normalised(row["name"])
        owners = [o for o in owners if o[0] < column]
        version = "" if row["version"] == "?" else row["version"]
        if owners:
            _, owner, at = owners[-1]
            spec = "" if row["spec"] == "Any" else compact(row["spec"])
            yield Entry(number, owner, at, installer="pip", requires=(f"{name}{spec}",))
        if version:
            yield Entry(number, name, version, installer="pip")
            owners.append((column, name, version))


def _uv_trees(lines: list[str]) -> list[Entry]:
    """Return the rows of `uv tree` and `uv pip tree`; the first of them shows a lock file, so they are weak."""
    found: list[Entry] = []
    branches = False
    for number, line in enumerate(lines):
        if " v" in line and len(line) <= 300 and (row := _UV_TREE.match(line)) is not None:
            branches = branches or "─" in row["indent"]
            found.append(Entry(number, normalised(row["name"]), row["version"], weak=True))
    return found if branches and any(known(e.name) for e in found) else []
