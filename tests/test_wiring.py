"""Functions get the facts that their parameters name."""

from collections.abc import Callable
from typing import Any

import pytest

from tunedoctor.facts import Absent, Cpu, Host, Known, Memory, Unknown
from tunedoctor.snapshot import Snapshot
from tunedoctor.wiring import NotRun, call

HOST = Host(os="linux", name="Debian 13")
CPU = Cpu(count=2, usable=2)


def needed(host: Host) -> str:
    return type(host).__name__


def maybe(host: Host | None) -> str:
    return type(host).__name__


def other(host: Host | Unknown | None) -> str:
    return type(host).__name__


def known(host: Known[Host]) -> str:
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
        (known, "NoneType", "NoneType"),
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
