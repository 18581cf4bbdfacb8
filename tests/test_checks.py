"""No check falls over, whatever is missing; words keep the rules; reports that do not tell ask."""

import re
from itertools import chain, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from museum import diagnosis_of, names, snapshot_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.leads import PASTE
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import Report, report_of
from tunedoctor.facts import KINDS, Absent, Unknown
from tunedoctor.messages.cause import page_of
from tunedoctor.model.findings import SEVERITIES
from tunedoctor.readers.read import read_report
from tunedoctor.render import terminal
from tunedoctor.render.screen import Screen

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
def test_any_facts_may_be_missing(name: str, answers: dict[str, Absent | Unknown]) -> None:
    """With any facts of any machine taken away, every check answers."""
    snapshot = snapshot_of(name).having(**answers)
    assert not _crashes(diagnose(snapshot, CHECKS).unknown)


def test_a_healthy_machine_stays_quiet() -> None:
    """What could not be looked at is no fault: one fact less breeds no error and no warning."""
    for kind, answer in product(MACHINE, (ABSENT, UNKNOWN)):
        snapshot = snapshot_of("healthy-rtx4090").having(**{kind: answer})
        causes = diagnose(snapshot, CHECKS).causes
        assert [c.check.id for c in causes if c.severity != "note"] == [], (kind, answer)


SECTIONS = ("What it means", "How it is found", "Cures", "When to ignore it", "Seen as")
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


def test_findings_of_the_museum() -> None:
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


def test_manual_pages() -> None:
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
ENVIRONMENT = """Collecting environment information...
PyTorch version: 2.9.1+cu128
Is debug build: False
CUDA used to build PyTorch: 12.8
OS: Ubuntu 24.04 LTS (x86_64)
Python version: 3.12.3 (64-bit runtime)
Is CUDA available: True
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
Nvidia driver version: 575.57.08
"""


def report(text: str) -> Report:
    snapshot = read_report(text)
    return report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS)


def test_what_an_error_resembles_is_named_with_its_line_and_what_settles_it() -> None:
    assert report(ENVIRONMENT).verdict == "ready"
    found = report(NO_IMAGE)
    ids = [one.id for one in found.suspected]
    assert found.verdict == "unknown"
    assert ids[0] == "gpu-too-new-for-torch"
    assert "gpu-does-not-compute" not in ids, "a symptom of it"
    assert found.suspected[0].because == NO_IMAGE.strip()
    assert found.next == found.suspected[0].settle
    screen = terminal.render(found, Screen())
    assert "nothing is proved; most likely" in screen
    assert f"settle  {found.next}" in screen


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("RuntimeError: CUDA error: device-side assert triggered", "CUDA_LAUNCH_BLOCKING=1"),
        ("torch.distributed.DistBackendError: NCCL error in: a.cpp:1", "NCCL_DEBUG=INFO"),
        ("Segmentation fault (core dumped)", "faulthandler"),
        ("ValueError: no check knows this", "torch.utils.collect_env"),
        # a GPU at work is not all beside an error of many meanings
        (ENVIRONMENT + "INFO No available shared memory broadcast block found in 60 seconds.", ""),
        (ENVIRONMENT + "RuntimeError: CUDA error: device-side assert triggered", ""),
        ("", PASTE),
        ("all is well\n" * 50, PASTE),
        (ENVIRONMENT.replace("Is CUDA available: True\n", ""), "the run that fails"),
        (ENVIRONMENT + "ValueError: no check knows this", "doctor check --deep"),
    ],
)
def test_the_next_thing_to_ask_for(text: str, asked: str) -> None:
    found = report(text)
    assert found.verdict == "unknown"
    assert asked in found.next
