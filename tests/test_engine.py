"""Causes lead, symptoms follow, and the three outcomes are never mixed."""

from tunedoctor.cure import Cure, tell
from tunedoctor.engine import Diagnosis, diagnose
from tunedoctor.facts import Absent, Cpu, Host, Memory, Unknown
from tunedoctor.findings import Check, Finding, Severity
from tunedoctor.snapshot import Snapshot

FINDING = Finding(found="2", means="3", cure=tell("4"))
SNAPSHOT = Snapshot(
    {Host: Host(os="linux", name="x"), Cpu: Absent(why="no cpu"), Memory: Unknown(why="hung")}
)


def found(host: Host) -> Finding | None:
    return FINDING if host.name else None


def fine(host: Host) -> Finding | None:
    return None if host.name else FINDING


def absent(cpu: Cpu) -> Finding | None:
    return FINDING if cpu.count else None


def unknown(memory: Memory) -> Finding | None:
    return FINDING if memory.total else None


def raises(host: Host) -> Finding | None:
    raise KeyError(host.name)


def a_check(
    id_: str,
    run: object = found,
    severity: Severity = "error",
    explains: tuple[str, ...] = (),
    *,
    advice: bool = False,
) -> Check:
    return Check(
        id=id_,
        title=id_,
        severity=severity,
        explains=explains,
        advice=advice,
        run=run,
        page="",
        origin="",  # type: ignore[arg-type]
    )


def causes(diagnosis: Diagnosis) -> list[str]:
    return [c.check.id for c in diagnosis.causes]


def test_the_outcomes() -> None:
    checks = [
        a_check("a"),
        a_check("b", fine),
        a_check("c", absent),
        a_check("d", unknown),
        a_check("e", raises),
    ]
    diagnosis = diagnose(SNAPSHOT, checks)
    assert causes(diagnosis) == ["a"]
    assert diagnosis.passed == ("b",)
    assert diagnosis.skipped == {"c": "no cpu"}
    assert diagnosis.unknown["d"] == "hung"
    assert "KeyError" in diagnosis.unknown["e"]
    assert diagnosis.blind == ("d", "e")


def test_a_symptom_of_a_symptom_stands_below_the_cause() -> None:
    checks = [a_check("a", explains=("b",)), a_check("b", explains=("c",)), a_check("c")]
    diagnosis = diagnose(SNAPSHOT, checks)
    assert causes(diagnosis) == ["a"]
    assert [s.check.id for s in diagnosis.symptoms["a"]] == ["b", "c"]


def test_a_symptom_is_explained_through_one_that_was_not_found() -> None:
    checks = [a_check("a", explains=("b",)), a_check("b", fine, explains=("c",)), a_check("c")]
    assert causes(diagnose(SNAPSHOT, checks)) == ["a"]


def test_a_note_hides_no_error() -> None:
    checks = [a_check("a", severity="note", explains=("b",)), a_check("b")]
    assert causes(diagnose(SNAPSHOT, checks)) == ["b", "a"]


def test_a_check_can_say_that_it_could_not_tell() -> None:
    def unsure(host: Host) -> Finding | Unknown | None:
        return Unknown(why=f"{host.name} does not say")

    assert diagnose(SNAPSHOT, [a_check("a", unsure)]).unknown == {"a": "x does not say"}


def test_a_check_that_takes_unknown_facts_does_not_pass_on_nothing() -> None:
    def lenient(memory: Memory | Unknown | None) -> Finding | None:
        return FINDING if isinstance(memory, Memory) else None

    diagnosis = diagnose(SNAPSHOT, [a_check("a", lenient)])
    assert diagnosis.passed == ()
    assert diagnosis.unknown == {"a": "hung"}


def test_a_ring_has_two_causes_and_no_symptom() -> None:
    checks = [a_check("a", explains=("b",)), a_check("b", explains=("a",))]
    assert causes(diagnose(SNAPSHOT, checks)) == ["a", "b"]


def test_rank_is_severity_then_advice_then_what_it_explains() -> None:
    checks = [
        a_check("note", severity="note"),
        a_check("advice", severity="warning", advice=True),
        a_check("warning", severity="warning"),
        a_check("alone"),
        a_check("root", explains=("leaf",)),
        a_check("leaf"),
    ]
    assert causes(diagnose(SNAPSHOT, checks)) == ["root", "alone", "warning", "advice", "note"]


def test_a_finding_can_lower_its_severity() -> None:
    def note(host: Host) -> Finding | None:
        return Finding(found=host.name, means="", cure=Cure(), severity="note", title="other")

    (cause,) = diagnose(SNAPSHOT, [a_check("a", note)]).causes
    assert (cause.severity, cause.title) == ("note", "other")


def test_of_equals_the_one_that_goes_by_an_error_of_the_run_leads() -> None:
    def told(host: Host) -> Finding:
        return FINDING.saying(f"{host.name}: out of memory")

    checks = [a_check("a"), a_check("b", told), a_check("c", told, "warning")]
    assert causes(diagnose(SNAPSHOT, checks)) == ["b", "a", "c"]
    assert FINDING.said == ""
