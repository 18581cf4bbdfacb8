"""Functions get the facts that they name, from probes side by side; causes lead, and outcomes never mix."""

import threading
import time
from typing import Any

import pytest

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.facts import Absent, Cpu, Fact, FileLimit, Host, Memory, Target, Unknown
from tunedoctor.model.findings import Check, Cure, Finding, Severity, tell
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wiring import call
from tunedoctor.probes.probing import Probe, examine

FINDING = Finding(found="2", means="3", cure=tell("4"))
HOST = Host(os="linux", name="x")
FACTS = {Host: HOST, Cpu: Absent(why="no cpu"), Memory: Unknown(why="hung")}
SNAPSHOT = Snapshot({**FACTS, Target: Target(asked="", chosen_by="")})


def found(host: Host) -> Finding | None:
    return FINDING if host.name else None


def told(host: Host) -> Finding:
    return FINDING.saying(f"{host.name}: out of memory")


def fine(host: Host) -> Finding | None:
    return None if host.name else FINDING


def absent(cpu: Cpu) -> Finding | None:
    return FINDING if cpu.count else None


def maybe(cpu: Cpu | None, host: Host) -> Finding | None:
    return None if cpu else FINDING.saying(host.name)


def unknown(memory: Memory) -> Finding | None:
    return FINDING if memory.total else None


def lenient(memory: Memory | Unknown | None) -> Finding | None:
    return FINDING if isinstance(memory, Memory) else None


def unsure(host: Host) -> Finding | Unknown | None:
    return Unknown(why=f"{host.name} does not say")


def raises(host: Host) -> Finding | None:
    raise KeyError(host.name)


def note(host: Host) -> Finding | None:
    return Finding(found=host.name, means="", cure=Cure(), severity="note", title="other")


def a_check(
    id_: str, explains: str = "", run: Any = found, severity: Severity = "error", **more: bool
) -> Check:
    return Check(id=id_, severity=severity, explains=tuple(explains), run=run, origin="", **more)


def test_the_outcomes() -> None:
    runs = (found, fine, absent, unknown, raises, lenient, unsure, maybe, note)
    diagnosis = diagnose(SNAPSHOT, [a_check(run.__name__, run=run) for run in runs])
    assert [(one.check.id, one.severity, one.title) for one in diagnosis.causes] == [
        ("maybe", "error", ""),
        ("found", "error", ""),
        ("note", "note", "other"),
    ]
    assert diagnosis.passed == ("fine",)
    assert diagnosis.skipped == {"absent": "no cpu"}
    why = {"unknown": "hung", "lenient": "hung", "unsure": "x does not say"}
    assert why.items() <= diagnosis.unknown.items()
    assert "KeyError" in diagnosis.unknown["raises"]
    assert diagnosis.blind == ("unknown", "raises", "lenient", "unsure")


def test_an_annotation_that_is_no_fact_is_refused() -> None:
    def wrong(memory: Memory, size: int) -> None: ...

    with pytest.raises(TypeError, match="size"):
        call(wrong, Snapshot({}))


@pytest.mark.parametrize(
    ("checks", "order"),
    [
        ([a_check("a", "b"), a_check("b", "c"), a_check("c")], ["a"]),
        ([a_check("a", "b"), a_check("b", "c", fine), a_check("c")], ["a"]),
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
    diagnosis = diagnose(SNAPSHOT, checks)
    assert [one.check.id for one in diagnosis.causes] == order
    if order == ["a"]:  # a symptom of a symptom stands below the cause
        below = [one.check.id for one in diagnosis.symptoms["a"]]
        assert below == [one.id for one in checks if one.id != "a" and one.run is not fine]


def a_probe(run: Any, *kinds: type, seconds: float = 5.0) -> Probe:
    return Probe(kinds=kinds, run=run, seconds=seconds, deep=False)


def of_cpu(cpu: Cpu) -> Memory:
    return Memory(total=cpu.count, available=1)


def of_memory(memory: Memory) -> Cpu:
    return Cpu(count=memory.total, usable=1)


def of_host(host: Host) -> Cpu:
    return Cpu(count=len(host.name), usable=1)


def broken() -> Cpu:
    msg = "no such file"
    raise OSError(msg)


def late() -> Host:
    time.sleep(0.3)
    return HOST


LIMIT, AFTER = FileLimit(soft=1, hard=1), a_probe(of_cpu, Memory)


@pytest.mark.parametrize(
    ("probes", "facts"),
    [
        # one waits for the facts that it needs
        (
            [AFTER, a_probe(of_host, Cpu), a_probe(lambda: LIMIT, FileLimit), a_probe(late, Host)],
            [Memory(total=1, available=1), Cpu(count=1, usable=1), LIMIT, HOST],
        ),
        # those that wait for each other or for nobody end as unknown
        ([a_probe(of_memory, Cpu), AFTER], [Memory, Cpu]),
        ([AFTER], [Memory]),
        # a crash or a wrong answer is the unknown of that fact alone
        (
            [a_probe(broken, Cpu), a_probe(lambda: HOST, Host), a_probe(lambda: (HOST,), Memory)],
            [Cpu, HOST, Memory],
        ),
        ([a_probe(lambda: HOST, Cpu)], [Cpu]),
    ],
)
def test_probes_side_by_side(probes: list[Probe], facts: list[Fact | type[Fact]]) -> None:
    """Of facts, those that are found, and the kinds of those that stay unknown."""
    snapshot = examine((), probes)
    for one in facts:
        kind = one if isinstance(one, type) else type(one)
        answer = snapshot.get(kind)
        assert isinstance(answer, Unknown) if kind is one else answer == one


def test_a_crash_says_why() -> None:
    answer = examine((), [a_probe(broken, Cpu)]).get(Cpu)
    assert isinstance(answer, Unknown)
    assert "no such file" in answer.why


def test_a_hang_ends_at_the_time_limit_and_what_comes_later_is_ignored() -> None:
    release = threading.Event()

    def hangs() -> tuple[Cpu, FileLimit]:
        release.wait(10)
        return Cpu(count=1, usable=1), LIMIT

    began = time.monotonic()
    snapshot = examine((), [a_probe(hangs, Cpu, FileLimit, seconds=0.2), AFTER])
    release.set()
    assert time.monotonic() - began < 5
    for kind in (Cpu, FileLimit, Memory):
        answer = snapshot.get(kind)
        assert isinstance(answer, Unknown)
        assert "no answer in" in answer.why
