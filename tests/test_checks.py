"""Functions get the facts that they name, causes lead, outcomes never mix; no check falls over, words keep rules."""

import re
import threading
import time
from collections.abc import Callable
from itertools import chain, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from museum import diagnosis_of, names, snapshot_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import Report, report_of
from tunedoctor.facts import (
    KINDS,
    Absent,
    Cpu,
    FileLimit,
    Host,
    Memory,
    NvidiaGpus,
    Target,
    Unknown,
)
from tunedoctor.messages.cause import page_of
from tunedoctor.model.findings import SEVERITIES, Check, Cure, Finding, Severity, tell
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.probes.probing import Probe, examine
from tunedoctor.readers.read import read_report
from tunedoctor.render import terminal
from tunedoctor.render.formats import ReportView
from tunedoctor.render.screen import Screen

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


def test_the_outcomes():
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


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        ([{"id_": "a", "explains": "b"}, {"id_": "b", "explains": "c"}, {"id_": "c"}], ["a"]),
        (
            [
                {"id_": "a", "explains": "b"},
                {"id_": "b", "explains": "c", "answer": "nothing"},
                {"id_": "c"},
            ],
            ["a"],
        ),
        ([{"id_": "a", "explains": "b", "severity": "note"}, {"id_": "b"}], ["b", "a"]),
        ([{"id_": "a", "explains": "b"}, {"id_": "b", "explains": "a"}], ["a", "b"]),
        (
            [
                {"id_": "n", "severity": "note"},
                {"id_": "a", "severity": "warning", "advice": True},
                {"id_": "w", "severity": "warning"},
                {"id_": "1"},
                {"id_": "r", "explains": "l"},
                {"id_": "l"},
            ],
            ["r", "1", "w", "a", "n"],
        ),
        (
            [
                {"id_": "a"},
                {"id_": "b", "answer": "said"},
                {"id_": "c", "answer": "said", "severity": "warning"},
            ],
            ["b", "a", "c"],
        ),
    ],
)
def test_causes_lead_worst_first(asked, order):
    """A check explains others; what goes by an error of the run leads its equals."""
    answers = {"found": FINDING, "said": TOLD, "nothing": None}
    checks = [a_check(**{**one, "answer": answers[one.get("answer", "found")]}) for one in asked]
    diagnosis = diagnose(SNAPSHOT, checks)
    assert [one.check.id for one in diagnosis.causes] == order
    if order == ["a"]:  # a symptom of a symptom stands below the cause
        below = [one.check.id for one in diagnosis.symptoms["a"]]
        assert below == [one.id for one in checks if one.id != "a" and one.run(HOST)]


def a_probe(run: Any, *kinds: type, seconds: float = 60.0) -> Probe:
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
def test_probes_side_by_side(probes, facts):
    """Of facts, those that are found, and the kinds of those that stay unknown."""
    snapshot = examine((), probes)
    for one in facts:
        kind = one if isinstance(one, type) else type(one)
        answer = snapshot.get(kind)
        assert isinstance(answer, Unknown) if kind is one else answer == one
    assert probes[0] is not BROKEN or "no such file" in snapshot.get(Cpu).why


def test_a_hang_ends_at_the_time_limit_and_what_comes_later_is_ignored():
    release = threading.Event()

    def hangs():
        release.wait(60)
        return ONE, LIMIT

    began = time.monotonic()
    snapshot = examine((), [a_probe(hangs, Cpu, FileLimit, seconds=0.2), AFTER])
    release.set()
    assert time.monotonic() - began < 50
    for kind in (Cpu, FileLimit, Memory):
        answer = snapshot.get(kind)
        assert isinstance(answer, Unknown)
        assert "no answer in" in answer.why


CHECKS = all_checks()
KIND_NAMES = [kind.__name__ for kind in KINDS]
MACHINE = [k.__name__ for k in KINDS if k.__module__.endswith((".machine", ".gpu", ".run"))]
ABSENT = Absent(why="made absent")
UNKNOWN = Unknown(why="made unknown")
ANSWERS = st.dictionaries(
    st.sampled_from(KIND_NAMES), st.sampled_from([ABSENT, UNKNOWN]), min_size=1, max_size=8
)


def _crashes(unknown: dict[str, str]) -> dict[str, str]:
    return {id_: why for id_, why in unknown.items() if "the check itself failed" in why}


@settings(max_examples=300)
@given(name=st.sampled_from(names()), answers=ANSWERS)
def test_any_facts_may_be_missing(name, answers):
    """With any facts of any machine taken away, every check answers."""
    snapshot = snapshot_of(name).having(**answers)
    assert not _crashes(diagnose(snapshot, CHECKS).unknown)


def test_a_healthy_machine_stays_quiet():
    """What could not be looked at is no fault: one fact less breeds no error and no warning."""
    for kind, answer in product(MACHINE, (ABSENT, UNKNOWN)):
        snapshot = snapshot_of("healthy-rtx4090").having(**{kind: answer})
        causes = diagnose(snapshot, CHECKS).causes
        assert [c.check.id for c in causes if c.severity != "note"] == [], (kind, answer)


SECTIONS = ("What it means", "How it is found", "How to fix it", "When to ignore it", "Seen as")
FORBIDDEN = re.compile(
    r"\b(?:may|might|please|invalid|illegal|sorry|unfortunately|oops|simply|obviously|error occurred|you should"
    r"|you must|you forgot|your fault|wrongly|bad user)\b",
    re.IGNORECASE,
)
QUOTED = re.compile(r"(?<!\w)'[^'\n]*(?:'\w[^'\n]*)*'(?!\w)|\"[^\"]*\"|`[^`]*`")
"""Literal messages and commands keep their own words."""
MEMORY_IN_GB = re.compile(r"\d ?(?:GB|MB) of (?:RAM|memory|VRAM|GPU memory)")


def _sections(page: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    title = ""
    for line in page.splitlines()[1:]:
        if line and not line.startswith(" "):
            title = line
            found[title] = []
        elif line.strip():
            assert line.startswith("    "), line
            found[title].append(line.strip())
    return found


def test_findings_of_the_museum():
    """Every finding has its four parts, in the words that the house uses."""
    for name in names():
        diagnosis = diagnosis_of(name)
        for one in (*diagnosis.causes, *chain(*diagnosis.symptoms.values())):
            finding, who = one.finding, f"{one.check.id} in {name}"
            command = finding.cure.command
            assert one.severity in SEVERITIES, who
            assert 0 < len(one.title) <= 60, (who, one.title)
            assert not one.title.endswith((".", "?")), (who, one.title)
            assert "\n" not in command, (who, command)
            assert not command.startswith(("http:", "https:", "www.")), (who, command)
            for text in (finding.found, finding.means, command):
                assert text, who
                assert text == text.strip(), (who, text)
                assert text == command or not text.endswith("."), (who, text)
            for text in (one.title, finding.found, finding.means, finding.cure_note):
                plain = QUOTED.sub("", text)
                assert not FORBIDDEN.search(plain), (who, text)
                assert "!" not in plain, (who, text)
                assert not MEMORY_IN_GB.search(plain), (who, text)
                assert "  " not in text or "'" in text, (who, text)
            for text in (finding.found, finding.means, command, finding.cure_note):
                assert "/root/" not in text, (who, text)
                assert "None" not in QUOTED.sub("", text).split(), (who, text)


def test_manual_pages():
    """A check's page is one sentence, then the five sections in order; a cause without code has its title for it."""
    for check in CHECKS:
        page = f"{check.title}.\n\n{page_of(check)}" if check.by_words else page_of(check)
        first, blank, *_ = page.splitlines()
        assert first.endswith("."), first
        assert (len(first) <= 120, blank) == (True, ""), first
        sections = _sections(page)
        assert tuple(sections) == SECTIONS, check.id
        for title, lines in sections.items():
            assert lines, (check.id, title)
            if title != "Seen as":
                prose = " ".join(lines)
                assert not FORBIDDEN.search(QUOTED.sub("", prose)), (check.id, title)
                assert prose.endswith((".", ":")), (check.id, prose[-40:])
                assert "http" not in prose, (check.id, title)


NO_IMAGE = "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"


def report(text: str) -> Report:
    snapshot = read_report(text)
    return report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS)


def test_what_an_error_resembles_is_named_with_its_line_and_what_settles_it():
    found = report(NO_IMAGE)
    ids = [one.id for one in found.suspected]
    assert found.verdict == "unknown"
    assert ids[0] == "gpu-too-new-for-torch"
    assert "gpu-does-not-compute" not in ids, "a symptom of it"
    assert found.suspected[0].because == NO_IMAGE.strip()
    assert found.next == found.suspected[0].settle
    screen = terminal.render(ReportView(report=found, code=2), Screen())
    assert "No cause is certain. Most likely:" in screen
    assert f"confirm {found.next}" in " ".join(screen.split())


@pytest.mark.parametrize(
    ("text", "verdict", "asks"),
    [
        (
            "RuntimeError: CUDA error: device-side assert triggered",
            "unknown",
            "CUDA_LAUNCH_BLOCKING=1",
        ),
        (
            "torch.distributed.DistBackendError: NCCL error in: a.cpp:1",
            "unknown",
            "NCCL_DEBUG=INFO",
        ),
        ("Segmentation fault (core dumped)", "unknown", "faulthandler"),
        ("ValueError: no check knows this", "unknown", "torch.utils.collect_env"),
        (
            (
                "Collecting environment information...\n"
                "PyTorch version: 2.9.1+cu128\n"
                "Is debug build: False\n"
                "CUDA used to build PyTorch: 12.8\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Python version: 3.12.3 (64-bit runtime)\n"
                "Is CUDA available: True\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 575.57.08\n"
                "INFO No available shared memory broadcast block found in 60 seconds."
            ),
            "unknown",
            "",
        ),
        (
            (
                "Collecting environment information...\n"
                "PyTorch version: 2.9.1+cu128\n"
                "Is debug build: False\n"
                "CUDA used to build PyTorch: 12.8\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Python version: 3.12.3 (64-bit runtime)\n"
                "Is CUDA available: True\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 575.57.08\n"
                "RuntimeError: CUDA error: device-side assert triggered"
            ),
            "unknown",
            "",
        ),
        (
            "",
            "unknown",
            "paste the error with its full traceback, and the output of python -m torch.utils.collect_env on that machine",
        ),
        (
            "all is well\n" * 50,
            "unknown",
            "paste the error with its full traceback, and the output of python -m torch.utils.collect_env on that machine",
        ),
        (
            (
                "Collecting environment information...\n"
                "PyTorch version: 2.9.1+cu128\n"
                "Is debug build: False\n"
                "CUDA used to build PyTorch: 12.8\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Python version: 3.12.3 (64-bit runtime)\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 575.57.08\n"
            ),
            "unknown",
            "the failing run",
        ),
        (
            (
                "Collecting environment information...\n"
                "PyTorch version: 2.9.1+cu128\n"
                "Is debug build: False\n"
                "CUDA used to build PyTorch: 12.8\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Python version: 3.12.3 (64-bit runtime)\n"
                "Is CUDA available: True\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 575.57.08\n"
                "ValueError: no check knows this"
            ),
            "unknown",
            "doctor check --deep",
        ),
        (
            (
                "Collecting environment information...\n"
                "PyTorch version: 2.9.1+cu128\n"
                "Is debug build: False\n"
                "CUDA used to build PyTorch: 12.8\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Python version: 3.12.3 (64-bit runtime)\n"
                "Is CUDA available: True\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 575.57.08\n"
            ),
            "ready",
            "",
        ),
    ],
)
def test_the_next_thing_to_ask_for(text, verdict, asks):
    found = report(text)
    assert found.verdict == verdict
    assert asks in found.next


def test_a_check_reads_no_fact_that_it_does_not_declare():
    """Comparisons of machines and the grouping of nodes rely on the declared facts."""

    def run(facts: Facts) -> None:
        assert facts.host.os == "linux"
        assert facts.cpu.count

    declared = Check(id="ours", title="Ours", run=run, origin="here", uses=(Host,))
    why = diagnose(snapshot_of("healthy-rtx4090"), [declared]).unknown["ours"]
    assert why.endswith("it reads facts.cpu: add Cpu to its uses=")


@pytest.mark.parametrize(
    ("systems", "os", "wsl", "skipped"),
    [
        (("windows",), "linux", 0, "only for Windows"),
        (("wsl", "windows"), "linux", 0, "only for WSL and Windows"),
        (("wsl", "windows"), "linux", 2, None),
        (("windows",), "windows", 0, None),
        (("macos",), "windows", 0, "only for macOS"),
        ((), "linux", 0, None),
    ],
)
def test_a_check_of_another_system_is_skipped_and_not_passed(systems, os, wsl, skipped):
    snapshot = SNAPSHOT.having(Host=Host(os=os, name="x", wsl=wsl))
    diagnosis = diagnose(snapshot, [a_check("a", answer=None, systems=systems)])
    assert diagnosis.skipped.get("a") == skipped
    assert diagnosis.passed == (() if skipped else ("a",))


def test_what_an_error_shows_is_reported_whatever_the_system():
    """A pasted report may hold the error of another machine."""
    assert [one.check.id for one in diagnose(SNAPSHOT, [a_check("a", systems=("windows",))]).causes]


def test_a_check_of_gpus_passes_only_where_a_gpu_was_examined():
    checks = [a_check("a", answer=None, kind=NvidiaGpus | Unknown | None)]
    none = SNAPSHOT.having(NvidiaGpus=Absent(why="no NVIDIA GPU"))
    assert diagnose(none, checks).skipped == {"a": "no GPU to examine"}
    some = SNAPSHOT.having(NvidiaGpus=snapshot_of("healthy-rtx4090").get(NvidiaGpus))
    assert diagnose(some, checks).passed == ("a",)
