"""Packages told one by one: `pip show` blocks, and versions that somebody names in a sentence."""

from collections.abc import Iterator

from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import known, normalised

_LONGEST = 600
_SURE = {"Location", "Requires", "Required-by", "Summary", "Home-page"}
""" "Name:" and "Version:" alone stand in many texts."""


def shown(lines: list[str]) -> Iterator[Entry]:
    """Yield `pip show` blocks: Name, then Version, then the rest in any order."""
    name, start, values = "", 0, dict[str, str]()
    for number, line in enumerate([*lines, "Name: end"]):
        rule = not line.strip() or line.startswith("---")
        if ":" not in line and not rule:
            continue
        if (named := shape("name").match(line)) is not None or (name and rule):
            version = values.get("Version", "")
            if version[:1].isdigit() and (known(name) or not _SURE.isdisjoint(values)):
                editable = values.get("Editable project location", "")
                requires = (one for one in values.get("Requires", "").split(",") if one.strip())
                yield Entry(
                    start,
                    name,
                    version,
                    installer=values.get("Installer", "pip"),
                    location=editable or values.get("Location", ""),
                    editable=bool(editable),
                    requires=tuple(map(normalised, requires)),
                )
            name, start, values = normalised(named["name"]) if named else "", number, {}
        elif name and (field := shape("field").match(line)) is not None:
            values.setdefault(field["key"], field["value"].strip())


def in_passing(lines: list[str]) -> Iterator[Entry]:
    """Yield the packages that sentences state to be there, two or more of the stack with exact versions.

    They count only where no list tells. A sentence about what to install, what is required or what helped tells of
    other versions than those that fail.
    """
    for number, line in enumerate(lines):
        form = "pin" if "==" in line else "brackets" if "(" in line else ""
        if not form or len(line) > _LONGEST:
            continue
        pins = [(normalised(p["name"]), p["version"]) for p in shape(form).finditer(line)]
        stack = [(name, version) for name, version in pins if known(name)]
        if len(dict(stack)) < 2 or len(dict(stack)) < len(stack):
            continue
        if shape("own").search(line) and not shape("advised").search(line):
            yield from (Entry(number, name, version, weak=True) for name, version in stack)
