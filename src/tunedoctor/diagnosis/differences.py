"""Find what differs between two machines, and which differences explain a finding. Pure functions.

A finding that only one side has is explained by experiment: facts of that side are replaced by those of the other, and
its check runs again. If the finding disappears, those facts explain it; no list says which fact belongs to which check.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import structs

from tunedoctor.diagnosis.engine import diagnose, kinds_of
from tunedoctor.diagnosis.report import Report, ReportFinding, Verdict
from tunedoctor.facts import KINDS, Absent, Fact, Unknown
from tunedoctor.model.findings import SEVERITIES, Check, Severity
from tunedoctor.model.snapshot import NOT_PROBED, FactOrLack, Snapshot
from tunedoctor.model.wording import gib, listed, name_counts
from tunedoctor.tables.load import table
from tunedoctor.tables.small import incidental

Value = str | int | float | bool | tuple[str, ...] | None
"""null: not there, or not told. Of two lists each side holds what it alone has."""
_FIRST_KINDS = (
    *("TorchBuild", "NvidiaDriver", "NvidiaGpus", "AmdGpus", "RocmStack", "IntelGpu", "AppleGpu"),
    *("CudaWheels", "Packages", "Runtime", "Smoke", "target", "machine", "Interpreter"),
)
"""Kinds of fact whose differences matter most, in this order."""
_LAST_KINDS = ("Launchers", "InstallerConfig", "ImportContracts", "Node", "Target", "Knowledge")
"""Kinds of fact that are bookkeeping: who installed what, names, dates."""
_BOOKKEEPING = re.compile(r"installer|editable|taken|date|\.pip$|^pip$|metadata|record|origin")
_PACKAGE = re.compile(r"\[([^\]]+)\]")
TRIES = 100
"""Most diagnoses for narrowing down the change behind a finding; a real one takes about 20."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two compared sides."""

    name: str
    """Its file name without the ending, or "here"."""
    kind: Literal["here", "snapshot", "report"]
    host: str = ""
    node: str = ""
    doctor: str = ""
    taken: str = ""
    verdict: Verdict


class ValueChange(msgspec.Struct, frozen=True, kw_only=True):
    """A value that differs between the two sides."""

    fact: str
    """A kind of fact; for reports "target" or "machine"."""
    field: str
    """Path of the value: "version", "distributions[torch]". "" if one side has no such fact, only the reason why."""
    a: Value
    b: Value


class FactDifference(ValueChange, frozen=True, kw_only=True):
    """A fact that differs, with the findings that it explains."""

    explains: tuple[str, ...] = ()
    """Ids of findings."""


class FindingDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that only one side has."""

    id: str
    severity: Severity
    title: str
    side: Literal["a", "b"] = msgspec.field(name="in")
    found: str
    other: str
    """The result of its check on the other side: "passed", "does not apply to this machine: …", "undecided: …"."""
    explained_by: tuple[ValueChange, ...] = ()
    """Changes without which the finding would disappear; empty if none alone suffices, and between reports."""
    together: bool = False
    """True: all of them are needed. False: those of one fact are enough."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor diff --format json` prints."""

    schema: Literal["doctor.diff/1"] = "doctor.diff/1"
    a: Side | None
    """null: the first folder has no file of that name."""
    b: Side | None
    findings: tuple[FindingDifference, ...] = ()
    """Worst first."""
    facts: tuple[FactDifference, ...] = ()
    """Facts that explain a finding come first."""
    same: int = 0
    """Number of kinds of facts that are equal."""
    left_out: int = 0
    """Number of differences that mean nothing alone: paths, what is free at the moment."""


class ComparedSide(NamedTuple):
    """The data of one side: its report, and its facts if it has any, judged by the same doctor."""

    name: str
    report: Report
    snapshot: Snapshot | None = None
    here: bool = False

    @property
    def side(self) -> Side:
        """Return it as it is printed."""
        return Side(
            name=self.name,
            kind="here" if self.here else "snapshot" if self.snapshot else "report",
            host=self.report.host,
            node=self.report.node,
            doctor=(self.snapshot or self.report).doctor,
            taken=self.report.taken,
            verdict=self.report.verdict,
        )


def compare(a: ComparedSide, b: ComparedSide, checks: Iterable[Check]) -> Difference:
    """Return the differences; `checks` are those of both reports."""
    by_id = {check.id: check for check in checks}
    if a.snapshot and b.snapshot:
        uses = Counter(kind for check in by_id.values() for kind in kinds_of(check))
        kinds = sorted(KINDS, key=lambda kind: -uses[kind])  # kinds that most checks use come first
        subjects = [(kind.__name__, a.snapshot.get(kind), b.snapshot.get(kind)) for kind in kinds]
    else:
        subjects = [(n, getattr(a.report, n), getattr(b.report, n)) for n in ("target", "machine")]
    changes = {name: [*changes_of(name, first, second)] for name, first, second in subjects}
    findings: list[FindingDifference] = []
    for has, lacks, side in ((a, b, "a"), (b, a, "b")):
        outcomes = _outcomes(lacks.report)
        for finding in _only(has.report, lacks.report):
            sets: list[list[Item]] = []
            if has.snapshot and lacks.snapshot and finding.id in by_id:
                sets = explained(has.snapshot, lacks.snapshot, by_id[finding.id])
            findings.append(
                FindingDifference(
                    id=finding.id,
                    severity=finding.severity,
                    title=finding.title,
                    side=side,  # type: ignore[arg-type]
                    found=finding.found,
                    other=outcomes.get(finding.id, ""),
                    explained_by=tuple(within(chain(*sets), changes)),
                    together=len({item.kind for item in chain(*sets[:1])}) > 1,
                )
            )
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    explains: dict[ValueChange, list[str]] = {}
    for finding_difference in findings:
        for change in finding_difference.explained_by:
            explains.setdefault(change, []).append(finding_difference.id)
    others = [change for change in chain(*changes.values()) if change not in explains]
    significant = [change for change in others if not incidental(change.fact, change.field)]
    return Difference(
        a=a.side,
        b=b.side,
        findings=tuple(findings),
        facts=tuple(
            FactDifference(**structs.asdict(change), explains=tuple(explains.get(change, ())))
            for change in (*explains, *sorted(significant, key=_importance))
        ),
        same=sum(not some for some in changes.values()),
        left_out=len(others) - len(significant),
    )


def _importance(change: ValueChange) -> tuple[bool, int, int]:
    """Return the sort key of a change: bookkeeping last, then by kind of fact, packages as the stack is built."""
    kinds = (*_FIRST_KINDS, *_LAST_KINDS)
    place = kinds.index(change.fact) if change.fact in kinds else len(_FIRST_KINDS)
    stack: list[str] = table("probes")["shown"]
    package_match = _PACKAGE.search(change.field)
    package = (
        stack.index(package_match[1]) if package_match and package_match[1] in stack else len(stack)
    )
    is_last = change.fact in _LAST_KINDS or bool(_BOOKKEEPING.search(change.field))
    return is_last, place, package


def within(
    items: Iterable["Item"], changes: Mapping[str, list[ValueChange]]
) -> dict[ValueChange, None]:
    """Return the changes inside some items; the meaningful ones only, if there are any."""
    result: dict[ValueChange, None] = {}
    for item in items:
        every = changes[item.kind.__name__]
        some = [change for change in every if item.covers(change.field)] or every
        significant = [change for change in some if not incidental(change.fact, change.field)]
        result |= dict.fromkeys(significant or some)
    return result


def _only(own: Report, other: Report) -> Iterator[ReportFinding]:
    """Yield the findings that count and that `there` lacks, without symptoms of a finding that is already listed."""
    has = {finding.id for finding in (*other.findings, *other.symptoms)}
    explained_ids = {
        id_ for finding in own.findings if finding.id not in has for id_ in finding.explains
    }
    for finding in (
        *own.findings,
        *(symptom for symptom in own.symptoms if symptom.id not in explained_ids),
    ):
        if finding.id not in has and not finding.accepted:
            yield finding


def _outcomes(report: Report) -> dict[str, str]:
    outcomes = dict.fromkeys(report.passed, "passed")
    outcomes |= {id_: f"undecided: {why}" for id_, why in report.unknown.items()}
    return outcomes | {
        id_: f"does not apply to this machine: {why}" for id_, why in report.skipped.items()
    }


class Item(NamedTuple):
    """A part of an answer that can be exchanged: all of it, a field, a part of a field, or one value of such a part."""

    kind: type[Fact]
    field: str = ""
    key: str | None = None
    name: str = ""

    @property
    def path(self) -> str:
        """Its path in the fact."""
        path = self.field if self.key is None else f"{self.field}[{_key(self.key)}]"
        return f"{path}.{self.name}" if self.name else path

    def covers(self, path: str) -> bool:
        """Return whether a change is inside it."""
        return not self.field or f"{path}.".startswith((f"{self.path}.", f"{self.path}["))


Goes = Callable[[Iterable[Item]], bool]
"""Returns whether the finding disappears after exchanging these items."""


def explained(failing: Snapshot, well: Snapshot, check: Check) -> list[list[Item]]:
    """Return sets of items, each as small as possible, that make a check's finding disappear when taken from `well`.

    Each set uses one kind of fact; if none suffices, one set with as few kinds as possible; [] if not even all do.
    """
    blind = check.id in diagnose(well, [check]).unknown

    def goes(items: Iterable[Item]) -> bool:
        diagnosis = diagnose(exchanged(failing, well, items), [check])
        # a check that only read the errors of a report says nothing about the machine, but its finding is gone
        decided = check.id not in diagnosis.unknown or check.id in diagnosis.quiet
        return not diagnosis.causes and (blind or decided)

    kinds = dict.fromkeys(kinds_of(check))
    differ = [Item(kind) for kind in kinds if failing.get(kind) != well.get(kind)]
    if goes(()) or not goes(differ):
        return []
    sets = [[item] for item in differ if goes([item])] or [_fewest(differ, goes)]
    return [_narrowed(some, failing, well, goes) for some in sets]


def exchanged(failing: Snapshot, well: Snapshot, items: Iterable[Item]) -> Snapshot:
    """Return `failing` with these items replaced by those of `well`."""
    answers = failing.answers()
    by_field: dict[tuple[type[Fact], str], list[tuple[str | None, str]]] = {}
    for item in items:
        by_field.setdefault((item.kind, item.field), []).append((item.key, item.name))
    for (kind, field), keys in by_field.items():
        own, other = answers.get(kind), well.get(kind)
        new = _mixed(getattr(own, field), getattr(other, field), keys) if field else other
        answers[kind] = structs.replace(own, **{field: new}) if own and field else other
    return Snapshot(answers, taken=failing.taken, doctor=failing.doctor)


def _mixed(own: Any, other: Any, keys: Iterable[tuple[str | None, str]]) -> Any:  # noqa: ANN401  of any field
    """Return a field with these parts, or values of parts, taken from another; the whole other field for None."""
    if (None, "") in keys:
        return other
    mine, theirs, whole_keys = (
        dict(_parts(own)),
        _parts(other),
        {key for key, name in keys if not name},
    )
    for key, name in keys:
        if key and name:
            mine[key] = structs.replace(mine[key], **{name: getattr(theirs[key], name)})
    mixed = {key: theirs.get(key) if key in whole_keys else part for key, part in mine.items()}
    mixed |= {key: part for key, part in theirs.items() if key in whole_keys}
    present = {key: part for key, part in mixed.items() if part is not None}
    return present if isinstance(own, Mapping) else tuple(present.values())


def _narrowed(some: list[Item], failing: Snapshot, well: Snapshot, goes: Goes) -> list[Item]:
    """Return the fields, and parts of fields, of some facts that are enough."""
    items: list[Item] = []
    for kind, *_ in some:
        own, other = failing.get(kind), well.get(kind)
        if not (isinstance(own, kind) and isinstance(other, kind)):
            items.append(Item(kind))
            continue
        for field in kind.__struct_fields__:
            first, second = getattr(own, field), getattr(other, field)
            if first != second:
                mine, theirs = _parts(first), _parts(second)
                keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
                # parts that only one side has are tried without first
                keys.sort(key=lambda key: key not in mine or key not in theirs)
                items += [Item(kind, field, key) for key in keys] or [Item(kind, field)]
    # and before those, parts that mean nothing alone
    items.sort(key=lambda item: incidental(item.kind.__name__, item.path))
    if not goes(items):
        return some
    items = _fewest(items, goes)
    finer = [*chain(*(_values(item, failing, well) for item in items))]
    finer.sort(key=lambda item: incidental(item.kind.__name__, item.path))
    return _fewest(finer, goes) if goes(finer) else items


def _values(item: Item, failing: Snapshot, well: Snapshot) -> list[Item]:
    """Return the differing values of a part that both sides have under the same name, else the item."""
    kind, field, key, _ = item
    sides = (
        _parts(getattr(snapshot.get(kind), field, None)).get(key or "")
        for snapshot in (failing, well)
    )
    first, second = (structs.asdict(s) if isinstance(s, msgspec.Struct) else {} for s in sides)
    differ = [name for name in first if second and first[name] != second[name]]
    alike = differ and {*[*first][:2]}.isdisjoint(differ)  # the first values are its name
    return [Item(kind, field, key, name) for name in differ] if alike else [item]


def _fewest(items: list[Item], goes: Goes) -> list[Item]:
    """Drop ever smaller runs of items, the last ones first, as long as the finding still disappears."""
    tries, size = 0, len(items) // 2
    while size and tries < TRIES:
        end = len(items)
        while end > 0 and tries < TRIES:
            start, tries = max(end - size, 0), tries + 1
            rest = items[:start] + items[end:]
            items = rest if rest and goes(rest) else items
            end = start
        size //= 2
    return items


def changes_of(
    name: str, a: FactOrLack | msgspec.Struct, b: FactOrLack | msgspec.Struct
) -> Iterator[ValueChange]:
    """Yield the differences between two answers of one kind; equal answers are skipped."""
    without = [answer for answer in (a, b) if isinstance(answer, Absent | Unknown)]
    alike = len(without) == 2 and (type(a) is type(b) or NOT_PROBED in without)
    if a == b or alike:
        return
    if without:
        yield ValueChange(fact=name, field="", a=words_of(a), b=words_of(b))
        return
    first, second = flat(a), flat(b)
    paths = [path for path in {**first, **second} if first.get(path) != second.get(path)]
    lone = {path for path in paths if path not in first or path not in second}
    for path in paths:
        if path.rpartition(".")[0] in lone:
            continue  # the part that contains it exists on one side only
        mine, theirs = first.get(path), second.get(path)
        if isinstance(mine, tuple) and isinstance(theirs, tuple) and {*mine} != {*theirs}:
            both = {*mine} & {*theirs}
            mine, theirs = (tuple(w for w in some if w not in both) for some in (mine, theirs))
        yield ValueChange(fact=name, field=path, a=mine, b=theirs)


def flat(of: msgspec.Struct) -> dict[str, Value]:
    """Return the values of a fact by their paths, without empty ones.

    An item of a list is named by its first field: "distributions[torch]" stands for its second field.
    """
    result: dict[str, Value] = {}
    for name in of.__struct_fields__:
        _flatten(result, name, getattr(of, name))
    return result


def _flatten(values: dict[str, Value], path: str, value: Any) -> None:  # noqa: ANN401  of any field
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _flatten(values, f"{path}.{name}", getattr(value, name))
    elif parts := _parts(value):
        for key, part in parts.items():
            part_path = f"{path}[{_key(key)}]"
            if not isinstance(part, msgspec.Struct):
                values[part_path] = _plain(part)
                continue
            names = part.__struct_fields__
            names = names[1:] if str(getattr(part, names[0])) == key else names
            values[part_path] = _plain(getattr(part, names[0]))
            for name in names[1:]:
                _flatten(values, f"{part_path}.{name}", getattr(part, name))
    elif value not in ("", None, (), {}):
        values[path] = _plain(value)


def _parts(value: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return the items of a list or mapping by name; {} for anything else."""
    if isinstance(value, Mapping):
        return value
    if not (isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct)):
        return {}
    first = value[0].__struct_fields__[0]
    keys = [str(getattr(part, first)) for part in value]
    if len({*keys}) < len(keys) or max(map(len, keys)) > 60:  # the names are unique and short
        keys = [str(number) for number in range(len(keys))]
    return dict(zip(keys, value, strict=True))


def _key(key: str) -> str:
    return key.replace("[", "(").replace("]", ")")


def _plain(value: Any) -> Value:  # noqa: ANN401
    if isinstance(value, tuple):
        return tuple(
            " ".join(element) if isinstance(element, tuple) else str(element) for element in value
        )
    return value  # type: ignore[no-any-return]


def format_value(value: Value, most: int, *, sizes: bool = False) -> str:
    """Return a value in words, `most` characters at most; `sizes`: large numbers as bytes."""
    if value in (None, (), ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if sizes and isinstance(value, int) and value >= 1 << 24:  # only byte counts are that large
        return gib(value)
    text = " ".join((listed(value) if isinstance(value, tuple) else str(value)).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def words_of(answer: FactOrLack | msgspec.Struct) -> str:
    """Return an answer in a few words: the first values of a fact, or why there is none."""
    if isinstance(answer, Absent | Unknown):
        return f"{type(answer).__name__.lower()}: {answer.why}"
    first = answer.__struct_fields__[0]
    value = getattr(answer, first)
    values = flat(answer)
    names = [(key, values.get(f"{first}[{_key(key)}]", "")) for key in _parts(value)]
    if names:
        numbered = all(key.isdigit() for key, _ in names)
        return listed(
            name_counts(f"{main}" if numbered else f"{key} {main}" for key, main in names), 3
        )
    if isinstance(value, tuple):
        return listed(map(str, value), 3) or f"no {first}"
    return value if isinstance(value, str) else f"{first} {value}"
