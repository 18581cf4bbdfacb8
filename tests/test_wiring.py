"""Functions get the facts that their parameters name."""

import pytest

from tunedoctor.facts import Absent, Cpu, Host, Known, Memory, Unknown
from tunedoctor.snapshot import Facts, Snapshot
from tunedoctor.wiring import NotRun, call, wants

HOST = Host(os="linux", name="Debian 13")
CPU = Cpu(count=2, usable=2)


def name_of(host: Host) -> str:
    return host.name


def maybe(host: Host | None) -> str:
    return host.name if host else "none"


def any_answer(host: Host | Unknown | None) -> str:
    return type(host).__name__


def known(host: Known[Host]) -> str:
    return host.name if host else "none"


def both(cpu: Cpu, host: Host) -> tuple[int, str]:
    return cpu.count, host.name


def test_by_annotation_in_any_order() -> None:
    assert call(both, Snapshot.of([HOST, CPU])) == (2, "Debian 13")


@pytest.mark.parametrize("why", [Absent(why="gone"), Unknown(why="timed out")])
def test_a_needed_fact_that_is_not_there(why: Absent | Unknown) -> None:
    assert call(name_of, Snapshot({Host: why})) == NotRun(why, Host)


def test_nobody_looked_is_unknown() -> None:
    outcome = call(name_of, Snapshot({}))
    assert isinstance(outcome, NotRun)
    assert isinstance(outcome.why, Unknown)


def test_none_stands_for_absent_but_not_for_unknown() -> None:
    assert call(maybe, Snapshot({Host: Absent(why="")})) == "none"
    assert isinstance(call(maybe, Snapshot({Host: Unknown(why="")})), NotRun)


def test_none_stands_for_both_where_only_what_is_known_counts() -> None:
    assert call(known, Snapshot.of([HOST])) == "Debian 13"
    for other in (Absent(why=""), Unknown(why="timed out")):
        assert call(known, Snapshot({Host: other})) == "none"


def test_unknown_is_handed_over_where_asked_for() -> None:
    assert call(any_answer, Snapshot({Host: Unknown(why="")})) == "Unknown"
    assert call(any_answer, Snapshot({Host: Absent(why="")})) == "NoneType"


def test_an_annotation_that_is_no_fact_is_refused() -> None:
    def wrong(memory: Memory, size: int) -> None: ...

    with pytest.raises(TypeError, match="size"):
        call(wrong, Snapshot({}))


def of_helper(facts: Facts) -> bool:
    return bool(facts.ram)


def viewed(cpu: Cpu, facts: Facts) -> tuple[str, bool]:
    return facts.host.name or "none", of_helper(facts)


def test_a_view_takes_the_facts_that_the_code_and_its_helpers_name() -> None:
    assert {want.kind for want in wants(viewed).values()} == {Cpu, Host, Memory}
    assert call(viewed, Snapshot.of([HOST, CPU])) == ("Debian 13", False)
    for other in (Absent(why=""), Unknown(why="timed out")):
        assert call(viewed, Snapshot({Cpu: CPU, Host: other})) == ("none", False)
    assert call(viewed, Snapshot.of([HOST])) == NotRun(Unknown(why="not looked at"), Cpu)
