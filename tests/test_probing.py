"""Probes run side by side; what goes wrong in one stays in that one."""

import threading
import time

from tunedoctor.facts import Cpu, FileLimit, Host, Memory, Unknown
from tunedoctor.probing import Probe, examine

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
