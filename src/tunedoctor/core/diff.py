"""Compare two machines, or one at two times."""

import os
import time
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

import msgspec

from tunedoctor.core.arguments import Place, public
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import choose_target, take_snapshot
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import read_input
from tunedoctor.diagnosis.differences import ComparedSide, Difference, compare
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import redact, redact_text, this_identity
from tunedoctor.diagnosis.report import Report
from tunedoctor.model.snapshot import Snapshot, SnapshotError, from_data, from_json, to_data
from tunedoctor.probes.system import knowledge
from tunedoctor.system.reading import listed

HERE = "-"
_WRITES = "doctor snapshot -o FILE writes a snapshot, doctor check --format json a report"


class _FileHead(msgspec.Struct):
    schema: str = ""


@public
def diff(
    a: str | PathLike[str], b: str | PathLike[str], target: Place = None
) -> tuple[Difference, ...]:
    """Return what differs between two machines, one result for each pair of files, and which findings depend on it.

    `a` and `b`: a snapshot, a report of `doctor check --format json`, a folder of them, or "-" for this machine with
    `target`. Both sides are redacted before they are compared.
    """
    names = (fspath(a), fspath(b))
    if HERE not in names and target is not None:
        misuse("--target and --self are for this machine", "write - instead of a file")
    return compare_sources(*names, Criteria(), lambda: take_snapshot(choose_target(target)))


def compare_sources(
    a: str, b: str, criteria: Criteria, look: Callable[[], Snapshot]
) -> tuple[Difference, ...]:
    """Return the differences of two sources; `look` examines this machine. Raises DoctorError.

    Both sides are redacted before they are compared, so that what is equal stays equal, and nothing else is shown.
    """
    checks, who = criteria.checks(), this_identity()
    if a == b or not (a and b):
        what = f"{a} would be compared with itself" if a else "a name is empty"
        misuse(what, "name two different ones; - is this machine")

    def read_side(source: str, other: str) -> ComparedSide:
        began = time.perf_counter()
        read = look() if source == HERE else _read(source)
        stem = Path(source).stem
        name = source if not other or stem in (Path(other).stem, "here") else stem
        name = "here" if source == HERE else redact_text(name, who)
        if isinstance(read, Report):
            return ComparedSide(name, redacted(read, who))
        hidden = from_data(redact(to_data(read), this_identity(shared=True))).having(knowledge())
        return ComparedSide(
            name, judge(hidden, criteria, checks, began=began), hidden, source == HERE
        )

    differences: list[Difference] = []
    for mine, theirs in _pairs(a, b):
        first, second = (
            read_side(x, y) if x else None for x, y in ((mine, theirs), (theirs, mine))
        )
        alone = Difference(a=first and first.side, b=second and second.side)
        differences.append(compare(first, second, checks) if first and second else alone)
    return tuple(differences)


def _pairs(a: str, b: str) -> list[tuple[str, str]]:
    """Return the pairs of files to compare: in folders, files with the same name, and those in only one."""
    folders = [source for source in (a, b) if source != HERE and os.path.isdir(source)]  # noqa: PTH112  never raises
    if not folders:
        return [(a, b)]
    if len(folders) == 1:
        misuse(f"{folders[0]} is a folder, but the other is not", "name two files or two folders")
    first, second = ({n for n in listed(folder) if n.endswith(".json")} for folder in (a, b))
    if not (first and second):
        misuse(f"{b if first else a} holds no .json file", _WRITES)
    if not first & second:
        misuse(
            f"no file of {a} has the same name as a file in {b}",
            "give both files of a machine the same name",
        )
    sides = ((a, first), (b, second))
    in_a, in_b = ({n: str(Path(place, n)) for n in names} for place, names in sides)
    return [(in_a.get(n, ""), in_b.get(n, "")) for n in sorted(first | second)]


def _read(source: str) -> Snapshot | Report:
    """Return the snapshot or report in a file. Raises DoctorError if it is neither."""
    data = read_input(source, way_out=_WRITES)
    try:
        head = msgspec.json.decode(data, type=_FileHead).schema
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        head = ""
    wrong = (SnapshotError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    with refusing(wrong, _WRITES, f"{source} can't be compared: "):
        if head.startswith("doctor.report/"):
            return msgspec.json.decode(data, type=Report)
        return from_json(data)
