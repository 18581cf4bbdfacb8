"""What uv, poetry and conda say they did, row by row. Plans and dry runs do not count."""

import re
from collections.abc import Iterator

from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import NAME, VERSION, normalised

_UV_DONE = pattern(
    r"\b(?P<would>Would )?(?:[Uu]n)?[Ii]nstall(?:ed)? \d{1,5} packages?"
    r"|\b(?:Prepared|Resolved|Audited|Downloaded) \d{1,5} packages?"
)
_UV_DIFF = pattern(
    rf"^\s*(?P<sign>[-+~]) (?P<name>{NAME})==(?P<version>{VERSION})(?: \([^)]{{0,300}}\))?$"
)
_POETRY = pattern(
    rf"^\s*[-•]\s+(?P<what>Installing|Updating|Downgrading|Removing) (?P<name>{NAME}) "
    rf"\((?:{VERSION}(?: \S{{1,60}})? -> )?(?P<version>{VERSION})(?: \S{{1,60}})?\)(?P<end>.{{0,80}})$"
)
_CONDA_ROW = pattern(
    rf"^\s+(?:[-+]\s*)?(?P<name>{NAME}|_\w{{1,60}}):?\s+(?P<spec>\S{{1,160}})(?P<rest>\s.{{0,200}})?$"
)
_CONDA_NEW = pattern(r"will be (?:INSTALLED|UPDATED|DOWNGRADED|SUPERSEDED)\b")
_CONDA_GONE = pattern(r"will be REMOVED\b")
_CONDA_DONE = pattern(r"^\W{0,4}(?:Executing transaction: .{0,20}done|Transaction finished)")
_CONDA_FILE = pattern(rf"(?:::|^)(?P<name>{NAME})-(?P<version>{VERSION})-(?P<build>[\w.]{{1,60}})$")


def operations(lines: list[str]) -> list[Entry]:
    """Return what was done, in order."""
    return [*_uv(lines), *_poetry(lines), *_conda(lines)]


def _uv(lines: list[str]) -> Iterator[Entry]:
    """Yield uv's " + torch==2.6.0" and " - torch==2.6.0+cu124"; lone rows without uv's own words count for nothing."""
    context, would, block = False, False, list[Entry]()
    if not any("==" in line for line in lines):
        return
    for number, line in enumerate([*lines, ""]):
        if len(line) > 400:
            continue
        row = _UV_DIFF.match(line)
        if row is not None:
            removed = row["sign"] == "-"
            block.append(
                Entry(
                    number, normalised(row["name"]), row["version"], installer="uv", removed=removed
                )
            )
            continue
        if block:
            if not would and (context or _is_diff(block)):
                yield from sorted(block, key=lambda e: not e.removed)
            block, context, would = [], False, False
        if "package" in line and (done := _UV_DONE.search(line)) is not None:
            context, would = True, would or done["would"] is not None
        elif line.strip():
            context = context and len(line) < 200


def _is_diff(block: list[Entry]) -> bool:
    """Tell rows of which one goes and another of that name comes."""
    gone = {e.name for e in block if e.removed}
    return any(e.name in gone for e in block if not e.removed)


def _poetry(lines: list[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines):
        if len(line) <= 400 and "(" in line and (row := _POETRY.match(line)) is not None:
            if re.search(r"(?i)failed|skipped|pending", row["end"]):
                continue
            removed = row["what"] == "Removing"
            yield Entry(
                number, normalised(row["name"]), row["version"], installer="poetry", removed=removed
            )


def _conda(lines: list[str]) -> list[Entry]:
    """Return the plans that a finished transaction carried out."""
    planned: list[Entry] = []
    done: list[Entry] = []
    mode = ""
    if not any("ransaction" in line and _CONDA_DONE.match(line) for line in lines):
        return []
    for number, line in enumerate(lines):
        if len(line) > 400:
            continue
        if _CONDA_NEW.search(line):
            mode = "new"
        elif _CONDA_GONE.search(line):
            mode = "gone"
        elif _CONDA_DONE.match(line):
            done += planned
            planned, mode = [], ""
        elif mode and (row := _CONDA_ROW.match(line)) is not None:
            planned += _conda_row(number, row, removed=mode == "gone")
        elif line.strip():
            mode = ""
    return done


def _conda_row(number: int, row: "re.Match[str]", *, removed: bool) -> Iterator[Entry]:
    last = (row["rest"] or "").rpartition("-->")[2].split()
    text = last[0] if last and "-->" in (row["rest"] or "") else row["spec"]
    name = normalised(row["name"])
    found = _CONDA_FILE.search(text)
    if found is not None:
        build = found["build"]
        told = f"{found['version']} {build}"
        yield Entry(number, name, found["version"], installer="conda", removed=removed, conda=told)
    elif re.match(rf"{VERSION}$", text.partition("-")[0]):
        version, _, build = text.partition("-")
        told = f"{version} {build}".strip()
        yield Entry(number, name, version, installer="conda", removed=removed, conda=told)
