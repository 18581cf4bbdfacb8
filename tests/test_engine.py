"""Functions get the facts that they name, from probes side by side; causes lead, and outcomes never mix."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tunedoctor.diagnosis.engine import Diagnosis, diagnose
from tunedoctor.facts import Absent, Cpu, FileLimit, Host, Memory, Target, Unknown
from tunedoctor.model.findings import Check, Cure, Finding, Severity, tell
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wiring import NotRun, call
from tunedoctor.probes.probing import Probe, examine

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


DEBIAN = Host(os="linux", name="Debian 13")
CPU = Cpu(count=2, usable=2)


def needed(host: Host) -> str:
    return type(host).__name__


def maybe(host: Host | None) -> str:
    return type(host).__name__


def other(host: Host | Unknown | None) -> str:
    return type(host).__name__


def both(cpu: Cpu, host: Host) -> tuple[int, str]:
    return cpu.count, host.name


def test_by_annotation_in_any_order() -> None:
    assert call(both, Snapshot.of([DEBIAN, CPU])) == (2, "Debian 13")


@pytest.mark.parametrize(
    ("function", "absent", "unknown"),
    [
        (needed, "", ""),  # not called
        (maybe, "NoneType", ""),
        (other, "NoneType", "Unknown"),
    ],
)
def test_what_each_annotation_takes(
    function: Callable[[Any], str], absent: str, unknown: str
) -> None:
    assert call(function, Snapshot.of([DEBIAN])) == "Host"
    gone, late = Absent(why="gone"), Unknown(why="timed out")
    assert call(function, Snapshot({Host: gone})) == (absent or NotRun(gone, Host))
    assert call(function, Snapshot({Host: late})) == (unknown or NotRun(late, Host))


def test_an_annotation_that_is_no_fact_is_refused() -> None:
    def wrong(memory: Memory, size: int) -> None: ...

    with pytest.raises(TypeError, match="size"):
        call(wrong, Snapshot({}))


HOST = Host(os="linux", name="x")


def a_probe(run: object, *kinds: type, seconds: float = 5.0) -> Probe:
    return Probe(kinds=kinds, run=run, seconds=seconds, deep=False)  # type: ignore[arg-type]


def of_cpu(cpu: Cpu) -> Memory:
    return Memory(total=cpu.count, available=1)


AFTER = a_probe(of_cpu, Memory)


def test_a_probe_waits_for_the_facts_it_needs() -> None:
    def cpu(host: Host) -> Cpu:
        return Cpu(count=len(host.name), usable=1)

    def host() -> Host:
        time.sleep(0.3)
        return HOST

    quick = a_probe(lambda: FileLimit(soft=1, hard=1), FileLimit)
    snapshot = examine((), [AFTER, a_probe(cpu, Cpu), quick, a_probe(host, Host)])
    assert snapshot.find(Cpu) == Cpu(count=1, usable=1)
    assert snapshot.find(Memory) == Memory(total=1, available=1)


def test_probes_that_wait_for_each_other_or_for_nobody_end_as_unknown() -> None:
    def cpu(memory: Memory) -> Cpu:
        return Cpu(count=memory.total, usable=1)

    snapshot = examine((), [a_probe(cpu, Cpu), AFTER])
    assert isinstance(snapshot.get(Cpu), Unknown)
    assert isinstance(snapshot.get(Memory), Unknown)
    assert isinstance(examine((), [AFTER]).get(Memory), Unknown)


def test_a_crash_or_a_wrong_answer_is_the_unknown_of_that_fact_alone() -> None:
    def broken() -> Cpu:
        msg = "no such file"
        raise OSError(msg)

    wrong = a_probe(lambda: (HOST,), Memory, FileLimit)
    snapshot = examine((), [a_probe(broken, Cpu), a_probe(lambda: HOST, Host), wrong])
    answer = snapshot.get(Cpu)
    assert isinstance(answer, Unknown)
    assert "no such file" in answer.why
    assert snapshot.find(Host) == HOST
    assert isinstance(snapshot.get(FileLimit), Unknown)
    assert isinstance(examine((), [a_probe(lambda: HOST, Cpu)]).get(Cpu), Unknown)


def test_a_hang_ends_at_the_time_limit_and_what_comes_later_is_ignored() -> None:
    release = threading.Event()

    def hangs() -> tuple[Cpu, FileLimit]:
        release.wait(10)
        return Cpu(count=1, usable=1), FileLimit(soft=1, hard=1)

    began = time.monotonic()
    snapshot = examine((), [a_probe(hangs, Cpu, FileLimit, seconds=0.2), AFTER])
    release.set()
    assert time.monotonic() - began < 5
    for kind in (Cpu, FileLimit, Memory):
        answer = snapshot.get(kind)
        assert isinstance(answer, Unknown)
        assert "no answer in" in answer.why
