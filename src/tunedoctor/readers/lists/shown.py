"""Packages told one by one: `pip show` blocks, JSON lists, and trees of dependencies."""

import re
from collections.abc import Iterator

from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import compact, known, normalised


def shown(lines: list[str]) -> Iterator[Entry]:
    """Yield the packages of all such texts in these lines; those that are not found, as gone."""
    yield from (*_shows(lines), *_json(lines), *_trees(lines), *_uv_trees(lines))
    for number, line in enumerate(lines):
        if found := shape("not found").search(line):
            for name in found["names"].split(","):
                yield Entry(number, normalised(name), "", weak=True, removed=True)


def _shows(lines: list[str]) -> Iterator[Entry]:
    """Yield `pip show` blocks: Name, then Version, then the rest in any order."""
    name, start, values = "", 0, dict[str, str]()
    for number, line in enumerate([*lines, "Name: end"]):
        rule = not line.strip() or line.startswith("---")
        if ":" not in line and not rule:
            continue
        if (named := shape("name").match(line)) is not None or (name and rule):
            yield from _show(start, name, values)
            name, start, values = named["name"] if named else "", number, {}
        elif name and (field := shape("field").match(line)) is not None:
            values.setdefault(field["key"], field["value"].strip())


def _show(line: int, name: str, values: dict[str, str]) -> Iterator[Entry]:
    version = values.get("Version", "")
    # "Name:" and "Version:" alone stand in many texts
    told = {"Location", "Requires", "Required-by", "Summary", "Home-page"} & values.keys()
    plain = normalised(name)
    if not name or not version[:1].isdigit() or not (told or known(plain)):
        return
    editable = values.get("Editable project location", "")
    yield Entry(
        line,
        plain,
        version,
        installer=values.get("Installer", "pip"),
        location=editable or values.get("Location", ""),
        editable="Editable project location" in values,
        requires=tuple(normalised(r) for r in values.get("Requires", "").split(",") if r.strip()),
    )


def _json(lines: list[str]) -> list[Entry]:
    """Return the packages of JSON lists; one that names nothing of the stack is another tool's."""
    if not any('"version"' in line for line in lines):
        return []
    text = "\n".join(lines)
    found: list[Entry] = []
    line, counted = 0, 0
    for one in shape("json").finditer(text):
        line, counted = line + text.count("\n", counted, one.start()), one.start()
        build = re.search(r'"build_string"\s*:\s*"([\w.]{1,60})"', one[0])
        conda = f"{one['version']} {build[1]}" if build and build[1] != "pypi_0" else ""
        installer = "conda" if conda else "pip"
        name = normalised(one["name"])
        found.append(Entry(line, name, one["version"], installer=installer, conda=conda))
    return found if any(known(e.name) for e in found) else []


def _trees(lines: list[str]) -> Iterator[Entry]:
    """Yield pipdeptree's rows, each with what it requires of the rows below it."""
    owners: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines):
        if len(line) > 400 or ("==" not in line and "[required: " not in line):
            continue
        root = shape("root").match(line)
        row = root or shape("tree").match(line)
        if row is None:
            continue
        column, name = len(row["indent"]), normalised(row["name"])
        owners = [] if root else [o for o in owners if o[0] < column]
        version = row["version"].strip("?")
        if owners:
            _, owner, at = owners[-1]
            spec = compact(row["spec"]).removeprefix("Any")
            yield Entry(number, owner, at, installer="pip", requires=(f"{name}{spec}",))
        if version:
            owners.append((column, name, version))
            if not root:
                yield Entry(number, name, version, installer="pip")


def _uv_trees(lines: list[str]) -> list[Entry]:
    """Return the rows of `uv tree` and `uv pip tree`; the first of them shows a lock file, so they are weak."""
    rows = [
        (number, row)
        for number, line in enumerate(lines)
        if " v" in line and len(line) <= 300 and (row := shape("uv tree").match(line)) is not None
    ]
    found = [Entry(n, normalised(row["name"]), row["version"], weak=True) for n, row in rows]
    branches = any("─" in row["indent"] for _, row in rows)
    return found if branches and any(known(one.name) for one in found) else []
