"""A report in a notebook: what it shows, that it lets nothing in, and that the cells of the docs run in a kernel."""

import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from checkout import ROOT
from ipykernel.kernelspec import write_kernel_spec
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from render import reports
from render.page import Page
from typed import bare

import tunedoctor
from tunedoctor.render.formats.html import fragment

DRAWN = reports.drawn()


@pytest.mark.parametrize("name", DRAWN)
def test_it_is_one_element_without_scripts_links_or_ids(name):
    report, text = DRAWN[name].report, fragment(DRAWN[name].report)
    page = Page(text)
    assert text.isascii()
    assert text.startswith('<section class="tunedoctor">')
    assert {*page.tags} <= {"section", "div", "style", "header", "h3", "span", "p", "article", "code", "dl", "dt", "dd",
        "pre", "ul", "li", "table", "tr", "th", "td", "details", "summary"}  # fmt: skip
    names = {key for key, _ in page.pairs}
    assert names <= {"class", "aria-hidden", "scope"}
    shown = re.sub(r"\s+", " ", page.texts["section"][0])
    for finding in (*report.findings, *report.symptoms):
        command = "".join(c if c.isprintable() else " " for c in finding.cure.command)
        assert re.sub(r"\s+", " ", command) in shown, finding.id
    for why in (*report.unknown.values(), *report.skipped.values()):
        assert re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in why)) in shown


def test_its_style_applies_to_nothing_else_in_the_notebook():
    (style,) = Page(fragment(DRAWN["several"].report)).texts["style"]
    assert style.startswith(".tunedoctor{")
    depth = 0
    for number, character in enumerate(style, 1):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth > 0 or number == len(style) or "{" not in style[:number]
    assert depth == 0
    assert not re.search(r"[{};](?::root|html|body)\{(?!scroll)", style)
    assert not re.search(r"url\(|@import|</", style)


def test_hostile_text_stays_text():
    text = fragment(DRAWN["hostile"].report)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f]|&#(8238|8294|27);", text)


def cells() -> list[str]:
    text = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def executed(cells: list[str], folder: Path) -> nbformat.NotebookNode:
    """Run cells in a real kernel of this Python, whose pip asks no index."""
    write_kernel_spec(folder / "kernels" / "python3")
    around = {**bare(), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "IPYTHONDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder)}  # fmt: skip
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    manager = KernelManager(kernel_spec_manager=specs, transport="ipc", ip=str(folder / "k"))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(book, km=manager, timeout=300)
    client.execute(env=around, cwd=str(folder))
    return book


def test_the_cells_of_the_page_run_in_a_kernel_and_show_the_report(tmp_path):
    book = executed(cells(), tmp_path)
    check, triage, fit = (cell.outputs for cell in book.cells)
    assert "Requirement already satisfied: tunedoctor" not in json.dumps(check)  # --quiet
    shown = Page("".join(check[-1].data["text/html"]))
    mark, words = shown.texts["h3"][0][0], shown.texts["h3"][0][1:]
    assert (mark, words.split(":")[0]) == ("✗", "Not ready")
    assert os.path.realpath(sys.prefix) not in json.dumps(book.cells[1])
    assert "gpu-too-new-for-torch" in triage[-1].data["text/html"]
    assert fit[-1].text == "fits\n"
    assert "<script" not in json.dumps(book)


def test_the_report_of_a_notebook_is_that_of_the_command():
    report = tunedoctor.triage(
        "RuntimeError: CUDA error: no kernel image is available for execution on the device"
    )
    assert report._repr_html_() == fragment(report)
