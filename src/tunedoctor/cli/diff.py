"""doctor diff: two machines, or one at two times, held against each other."""

import os
import shlex
import time
from pathlib import Path

import msgspec

from tunedoctor.cli.command_options import DiffOptions
from tunedoctor.cli.options import aim, criteria_of, look
from tunedoctor.cli.output import screen, write
from tunedoctor.core.check import judge
from tunedoctor.core.environment import target_option
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import read_input
from tunedoctor.diagnosis.differences import Difference, Seen, compare
from tunedoctor.diagnosis.redaction import public, redact, redact_text, this_identity
from tunedoctor.diagnosis.report import Report
from tunedoctor.model.snapshot import Snapshot, SnapshotError, from_data, from_json, to_data
from tunedoctor.probes.system import knowledge
from tunedoctor.render.diff import markdown, render
from tunedoctor.render.screen import as_json, as_line
from tunedoctor.system.reading import listed

HERE = "-"
_WRITES = "doctor snapshot -o FILE writes a snapshot, doctor check --format json a report"


class _Head(msgspec.Struct):
    schema: str = ""


def run_diff(given: DiffOptions) -> int:
    """Print what differs between two machines; returns the exit code: 1 where a finding does.

    Both sides are redacted before they are compared, so that what is equal stays equal, and nothing else is shown.
    """
    a, b = given.a, given.b
    criteria, who = criteria_of(given), this_identity()
    checks = criteria.checks()
    if a == b or not (a and b):
        what = f"{a} would be held against itself" if a else "a name is empty"
        misuse(what, "name two; - is this machine")
    if HERE not in (a, b) and (given.target is not None or given.own):
        misuse("--target and --self are for this machine", "put - in the place of a file")
    place = aim(given.target, own=given.own) if HERE in (a, b) else None

    def seen(source: str, other: str) -> Seen:
        began = time.perf_counter()
        read = look(place) if place and source == HERE else _read(source)
        stem = Path(source).stem
        name = source if not other or stem in (Path(other).stem, "here") else stem
        name = "here" if source == HERE else redact_text(name, who)
        if isinstance(read, Report):
            return Seen(name, public(read, who))
        hidden = from_data(redact(to_data(read), this_identity(shared=True))).having(knowledge())
        return Seen(name, judge(hidden, criteria, checks, began=began), hidden, source == HERE)

    found: list[Difference] = []
    for mine, theirs in _pairs(a, b):
        one, other = (seen(x, y) if x else None for x, y in ((mine, theirs), (theirs, mine)))
        alone = Difference(a=one and one.side, b=other and other.side)
        found.append(compare(one, other, checks) if one and other else alone)
    if given.format == "json":
        write("".join(map(as_line, found)) if len(found) > 1 else as_json(found[0]))
    elif given.format == "markdown":
        write(markdown(found))
    else:
        there = target_option(place, given.target) if place else ""
        asked = shlex.join((a, b)) + there
        write(render(found, screen(), asked, there, verbose=given.verbose))
    return 1 if any(one.findings for one in found) else 0


def _pairs(a: str, b: str) -> list[tuple[str, str]]:
    """Return which files are held against each other; of folders those of one name, and what is in one alone."""
    folders = [one for one in (a, b) if one != HERE and os.path.isdir(one)]  # noqa: PTH112  never raises
    if not folders:
        return [(a, b)]
    if len(folders) == 1:
        misuse(f"{folders[0]} is a folder, and the other is none", "name two files or two folders")
    first, second = ({n for n in listed(one) if n.endswith(".json")} for one in (a, b))
    if not (first and second):
        misuse(f"{b if first else a} holds no .json file", _WRITES)
    if not first & second:
        misuse(f"no file of {a} has the name of one of {b}", "name both files of a machine alike")
    sides = ((a, first), (b, second))
    in_a, in_b = ({n: str(Path(place, n)) for n in held} for place, held in sides)
    return [(in_a.get(n, ""), in_b.get(n, "")) for n in sorted(first | second)]


def _read(source: str) -> Snapshot | Report:
    """Return what a file holds; exits with 2 where that is neither."""
    data = read_input(source, way_out=_WRITES)
    try:
        head = msgspec.json.decode(data, type=_Head).schema
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        head = ""
    wrong = (SnapshotError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    with refusing(wrong, _WRITES, f"{source} can't be compared: "):
        if head.startswith("doctor.report/"):
            return msgspec.json.decode(data, type=Report)
        return from_json(data)
