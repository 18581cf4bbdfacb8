"""The words of findings and manual pages keep the rules of docs: short, plain, with a cure that can be pasted."""

import re

import pytest
from museum import diagnosis_of, names

from tunedoctor.engine import Found
from tunedoctor.findings import SEVERITIES, Check
from tunedoctor.messages.cause import page_of
from tunedoctor.registry import all_checks, source_of

CHECKS = all_checks()
IDS = {check.id for check in CHECKS}
SECTIONS = ("What it means", "How it is found", "Cures", "When to ignore it", "Seen as")
FORBIDDEN = re.compile(
    r"\b(?:may|might|please|invalid|illegal|sorry|unfortunately|oops|simply|obviously|error occurred|you should"
    r"|you must|you forgot|your fault|wrongly|bad user)\b",
    re.IGNORECASE,
)
QUOTED = re.compile(r"(?<!\w)'[^'\n]*(?:'\w[^'\n]*)*'(?!\w)|\"[^\"]*\"|`[^`]*`")
"""Literal messages and commands keep their own words."""
MEMORY_IN_GB = re.compile(r"\d ?(?:GB|MB) of (?:RAM|memory|VRAM|GPU memory)")
PLACES = re.compile(r"/root/")


def _findings(name: str) -> list[Found]:
    diagnosis = diagnosis_of(name)
    below = [one for symptoms in diagnosis.symptoms.values() for one in symptoms]
    return [*diagnosis.causes, *below]


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
    for name, one in ((machine, one) for machine in names() for one in _findings(machine)):
        finding, who = one.finding, f"{one.check.id} in {name}"
        assert one.severity in SEVERITIES, who
        assert 0 < len(one.title) <= 60, (who, one.title)
        assert not one.title.endswith((".", "!", "?")), (who, one.title)
        command = finding.cure.command
        for part, text in (("found", finding.found), ("means", finding.means), ("cure", command)):
            assert text.strip(), (who, part)
            assert text == text.strip(), (who, part)
        assert not finding.found.endswith((".", "!")), (who, finding.found)
        assert not finding.means.endswith((".", "!")), (who, finding.means)
        assert "\n" not in command, (who, command)
        assert not command.startswith(("http:", "https:", "www.")), (who, command)
        for text in (one.title, finding.found, finding.means, finding.cure_note):
            plain = QUOTED.sub("", text)
            assert not FORBIDDEN.search(plain), (who, text)
            assert "!" not in plain, (who, text)
            assert not MEMORY_IN_GB.search(plain), (who, text)
            assert "  " not in text or "'" in text, (who, text)
        for text in (finding.found, finding.means, command, finding.cure_note):
            assert not PLACES.search(text), (who, text)
            assert "None" not in QUOTED.sub("", text).split(), (who, text)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.id)
def test_manual_page(check: Check) -> None:
    """A check's page is one sentence, then the five sections in order; a cause without code has its title for it."""
    page = f"{check.title}.\n\n{page_of(check)}" if check.by_words else page_of(check)
    first, *rest = page.splitlines()
    assert first.endswith("."), first
    assert len(first) <= 120, first
    assert rest, "the page has its first line alone"
    assert rest[0] == "", "a blank line follows the first"
    sections = _sections(page)
    assert tuple(sections) == SECTIONS
    for title, lines in sections.items():
        assert lines, f"{title} is empty"
        prose = " ".join(lines)
        if title != "Seen as":
            plain = QUOTED.sub("", prose)
            assert not FORBIDDEN.search(plain), (title, FORBIDDEN.search(plain))
            assert prose.endswith((".", ":")), (title, prose[-40:])
            assert "http" not in prose, title


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.id)
def test_names(check: Check) -> None:
    """A check's id, file and function have one name; its title is short; what it explains exists."""
    name = check.id.replace("-", "_")
    assert not check.by_words or source_of(check).endswith(f"/{name}.toml")
    assert check.by_words or check.run.__name__ == name
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", check.id)
    assert len(check.title) <= 60
    assert not check.title.endswith((".", "!", "?"))
    assert not FORBIDDEN.search(QUOTED.sub("", check.title))
    assert check.id not in check.explains
    assert len(set(check.explains)) == len(check.explains)
    unknown = set(check.explains) - IDS
    assert not unknown, f"explains {sorted(unknown)}, which no check finds"
