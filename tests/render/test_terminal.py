"""The screens, against golden files. `UPDATE_GOLDEN=1 pytest tests/render` writes them anew."""

import os
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from museum import snapshot_of

from tunedoctor.core.explain import CheckPage, check_page
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import Report, ReportCure, ReportFinding, report_of
from tunedoctor.facts import Host, InstallerConfig, Interpreter, Knowledge, TorchBuild
from tunedoctor.facts.target import NOT_RUN
from tunedoctor.model.findings import Finding
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.readers.read import read_report
from tunedoctor.render import choice, terminal
from tunedoctor.render.formats import ReportView
from tunedoctor.render.page import render_page, render_text
from tunedoctor.render.screen import Screen
from tunedoctor.wheels.choose import WheelChoice, choose_with_commands
from tunedoctor.wheels.described import DescribedValues, blank

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
    return terminal.render(
        ReportView(report=report, code=0, partial=partial), screen, verbose=verbose
    )


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


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("case", ["driver-550-with-cu130", "healthy-rtx4090", "torch-hangs"])
def test_no_line_is_longer_than_the_terminal_is_wide(case, width):
    snapshot = snapshot_of(case)
    report = report_of(snapshot, diagnose(snapshot, all_checks()), seconds=0.21)
    lines = screened(report, Screen(width)).splitlines()
    whole = {one.cure.command for one in report.findings} | {one.settle for one in report.findings}
    # a command is never broken; one that is too long stands alone on its line
    assert all(line.strip() in whole for line in lines if len(line) > width)
    coloured = screened(report, Screen(width, colour=True))
    assert re.sub(r"\x1b\[\d*m", "", coloured).splitlines() == lines


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lists_and_pages_are_as_wide_as_the_terminal(width):
    screen = Screen(width)
    for check in all_checks():
        render_page(check_page(check), screen)
    lines = screen.text().splitlines()
    long = [x for x in lines if len(x) > width and not x.startswith("  doctor ")]
    assert all(len(x.split()) <= 2 for x in long), long  # one word that is longer than the line


def test_a_page_separates_its_paragraphs():
    page = CheckPage(
        id="an-id",
        title="A title",
        severity="error",
        text="Head.\n\nWhat it means\n    One.\n\n    Two.",
    )
    text = render_page(page, Screen())
    assert "  One.\n\n  Two.\n" in text


def test_a_page_of_docs_joins_the_lines_of_a_paragraph_and_keeps_code():
    markdown = "# Head\n\nOne\ntwo.\n\n- an item\n  goes on\n\n```sh\na  b\n```\n"
    assert render_text(markdown, Screen(40)) == (
        "# Head\n\nOne two.\n\n- an item goes on\n\n```sh\na  b\n```\n"
    )


def test_a_command_that_does_not_fit_stands_alone_on_its_line():
    screen = Screen(40)
    screen.command("fix", "pip install torch")
    screen.command("fix", "pip install torch==2.9.1 transformers==5.1")
    assert screen.text().splitlines() == [
        "      fix  pip install torch",
        "      fix",
        "  pip install torch==2.9.1 transformers==5.1",
    ]


def test_notes_about_the_machine_do_not_follow_an_unrelated_answer():
    """A pasted report has no overview; its first lines show the machine."""
    one = {"means": "", "cure": ReportCure(kind="advice", command="Use QLoRA", note="")}
    note = ReportFinding(id="vram-too-small", severity="note", title="8 GiB", found="8 GiB", **one)
    cause = ReportFinding(id="torch-missing", severity="error", title="x", found="y", **one)
    report = replace(report_on("healthy-rtx4090"), areas=(), findings=(cause, note))
    assert "vram-too-small" not in screened(report, Screen())
    assert "vram-too-small" in screened(report, Screen(), verbose=True)
    assert "vram-too-small" in screened(replace(report, findings=(note,)), Screen())


def test_the_size_of_the_gpu_comes_from_the_error_where_nothing_else_knows_it():
    text = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
        "capacity of 7.79 GiB of which 1.05 GiB is free.\n"
    )
    (found,) = diagnose(read_report(text), all_checks()).causes
    assert found.finding.found.endswith("; the GPU has 7.8 GiB")


def test_a_symptom_shows_the_fix_of_its_cause_and_no_note_of_its_own():
    snapshot = snapshot_of("compat-libcuda-on-geforce")
    report = report_of(snapshot, diagnose(snapshot, all_checks()))
    assert report.symptoms
    for one in report.symptoms:
        assert one.cure.command.startswith("Fix ")
        assert one.cure.note == ""


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
    page = CheckPage(
        id="an-id",
        title="A title",
        severity="error",
        explains=("other",),
        source="checks/an_id.py",
        text=text,
    )
    same("page.txt", render_page(page, Screen()))


LINUX = DescribedValues(platform="linux", gpus=("RTX 4090",), driver="550.144.03")
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
    "wheel-two-ages": (DescribedValues(platform="windows", gpus=("1080 Ti", "5090")), None, 3),
    "wheel-rocm-override": (DescribedValues(platform="linux", gpus=("gfx1031",)), None, 3),
    "wheel-macos": (DescribedValues(platform="macos", macos="15.1"), None, 3),
}


def answer_to(asked: DescribedValues, snapshot: Snapshot | None, days: int) -> WheelChoice:
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


def text_screen(text: str, *, verbose: bool = False) -> str:
    """Return the screen for a pasted text, with all checks."""
    snapshot, checks = read_report(text), all_checks()
    report = report_of(snapshot, diagnose(snapshot, checks), checks, seconds=0.1)
    return screened(report, Screen(), verbose=verbose)


def test_a_text_without_any_known_cause_is_undecided_in_one_sentence():
    screen = text_screen("hello, my training does not learn anything useful, any idea?\n")
    assert screen.startswith("input    pasted report\n")
    assert "? Undecided: no known cause fits this text" in screen
    assert "does not say" not in screen
    assert "unknown" not in screen


def test_what_a_text_does_not_say_is_listed_only_with_verbose():
    text = "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
    assert "the report does not say" not in " ".join(text_screen(text).split())
    assert "the report does not say" in " ".join(text_screen(text, verbose=True).split())


def test_no_text_makes_a_cause_certain():
    text = "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
    assert "100%" not in text_screen(text)


def test_a_report_without_a_problem_says_so_and_what_it_lacks():
    text = (
        "PyTorch version: 2.9.1+cu126\nOS: Ubuntu 22.04 (x86_64)\n"
        "Python version: 3.12.3 (64-bit runtime)\nIs CUDA available: True\n"
        "Nvidia driver version: 570.86.15\nGPU 0: NVIDIA GeForce RTX 4090\n"
        "[pip3] torch==2.9.1\n"
    )
    words = " ".join(text_screen(text).split())
    assert "No problem found in the report: " in words
    assert "need facts that the report lacks" in words


@pytest.mark.parametrize(("days", "shown"), [(30, False), (31, True)])
def test_the_age_of_the_wheel_table_is_shown_once_it_is_old(days, shown):
    report = report_on("healthy-rtx4090")
    known = replace(report.knowledge, days=days)
    assert (
        "table of PyTorch wheels" in screened(replace(report, knowledge=known), Screen())
    ) == shown
    assert "table of PyTorch wheels" in screened(
        replace(report, knowledge=known), Screen(), verbose=True
    )
