"""What findings ask of one package is one range, or the planner is named; what is shown is what a fix carries out."""

import shlex

import museum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from packaging.specifiers import SpecifierSet

from tunedoctor.advice.told import compares, misfits, told
from tunedoctor.diagnosis.agreement import chosen, cures_shown, drafted
from tunedoctor.diagnosis.engine import Diagnosis, Found, diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.facts import Errors, ErrorText, Frame, Interpreter, Target
from tunedoctor.model.findings import Check, Cure, Finding, Severity, parted, pip, tell
from tunedoctor.model.plan import DeletePath
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import narrowed

CHECKS = all_checks()
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
VERSIONS = [f"{a}.{b}" for a in range(4) for b in range(4)]
clause = st.tuples(
    st.sampled_from([">=", "<", "==", "!=", "<=", ">"]), st.sampled_from(VERSIONS)
).map("".join)
ranges = st.lists(clause, max_size=3, unique=True).map(",".join)
wanted = st.dictionaries(st.sampled_from(["peft", "trl", "torch"]), ranges, min_size=1, max_size=2)
findings = st.tuples(st.sampled_from(range(3)), wanted)
OLDER = pip(None, "install", "trl<0.12")


def found(number: int, cure: Cure, severity: Severity, settle: str = "") -> Found:
    check = Check(id=f"c{number}", severity=severity, run=lambda: None, origin="")
    return Found(check, Finding(found="f", means="m", cure=cure, settle=settle))


def shown(causes: list[Found], snapshot: Snapshot = Snapshot.of([])) -> list[Cure]:  # noqa: B008
    """Return the cures that are shown of causes, where there is no environment if none is named."""
    whole = Diagnosis(tuple(causes), {one.check.id: () for one in causes}, (), {}, {})
    return [*cures_shown(whole, snapshot, all_fixes).values()]


@given(st.lists(ranges, max_size=3))
def test_a_narrowed_range_allows_what_all_of_them_allow(several: list[str]) -> None:
    left = narrowed(several)
    for version in VERSIONS:
        meets = all(version in SpecifierSet(one) for one in several)
        assert meets is (left is not None and version in SpecifierSet(left))


@given(st.lists(findings, min_size=1, max_size=4))
def test_printed_lines_never_contradict_each_other(
    several: list[tuple[int, dict[str, str]]],
) -> None:
    several.sort(key=lambda one: one[0])
    cures = [pip(None, "install", *(n + s for n, s in one.items())) for _, one in several]
    causes = [found(i, cure, SEVERITIES[several[i][0]]) for i, cure in enumerate(cures)]
    asked: dict[str, list[str]] = {}
    for before, cure in zip(cures, shown(causes), strict=True):
        if cure == tell("doctor fix"):
            continue
        parts = [parted(one) for one in cure.installs[0].requirements]
        assert [n for n, _ in parts] == [parted(r)[0] for r in before.installs[0].requirements]
        assert shlex.split(cure.command)[3] == "install"
        for name, specifier in parts:
            asked.setdefault(name, []).append(specifier)
    assert None not in [narrowed(specifiers) for specifiers in asked.values()]


def test_an_error_keeps_its_line_beside_a_note() -> None:
    note = found(1, pip(None, "install", "trl>=1.0"), "note")
    one, other = shown([found(0, OLDER, "error"), note])
    assert one.command == 'python -m pip install "trl<0.12"'
    assert other.command == "doctor fix"


@pytest.mark.parametrize("settle", ["", "python -m pip check"])
def test_what_is_suspected_is_for_the_user_to_run(settle: str) -> None:
    snapshot = museum.snapshot_of("healthy-foreign-pip-not-activated")
    (cure,) = shown([found(0, OLDER, "warning", settle)], snapshot)
    assert cure.ours is not bool(settle)
    assert cure.command == 'python -m pip install "trl<0.12"'


def test_what_is_shown_as_a_step_of_the_doctor_is_a_goal_of_fix() -> None:
    """For every machine of the museum with an environment, by the words of the report and the drafts of a fix."""
    wrong: list[tuple[str, str, str]] = []
    goals = 0
    for name in museum.names():
        snapshot, diagnosis = museum.snapshot_of(name), museum.diagnosis_of(name)
        if snapshot.find(Target) is None:
            continue
        notes = tuple(one.check.id for one in diagnosis.causes if one.severity == "note")
        taken = (*chosen(diagnosis, ()), *(chosen(diagnosis, notes) if notes else ()))
        # a note is carried out where it is named
        changed = {
            one.id: one.draft for one in drafted(taken, snapshot, all_fixes()) if one.changes
        }
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
    diagnosis, snapshot = museum.diagnosis_of(name), museum.snapshot_of(name)
    cure = cures_shown(diagnosis, snapshot, all_fixes)[id_]
    assert not cure.ours
    assert (cure.kind, words in cure.command) == (kind, True), cure.command


def test_an_interpreter_in_a_cure_is_one_word() -> None:
    hostile, quoted = "/home/ada/it's my env/.venv", 0
    for name in museum.names():
        snapshot = museum.snapshot_of(name)
        own = snapshot.find(Interpreter)
        if own is None or not own.executable.startswith("/"):
            continue  # nothing that a POSIX shell is to be given
        moved = structs.replace(own, executable=f"{hostile}/bin/python", prefix=hostile)
        for one in diagnose(snapshot.having(moved), CHECKS).causes:
            for line in one.finding.cure.command.splitlines():
                if "my env" in line:
                    quoted += 1
                    assert any(hostile in w for w in shlex.split(line)), (name, one.check.id, line)
    assert quoted > 50


@given(
    st.lists(st.text(), max_size=5),
    st.lists(st.text(max_size=60), max_size=4),
    st.sampled_from(["a", r"\d+", "error", r"^Killed"]),
)
def test_of_any_text_one_short_line_is_told(texts: list[str], files: list[str], seen: str) -> None:
    frames = tuple(Frame(file=file) for file in files)
    errors = Errors(
        tuple(ErrorText(text, type=text.partition(":")[0], frames=frames) for text in texts)
    )
    said = told(errors, seen)
    assert len(said) <= 160
    assert "\n" not in said
    assert all(one.owner != one.other for one in misfits(errors))
    list(misfits(errors, loosely=True))
    compares(errors)
