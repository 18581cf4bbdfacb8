"""Causes lead, symptoms follow, and the three outcomes are never mixed."""

import pytest

from tunedoctor.engine import Diagnosis, diagnose
from tunedoctor.facts import Absent, Cpu, Host, Memory, Target, Unknown
from tunedoctor.findings import Check, Cure, Finding, Severity, tell
from tunedoctor.snapshot import Snapshot

FINDING = Finding(found="2", means="3", cure=tell("4"))
FACTS = {Host: Host(os="linux", name="x"), Cpu: Absent(why="no cpu"), Memory: Unknown(why="hung")}
SNAPSHOT = Snapshot({**FACTS, Target: Target(asked="", chosen_by="")})


def found(host: Host) -> Finding | None:
    return FINDING if host.name else None


def told(host: Host) -> Finding:
    return FINDING.saying(f"{host.name}: out of memory")


def fine(host: Host) -> Finding | None:
    return None if host.name else FINDING


def absent(cpu: Cpu) -> Finding | None:
    return FINDING if cpu.count else None


def unknown(memory: Memory) -> Finding | None:
    return FINDING if memory.total else None


def lenient(memory: Memory | Unknown | None) -> Finding | None:
    return FINDING if isinstance(memory, Memory) else None


def unsure(host: Host) -> Finding | Unknown | None:
    return Unknown(why=f"{host.name} does not say")


def raises(host: Host) -> Finding | None:
    raise KeyError(host.name)


def a_check(
    id_: str,
    explains: str = "",
    run: object = found,
    severity: Severity = "error",
    *,
    advice: bool = False,
) -> Check:
    return Check(
        id=id_,
        severity=severity,
        explains=tuple(explains),
        advice=advice,
        run=run,  # type: ignore[arg-type]
        origin="",
    )


def causes(diagnosis: Diagnosis) -> list[str]:
    return [c.check.id for c in diagnosis.causes]


def test_the_outcomes() -> None:
    runs = {
        "a": found,
        "b": fine,
        "c": absent,
        "d": unknown,
        "e": raises,
        "f": lenient,
        "g": unsure,
    }
    diagnosis = diagnose(SNAPSHOT, [a_check(id_, run=run) for id_, run in runs.items()])
    assert (causes(diagnosis), diagnosis.passed) == (["a"], ("b",))
    assert diagnosis.skipped == {"c": "no cpu"}
    why = {"d": "hung", "f": "hung", "g": "x does not say"}
    assert why.items() <= diagnosis.unknown.items()
    assert "KeyError" in diagnosis.unknown["e"]
    assert diagnosis.blind == ("d", "e", "f", "g")


def test_a_report_that_tells_none_of_its_facts_passes_no_check() -> None:
    snapshot = Snapshot({Memory: Absent(why="-"), Host: FACTS[Host]})
    diagnosis = diagnose(snapshot, [a_check("a", run=lenient), a_check("b", run=fine)])
    assert (diagnosis.passed, [*diagnosis.unknown]) == (("b",), ["a"])


@pytest.mark.parametrize(
    ("checks", "order"),
    [
        ([a_check("a", "b"), a_check("b", "c"), a_check("c")], ["a"]),
        ([a_check("a", "b"), a_check("b", "c", run=fine), a_check("c")], ["a"]),
        ([a_check("a", "b", severity="note"), a_check("b")], ["b", "a"]),
        ([a_check("a", "b"), a_check("b", "a")], ["a", "b"]),
        (
            [
                a_check("n", severity="note"),
                a_check("a", severity="warning", advice=True),
                a_check("w", severity="warning"),
                *(a_check("1"), a_check("r", "l"), a_check("l")),
            ],
            ["r", "1", "w", "a", "n"],
        ),
        # what goes by an error of the run leads its equals
        (
            [a_check("a"), a_check("b", run=told), a_check("c", "", told, "warning")],
            ["b", "a", "c"],
        ),
    ],
)
def test_causes_lead_worst_first(checks: list[Check], order: list[str]) -> None:
    assert causes(diagnose(SNAPSHOT, checks)) == order


def test_a_symptom_of_a_symptom_stands_below_the_cause() -> None:
    checks = [a_check("a", "b"), a_check("b", "c"), a_check("c")]
    assert [s.check.id for s in diagnose(SNAPSHOT, checks).symptoms["a"]] == ["b", "c"]


def test_a_finding_can_lower_its_severity() -> None:
    def note(host: Host) -> Finding | None:
        return Finding(found=host.name, means="", cure=Cure(), severity="note", title="other")

    (cause,) = diagnose(SNAPSHOT, [a_check("a", run=note)]).causes
    assert (cause.severity, cause.title) == ("note", "other")
