"""Run checks on a snapshot and separate causes from symptoms."""

from collections.abc import Iterable

import msgspec

from tunedoctor.facts import (
    Absent,
    AmdGpus,
    AppleGpu,
    Errors,
    Fact,
    Host,
    IntelGpu,
    Knowledge,
    NvidiaAnswer,
    NvidiaGpus,
    Runtime,
    Target,
    Unknown,
)
from tunedoctor.facts.target import NO_ENVIRONMENT
from tunedoctor.messages.check_facts import CheckFacts
from tunedoctor.model.findings import SEVERITIES, Check, Finding, Severity
from tunedoctor.model.snapshot import NOT_TOLD, Facts, NotRun, Snapshot, call, parameters_of
from tunedoctor.ranking.weigh import outweighed

_NOBODY = Absent(why=NO_ENVIRONMENT)
_NO_TEXT = Absent(why="left out")
_SYSTEM_NAMES = {"windows": "Windows", "wsl": "WSL", "macos": "macOS", "linux": "Linux"}
_GPU_KINDS = frozenset((NvidiaGpus, NvidiaAnswer, AmdGpus, IntelGpu, AppleGpu))


class DiagnosedFinding(msgspec.Struct, frozen=True):
    """A finding together with its check."""

    check: Check
    finding: Finding

    @property
    def severity(self) -> Severity:
        """Its own severity, else that of the check; if only suspected, at most a warning."""
        severity = self.finding.severity or self.check.severity
        return "warning" if severity == "error" and self.finding.settle else severity

    @property
    def claims(self) -> bool:
        """True if a resemblance to another cause can outweigh this finding, which must be a fault and not advice."""
        severity = self.finding.severity or self.check.severity
        fault = severity == "error" or (severity == "warning" and not self.check.advice)
        return fault and not self.finding.certain

    @property
    def title(self) -> str:
        """Its own title, else that of the check."""
        return self.finding.title or self.check.title


class Diagnosis(msgspec.Struct, frozen=True):
    """The results of all checks on a snapshot."""

    causes: tuple[DiagnosedFinding, ...]
    """Findings that no other finding explains, worst first."""
    symptoms: dict[str, tuple[DiagnosedFinding, ...]]
    """id of a cause -> findings that follow from it."""
    passed: tuple[str, ...]
    skipped: dict[str, str]
    """id -> why it does not apply to this machine."""
    unknown: dict[str, str]
    """id -> why it could not be decided."""
    blind: tuple[str, ...] = ()
    """Ids of unknown checks whose finding would be an error."""
    quiet: tuple[str, ...] = ()
    """Ids of checks that found nothing with the known facts, whether or not that means that all is well."""
    outweighed: tuple[DiagnosedFinding, ...] = ()
    """For a report: findings whose errors resemble another cause more, so that they are only suspected."""


def diagnose(snapshot: Snapshot, checks: Iterable[Check]) -> Diagnosis:
    """Run every check; a check that raises counts as undecided."""
    by_id = {check.id: check for check in checks}
    findings: dict[str, DiagnosedFinding] = {}
    passed: list[str] = []
    quiet: list[str] = []
    skipped: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for id_, check in by_id.items():
        try:
            facts = CheckFacts(snapshot, id_, check.uses)
            outcome = call(check.run, snapshot, facts=facts)
        except Exception as error:  # noqa: BLE001  a crash is the result of this check alone
            unknown[id_] = f"the check itself failed: {type(error).__name__}: {error}"[:300]
            continue
        quiet += [id_] if outcome is None else []
        match outcome:
            case NotRun() | None if check.by_words:
                continue  # no error mentions it, which proves nothing
            case NotRun() | None if why := _not_applicable(check, outcome, snapshot):
                skipped[id_] = why
            case NotRun(why=other):
                unknown[id_] = other.why
            case Unknown(why=why):
                unknown[id_] = why
            case None if why := _nothing_known(check, snapshot, facts):
                unknown[id_] = why
            case None if why := _nothing_examined(check, snapshot, facts):
                skipped[id_] = why
            case None:
                passed.append(id_)
            case finding:
                findings[id_] = DiagnosedFinding(check, finding.told_by(check))
    less_likely = _take_outweighed(findings, snapshot)
    below = {id_: _follow(id_, by_id, findings) for id_ in findings}
    pairs = ((cause, symptom) for cause, several in below.items() for symptom in several)
    # two findings that explain each other are both causes
    explained = {symptom for cause, symptom in pairs if cause not in below[symptom]}
    causes = sorted(
        findings.keys() - explained,
        key=lambda id_: _rank(findings[id_], len(below[id_]), said=_by_a_run(findings[id_])),
    )
    return Diagnosis(
        causes=tuple(findings[id_] for id_ in causes),
        symptoms={
            id_: tuple(
                sorted(
                    (findings[s] for s in below[id_] if s in explained), key=lambda f: _rank(f, 0)
                )
            )
            for id_ in causes
        },
        passed=tuple(passed),
        skipped=skipped,
        unknown=unknown,
        blind=tuple(id_ for id_ in unknown if by_id[id_].severity == "error"),
        outweighed=less_likely,
        quiet=tuple(quiet),
    )


def _take_outweighed(
    findings: dict[str, DiagnosedFinding], snapshot: Snapshot
) -> tuple[DiagnosedFinding, ...]:
    """Remove and return the findings whose errors resemble another cause more."""
    weighed = [
        diagnosed
        for id_, diagnosed in findings.items()
        if diagnosed.claims and outweighed(id_, snapshot)
    ]
    return tuple(
        findings.pop(diagnosed.check.id)
        for diagnosed in weighed
        if not _shown_by_machine(diagnosed.check, snapshot)
    )


def _shown_by_machine(check: Check, snapshot: Snapshot) -> bool:
    """Return whether an examined machine shows it without any error text; then no resemblance outweighs it."""
    return snapshot.find(Target) is not None and bool(
        diagnose(snapshot.having(Errors=_NO_TEXT), [check]).causes
    )


def _by_a_run(diagnosed: DiagnosedFinding) -> bool:
    """Return whether an error of a run shows it, or a run of the environment's own code proved it."""
    return bool(diagnosed.finding.said) or any(
        want.kind is Runtime and not (want.absent or want.unknown)
        for want in parameters_of(diagnosed.check.run).values()
    )


def _rank(
    diagnosed: DiagnosedFinding, explains: int, *, said: bool = False
) -> tuple[int, bool, bool, bool, int, str]:
    """Sort key: worst first; then errors of a run, which block it, before versions; words of a text last."""
    severity = SEVERITIES.index(diagnosed.severity)
    return (
        severity,
        diagnosed.check.advice,
        not said,
        diagnosed.check.by_words,
        -explains,
        diagnosed.check.id,
    )


def _follow(id_: str, checks: dict[str, Check], findings: dict[str, DiagnosedFinding]) -> set[str]:
    """Return the ids of findings that follow from `id_`; a note does not explain a finding that stops training."""
    diagnosed = findings[id_]  # a suspected cause explains its symptoms like a proved one
    own = SEVERITIES.index(diagnosed.finding.severity or diagnosed.check.severity)
    reached = _reach(id_, checks) & findings.keys()
    return {symptom for symptom in reached if own <= SEVERITIES.index(findings[symptom].severity)}


def _reach(id_: str, checks: dict[str, Check]) -> set[str]:
    """Return the ids that follow from `id_` over any number of steps, without itself."""
    visited: set[str] = set()
    todo = list(checks[id_].explains)
    while todo:
        current = todo.pop()
        if current not in visited:
            visited.add(current)
            todo += checks[current].explains if current in checks else ()
    return visited - {id_}


def _nothing_known(check: Check, snapshot: Snapshot, facts: Facts) -> str:
    """Return why a check that accepts unknown facts had nothing to work with; "" if it had something.

    For a pasted text: the last fact it used is unknown, or it only looked for errors; or all of its facts
    are unknown.
    """
    answers = {kind: snapshot.get(kind) for kind in _kinds_read(check, facts)}
    if NOT_TOLD in answers.values() and (
        facts.last is NOT_TOLD or facts.last is snapshot.get(Errors)
    ):
        return NOT_TOLD.why
    if all(isinstance(answer, Unknown) for answer in answers.values()):
        return next((answer.why for answer in answers.values() if isinstance(answer, Unknown)), "")
    known = {kind for kind, answer in answers.items() if not isinstance(answer, Unknown)}
    return "" if snapshot.find(Target) or known - {Errors, Knowledge} else NOT_TOLD.why


def _not_applicable(check: Check, outcome: NotRun | None, snapshot: Snapshot) -> str:
    """Return why a check without a finding is not for this system, or lacks what it is about; "" otherwise."""
    host = snapshot.find(Host)
    if host and check.systems and not {host.os, "wsl" if host.wsl else ""} & {*check.systems}:
        return f"only for {' and '.join(_SYSTEM_NAMES[system] for system in check.systems)}"
    return outcome.why.why if outcome and isinstance(outcome.why, Absent) else ""


def _nothing_examined(check: Check, snapshot: Snapshot, facts: Facts) -> str:
    """Return why a check that found nothing had nothing to examine, no environment or no GPU; "" if it had."""
    if _NOBODY in map(snapshot.get, _kinds_read(check, facts)):
        return _NOBODY.why
    # a report that shows no failure of NVIDIA's tools does not say that there is no NVIDIA GPU
    of_gpus = [
        NvidiaGpus if kind is NvidiaAnswer else kind
        for kind in kinds_of(check)
        if kind in _GPU_KINDS
    ]
    absent = of_gpus and all(isinstance(snapshot.get(kind), Absent) for kind in of_gpus)
    return "no GPU to examine" if absent else ""


def _kinds_read(check: Check, facts: Facts) -> list[type[Fact]]:
    """Return the kinds of facts that a check has read: its parameters, and what it looked up."""
    parameters = [want.kind for want in parameters_of(check.run).values()]
    return [*dict.fromkeys((*parameters, *facts.looked_up))]


def kinds_of(check: Check) -> list[type[Fact]]:
    """Return the kinds of facts that a check declares; one that is a parameter and in `uses` comes twice."""
    return [*(want.kind for want in parameters_of(check.run).values()), *check.uses]


def known_of(check: Check, snapshot: Snapshot) -> list[bool]:
    """Return for each fact that a check uses, errors excepted, whether it is known."""
    kinds = (kind for kind in kinds_of(check) if kind not in (Errors, Knowledge))
    return [snapshot.find(kind) is not None for kind in kinds]
