"""What findings ask of one package is one range, or the planner is named; what is shown is what a fix carries out."""

import shlex

import msgspec
import museum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from tunedoctor.diagnosis.agreement import chosen, cures_shown, drafted
from tunedoctor.diagnosis.engine import Diagnosis, Found, diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.facts import Target
from tunedoctor.model.findings import Check, Cure, Finding, Severity, parted, pip, tell
from tunedoctor.model.plan import DeletePath
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import narrowed

VERSIONS = [f"{a}.{b}" for a in range(4) for b in range(4)]
clause = st.tuples(
    st.sampled_from([">=", "<", "==", "!=", "<=", ">"]), st.sampled_from(VERSIONS)
).map("".join)
ranges = st.lists(clause, max_size=3, unique=True).map(",".join)
wanted = st.dictionaries(st.sampled_from(["peft", "trl", "torch"]), ranges, min_size=1, max_size=2)
findings = st.tuples(wanted, st.sampled_from(["error", "warning", "note"]))


def found(number: int, cure: Cure, severity: Severity) -> Found:
    check = Check(
        id=f"c{number}",
        title="t",
        severity=severity,
        explains=(),
        advice=False,
        run=lambda: None,
        page="",
        origin="",
    )
    return Found(check, Finding(found="f", means="m", cure=cure))


def shown(causes: list[Found]) -> list[Cure]:
    """Return the cures that are shown of causes, where there is no environment."""
    whole = Diagnosis(tuple(causes), {one.check.id: () for one in causes}, (), {}, {})
    return [*cures_shown(whole, Snapshot.of([]), all_fixes).values()]


@given(st.lists(ranges, max_size=3))
def test_a_narrowed_range_allows_what_all_of_them_allow(several: list[str]) -> None:
    left = narrowed(several)
    for version in VERSIONS:
        meets = all(version in SpecifierSet(one) for one in several)
        assert meets is (left is not None and version in SpecifierSet(left))


@given(st.lists(findings, min_size=1, max_size=4))
def test_printed_lines_never_contradict_each_other(
    several: list[tuple[dict[str, str], Severity]],
) -> None:
    causes = [
        found(i, pip(None, "install", *(n + s for n, s in one.items())), severity)
        for i, (one, severity) in enumerate(
            sorted(several, key=lambda s: ["error", "warning", "note"].index(s[1]))
        )
    ]
    asked: dict[str, list[str]] = {}
    for before, cure in zip(causes, shown(causes), strict=True):
        if cure == tell("doctor fix"):
            continue
        assert [parted(r)[0] for r in cure.installs[0].requirements] == [
            parted(r)[0] for r in before.finding.cure.installs[0].requirements
        ]
        assert shlex.split(cure.command)[3] == "install"
        for name, specifier in map(parted, cure.installs[0].requirements):
            asked.setdefault(name, []).append(specifier)
    assert None not in [narrowed(specifiers) for specifiers in asked.values()]


def test_an_error_keeps_its_line_beside_a_note() -> None:
    error = found(0, pip(None, "install", "trl<0.12"), "error")
    note = found(1, pip(None, "install", "trl>=1.0"), "note")
    one, other = shown([error, note])
    assert one.command == 'python -m pip install "trl<0.12"'
    assert other.command == "doctor fix"


def test_what_is_shown_as_a_step_of_the_doctor_is_a_goal_of_fix() -> None:
    """For every machine of the museum with an environment, by the words of the report and the drafts of a fix."""
    checks, fixes = all_checks(), all_fixes()
    wrong: list[tuple[str, str, str]] = []
    goals = 0
    for name in museum.names():
        snapshot = museum.snapshot_of(name)
        if snapshot.find(Target) is None:
            continue
        diagnosis = diagnose(snapshot, checks)
        notes = tuple(one.check.id for one in diagnosis.causes if one.severity == "note")
        taken = (*chosen(diagnosis, ()), *(chosen(diagnosis, notes) if notes else ()))
        # a note is carried out where it is named
        changed = {one.id: one.draft for one in drafted(taken, snapshot, fixes) if one.changes}
        for id_, cure in cures_shown(diagnosis, snapshot, all_fixes).items():
            # files of broken installs are deleted by a line for the shell as well
            files = all(isinstance(s, DeletePath) for s in getattr(changed.get(id_), "steps", "?"))
            goals += id_ in changed
            if (cure.ours or cure.command.startswith("doctor fix") or files) != (id_ in changed):
                wrong.append((name, id_, cure.command))
    assert wrong == []
    assert goals >= 80


@pytest.mark.parametrize(
    ("name", "id_", "kind", "words"),
    [
        ("python-3.13.8", "torch-import-crash", "advice", "Cure python-unsupported: it follows"),
        ("flash-attn-undefined-symbol", "extension-abi-mismatch", "command", "-m pip install"),
        ("flash-attn-undefined-symbol", "library-import-fails", "advice", "Cure extension-abi"),
        ("rosetta-python", "missing-dependency", "advice", "Cure "),
    ],
)
def test_what_no_fix_carries_out_is_no_step_of_the_doctor(
    name: str, id_: str, kind: str, words: str
) -> None:
    snapshot = museum.snapshot_of(name)
    cure = cures_shown(diagnose(snapshot, all_checks()), snapshot, all_fixes)[id_]
    assert not cure.ours
    assert (cure.kind, words in cure.command) == (kind, True), cure.command


@pytest.mark.parametrize("settle", ["", "python -m pip check"])
def test_what_is_suspected_is_for_the_user_to_run(settle: str) -> None:
    snapshot = museum.snapshot_of("healthy-foreign-pip-not-activated")
    one = found(0, pip(None, "install", "trl<0.12"), "warning")
    one = Found(one.check, msgspec.structs.replace(one.finding, settle=settle))
    (cure,) = cures_shown(Diagnosis((one,), {"c0": ()}, (), {}, {}), snapshot, all_fixes).values()
    assert cure.ours is not bool(settle)
    assert cure.command == 'python -m pip install "trl<0.12"'
