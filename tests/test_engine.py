"""Functions get the facts that they name, from probes side by side; causes lead, and outcomes never mix."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.facts import Absent, Cpu, Fact, FileLimit, Host, Memory, Target, Unknown
from tunedoctor.model.findings import Check, Cure, Finding, Severity, tell
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wiring import call
from tunedoctor.probes.probing import Probe, examine

FINDING = Finding(found="2", means="3", cure=tell("4"))
NOTE = Finding(found="2", means="", cure=Cure(), severity="note", title="other")
TOLD = FINDING.saying("out of memory")
HOST = Host(os="linux", name="x")
FACTS = {Host: HOST, Cpu: Absent(why="no cpu"), Memory: Unknown(why="hung")}
SNAPSHOT = Snapshot({**FACTS, Target: Target(asked="", chosen_by="")})


def taking(kind: Any, answer: Any) -> Callable[[Any], Any]:
    """Return what takes one fact, and answers so or raises it."""

    def run(fact: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    run.__annotations__["fact"] = kind
    return run


def a_check(
    id_: str, explains: str = "", answer: Any = FINDING, severity: Severity = "error", **more: Any
) -> Check:
    run = taking(more.pop("kind", Host), answer)
    return Check(id=id_, severity=severity, explains=tuple(explains), run=run, origin="", **more)


def test_the_outcomes() -> None:
    diagnosis = diagnose(
        SNAPSHOT,
        [
            a_check("a"),
            a_check("b", answer=None),
            a_check("c", kind=Cpu),
            a_check("d", kind=Memory),
            a_check("e", answer=KeyError("x")),
            a_check("f", answer=None, kind=Memory | Unknown | None),
            a_check("g", answer=Unknown(why="x does not say")),
            a_check("h", kind=Cpu | None),
            a_check("i", answer=NOTE),
        ],
    )
    told = [(one.check.id, one.severity, one.title) for one in diagnosis.causes]
    assert told == [("a", "error", ""), ("h", "error", ""), ("i", "note", "other")]
    assert diagnosis.passed == ("b",)
    assert diagnosis.skipped == {"c": "no cpu"}
    why = {"d": "hung", "f": "hung", "g": "x does not say"}
    assert why.items() <= diagnosis.unknown.items()
    assert "KeyError" in diagnosis.unknown["e"]
    assert diagnosis.blind == ("d", "e", "f", "g")


def test_an_annotation_that_is_no_fact_is_refused() -> None:
    def wrong(memory: Memory, size: int) -> None: ...

    with pytest.raises(TypeError, match="size"):
        call(wrong, Snapshot({}))


@pytest.mark.parametrize(
    ("checks", "order"),
    [
        ([a_check("a", "b"), a_check("b", "c"), a_check("c")], ["a"]),
        ([a_check("a", "b"), a_check("b", "c", None), a_check("c")], ["a"]),
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
            [a_check("a"), a_check("b", "", TOLD), a_check("c", "", TOLD, "warning")],
            ["b", "a", "c"],
        ),
    ],
)
def test_causes_lead_worst_first(checks: list[Check], order: list[str]) -> None:
    diagnosis = diagnose(SNAPSHOT, checks)
    assert [one.check.id for one in diagnosis.causes] == order
    if order == ["a"]:  # a symptom of a symptom stands below the cause
        below = [one.check.id for one in diagnosis.symptoms["a"]]
        assert below == [one.id for one in checks if one.id != "a" and one.run(HOST)]


def a_probe(run: Any, *kinds: type, seconds: float = 5.0) -> Probe:
    return Probe(kinds=kinds, run=run, seconds=seconds, deep=False)


def late() -> Host:
    time.sleep(0.3)
    return HOST


ONE, LIMIT, TOTAL = Cpu(count=1, usable=1), FileLimit(soft=1, hard=1), Memory(total=1, available=1)
AFTER, THERE = a_probe(taking(Cpu, TOTAL), Memory), a_probe(lambda: HOST, Host)
BROKEN = a_probe(taking(Host, OSError("no such file")), Cpu)


@pytest.mark.parametrize(
    ("probes", "facts"),
    [
        # one waits for the facts that it needs
        (
            [
                AFTER,
                a_probe(taking(Host, ONE), Cpu),
                a_probe(lambda: LIMIT, FileLimit),
                a_probe(late, Host),
            ],
            [TOTAL, ONE, LIMIT, HOST],
        ),
        # those that wait for each other or for nobody end as unknown
        ([a_probe(taking(Memory, ONE), Cpu), AFTER], [Memory, Cpu]),
        ([AFTER], [Memory]),
        # a crash or a wrong answer is the unknown of that fact alone
        ([BROKEN, THERE, a_probe(lambda: (HOST,), Memory)], [Cpu, HOST, Memory]),
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
    answer = examine((), [BROKEN, THERE]).get(Cpu)
    assert isinstance(answer, Unknown)
    assert "no such file" in answer.why


def test_a_hang_ends_at_the_time_limit_and_what_comes_later_is_ignored() -> None:
    release = threading.Event()

    def hangs() -> tuple[Cpu, FileLimit]:
        release.wait(10)
        return ONE, LIMIT

    began = time.monotonic()
    snapshot = examine((), [a_probe(hangs, Cpu, FileLimit, seconds=0.2), AFTER])
    release.set()
    assert time.monotonic() - began < 5
    for kind in (Cpu, FileLimit, Memory):
        answer = snapshot.get(kind)
        assert isinstance(answer, Unknown)
        assert "no answer in" in answer.why
