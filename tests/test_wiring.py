"""Functions get the facts that their parameters name."""

from collections.abc import Callable
from typing import Any

import pytest

from tunedoctor.facts import Absent, Cpu, Host, Memory, Unknown
from tunedoctor.snapshot import Facts, Snapshot
from tunedoctor.wiring import NotRun, call, wants

HOST = Host(os="linux", name="Debian 13")
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
    assert call(both, Snapshot.of([HOST, CPU])) == (2, "Debian 13")


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
    assert call(function, Snapshot.of([HOST])) == "Host"
    gone, late = Absent(why="gone"), Unknown(why="timed out")
    assert call(function, Snapshot({Host: gone})) == (absent or NotRun(gone, Host))
    assert call(function, Snapshot({Host: late})) == (unknown or NotRun(late, Host))


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
