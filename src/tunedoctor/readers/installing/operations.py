"""What uv, poetry and conda say they did, row by row. Plans and dry runs do not count."""

from collections.abc import Iterator

from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import normalised

_LONGEST = 400


def operations(lines: list[str]) -> list[Entry]:
    """Return what was done, in order."""
    short = [line if len(line) <= _LONGEST else "" for line in lines]
    return [*_uv(short), *_poetry(short), *_conda(short)]


def _uv(lines: list[str]) -> Iterator[Entry]:
    """Yield uv's " + torch==2.6.0" and " - torch==2.6.0+cu124"; lone rows without uv's own words count for nothing."""
    context, would, block = False, False, list[Entry]()
    if not any("==" in line for line in lines):
        return
    for number, line in enumerate([*lines, ""]):
        if (row := shape("uv diff").match(line)) is not None:
            name, gone = normalised(row["name"]), row["sign"] == "-"
            block.append(Entry(number, name, row["version"], installer="uv", removed=gone))
            continue
        if block:
            if not would and (context or _is_diff(block)):
                yield from sorted(block, key=lambda e: not e.removed)
            block, context, would = [], False, False
        if (done := shape("uv done").search(line)) is not None:
            context, would = True, would or done["would"] is not None
        elif line.strip():
            context = context and len(line) < 200


def _is_diff(block: list[Entry]) -> bool:
    """Tell rows of which one goes and another of that name comes."""
    gone = {e.name for e in block if e.removed}
    return any(e.name in gone for e in block if not e.removed)


def _poetry(lines: list[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines):
        if "(" in line and (row := shape("poetry").match(line)) is not None:
            name, gone = normalised(row["name"]), row["what"] == "Removing"
            yield Entry(number, name, row["version"], installer="poetry", removed=gone)


def _conda(lines: list[str]) -> list[Entry]:
    """Return the plans that a finished transaction carried out."""
    planned: list[Entry] = []
    done: list[Entry] = []
    plan = None
    if not any("ransaction" in line and shape("conda done").match(line) for line in lines):
        return []
    for number, line in enumerate(lines):
        if (head := shape("conda plan").search(line)) is not None:
            plan = head
        elif shape("conda done").match(line):
            done += planned
            planned, plan = [], None
        elif plan is not None and (row := shape("conda row").match(line)) is not None:
            told = f"{row['version']} {row['build'] or ''}".strip()
            name, gone = normalised(row["name"]), plan["gone"] is not None
            planned.append(
                Entry(number, name, row["version"], installer="conda", removed=gone, conda=told)
            )
        elif line.strip():
            plan = None
    return done
