"""The screens, against golden files. `UPDATE_GOLDEN=1 pytest tests/render` writes them anew."""

import os
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from museum import snapshot_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import Report, report_of
from tunedoctor.facts import Host, Knowledge
from tunedoctor.model.findings import Check, Finding
from tunedoctor.render import terminal
from tunedoctor.render.screen import Screen

GOLDEN = Path(__file__).parent / "golden"


def _same(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def _report(case: str) -> Report:
    known = Knowledge(date="2026-11-24", days=31, source="shipped")
    snapshot = snapshot_of(case).having(known)
    only = {"driver-too-old", "torch-sees-no-gpu", "python-old", "no-gpu", "vram-too-small"}
    checks = [c for c in all_checks() if c.id in only]
    return report_of(snapshot, diagnose(snapshot, checks), seconds=0.21)


@pytest.mark.parametrize("case", ["healthy-rtx4090", "driver-550-with-cu130"])
def test_check_screen(case: str) -> None:
    _same(f"{case}.txt", terminal.render(_report(case), Screen()))


def test_ascii_screen() -> None:
    text = terminal.render(_report("driver-550-with-cu130"), Screen(encoding="ascii"))
    assert text.isascii()
    _same("ascii.txt", text)


def test_what_was_not_looked_at_is_not_counted_as_well() -> None:
    report = _report("healthy-rtx4090")
    assert "Ready to fine-tune: " in terminal.render(report, Screen())
    part = terminal.render(report, Screen(), partial=True)
    assert "Ready" not in part
    assert "Next: doctor smoke" not in part
    assert part.splitlines()[-1].startswith("✓ ")
    skipped = {"a": "nothing of the target was run: doctor check --deep does", "b": "no GPU"}
    told = terminal.render(replace(report, skipped=skipped), Screen(200))
    assert "1 not for this machine, 1 not run (--deep runs it)" in told


@pytest.mark.parametrize("width", [40, 60, 120, 200])
def test_lines_are_as_long_as_the_terminal_is_wide(width: int) -> None:
    report = _report("driver-550-with-cu130")
    lines = terminal.render(report, Screen(width)).splitlines()
    long = [line for line in lines if len(line) > width]
    # what is pasted, and the first line of a finding, stay whole
    assert all(" pip install " in x or x[:1] in "✗-" or x[:5] in ("Next:", "     ") for x in long)
    assert max(map(len, lines)) >= min(width, 80) - 12
    coloured = terminal.render(report, Screen(width, colour=True))
    assert re.sub(r"\x1b\[\d*m", "", coloured).splitlines() == lines


def test_nothing_in_a_text_is_read_as_markup() -> None:
    for colour in (False, True):
        screen = Screen(colour=colour)
        screen.line("[red]x[/red]", ("[bold]", "dim"))
        screen.table("a|>b", [("[red]", "[/]")])
        assert all(one in screen.text() for one in ("[red]x[/red]", "[bold]", "[/]"))


def test_page() -> None:
    check = Check(
        id="an-id",
        title="A title",
        severity="error",
        explains=("other",),
        advice=False,
        run=_never,
        page="First.\n\nWhat it means\n    Long prose that goes on over\n    two lines.\n\nSeen as\n    Error: x\n    y\n",
        origin="",
    )
    _same("page.txt", terminal.render_page(check, "checks/an_id.py", Screen()))


def _never(host: Host) -> Finding | None:
    raise AssertionError(host)
