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
from tunedoctor.facts import Host, InstallerConfig, Interpreter, Knowledge, TorchBuild
from tunedoctor.facts.target import NOT_RUN
from tunedoctor.model.findings import Check, Finding
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render import choice, terminal
from tunedoctor.render.formats import Told
from tunedoctor.render.page import render_page
from tunedoctor.render.screen import Screen
from tunedoctor.wheels.choose import WheelChoice, choose_with_commands
from tunedoctor.wheels.described import Asked, blank

GOLDEN = Path(__file__).parent / "golden"


def same(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def screened(
    report: Report, screen: Screen, *, partial: bool = False, verbose: bool = False
) -> str:
    return terminal.render(Told(report=report, code=0, partial=partial), screen, verbose=verbose)


def report_on(case: str) -> Report:
    known = Knowledge(date="2026-11-24", days=31, source="shipped")
    snapshot = snapshot_of(case).having(known)
    only = {"driver-too-old", "torch-sees-no-gpu", "python-old", "no-gpu", "vram-too-small"}
    checks = [c for c in all_checks() if c.id in only]
    return report_of(snapshot, diagnose(snapshot, checks), seconds=0.21)


@pytest.mark.parametrize("case", ["healthy-rtx4090", "driver-550-with-cu130"])
def test_check_screen(case):
    same(f"{case}.txt", screened(report_on(case), Screen()))


def test_ascii_screen():
    text = screened(report_on("driver-550-with-cu130"), Screen(encoding="ascii"))
    assert text.isascii()
    same("ascii.txt", text)


def test_what_was_not_looked_at_is_not_counted_as_well():
    report = report_on("healthy-rtx4090")
    assert "✓ Ready to fine-tune" in screened(report, Screen())
    part = screened(report, Screen(), partial=True)
    assert "Ready" not in part
    assert "doctor smoke" not in part
    assert part.splitlines()[-1].startswith("✓ No problem found by the selected checks")
    skipped = {"a": NOT_RUN, "b": "no GPU"}
    assert "not for this machine" not in screened(replace(report, skipped=skipped), Screen(200))
    told = screened(replace(report, skipped=skipped), Screen(200), verbose=True)
    assert "1 not for this machine, 1 not run (--deep runs it)" in told


@pytest.mark.parametrize("width", [40, 60, 120, 200])
def test_lines_are_as_long_as_the_terminal_is_wide(width):
    report = report_on("driver-550-with-cu130")
    lines = screened(report, Screen(width)).splitlines()
    long = [line for line in lines if len(line) > width]
    # what is pasted, and the first line of a finding, stay whole
    assert all(" pip install " in x or x[:1] in "✗-" or x[:5] in ("Next:", "     ") for x in long)
    assert max(map(len, lines)) >= min(width, 80) - 12
    coloured = screened(report, Screen(width, colour=True))
    assert re.sub(r"\x1b\[\d*m", "", coloured).splitlines() == lines


def test_nothing_in_a_text_is_read_as_markup():
    for colour in (False, True):
        screen = Screen(colour=colour)
        screen.line("[red]x[/red]", ("[bold]", "dim"))
        screen.table("a|>b", [("[red]", "[/]")])
        assert all(one in screen.text() for one in ("[red]x[/red]", "[bold]", "[/]"))


def _never(host: Host) -> Finding | None:
    raise AssertionError(host)


def test_page():
    text = "First.\n\nWhat it means\n    Long prose that goes on over\n    two lines.\n\nSeen as\n    Error: x\n    y\n"
    told = {"id": "an-id", "title": "A title", "explains": ("other",), "page": text}
    one = Check(**told, advice=False, run=_never, origin="")
    same("page.txt", render_page(one, "checks/an_id.py", Screen()))


LINUX = Asked(platform="linux", gpus=("RTX 4090",), driver="550.144.03")
SETTING = "pip.extra-index-url"
CONFIGURED = Snapshot({}).having(
    Host(os="linux", name="Ubuntu 24.04", machine="x86_64"),
    Interpreter(executable="/home/ada/my env/bin/python", version="3.12.7", machine="x86_64"),
    TorchBuild(version="2.9.1+cu130", cuda="13.0", accelerator="cuda", variant="cu130"),
    InstallerConfig(
        settings={SETTING: "https://pkg.example/simple"}, places={SETTING: "PIP_EXTRA_INDEX_URL"}
    ),
)
SCREENS = {
    "wheel-cuda-12": (LINUX, None, 3),
    "wheel-configuration": (LINUX._replace(gpus=("4090",), glibc="2.39"), CONFIGURED, 3),
    "wheel-upgrade-driver": (LINUX._replace(driver="440.33"), None, 75),
    "wheel-two-ages": (Asked(platform="windows", gpus=("1080 Ti", "5090")), None, 3),
    "wheel-rocm-override": (Asked(platform="linux", gpus=("gfx1031",)), None, 3),
    "wheel-macos": (Asked(platform="macos", macos="15.1"), None, 3),
}


def answer_to(asked: Asked, snapshot: Snapshot | None, days: int) -> WheelChoice:
    machine, assumed = blank(asked, "3.12")
    known = Knowledge(date="2026-11-24", days=days, source="shipped")
    return choose_with_commands(machine, snapshot, () if snapshot else assumed, known)


@pytest.mark.parametrize("name", SCREENS)
def test_screen_of_a_choice(name):
    told = answer_to(*SCREENS[name])
    screen = choice.render(told, Screen())
    same(f"{name}.txt", screen)
    assert choice.render(told, Screen(encoding="ascii")).isascii()
    # commands stand whole at the start of their lines
    assert told.commands is None or {*told.commands.pip, *told.commands.uv_pip} <= {
        *screen.split("\n")
    }
