"""The report as a page: what it holds, and how a real browser shows it, in both schemes and at three widths."""

import re
from base64 import b64encode
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from render import chromium, reports
from render.page import Page

from tunedoctor.diagnosis.report import machine_of
from tunedoctor.memory.band import Device
from tunedoctor.memory.overview import machine_table
from tunedoctor.memory.run import Run
from tunedoctor.render.formats.html import render

DRAWN = reports.drawn()


@pytest.mark.parametrize("name", DRAWN)
def test_the_page_is_whole_tells_all_and_lets_nothing_in(name):
    told, text = DRAWN[name], render(DRAWN[name])
    page, report = Page(text), told.report
    assert text.isascii()
    assert not {"link", "img", "iframe", "object", "base", "form", "foreignobject"} & {*page.tags}
    outside = [
        v for k, v in page.pairs if k in ("src", "href", "action", "data", "srcset", "xlink:href")
    ]
    assert all(one.startswith("#") and ("id", one[1:]) in page.pairs for one in outside)
    assert not [k for k, _ in page.pairs if k.startswith("on") or k == "style"]
    assert "url(" not in "".join(page.texts["style"])
    (policy,) = (v for k, v in page.pairs if k == "content" and "default-src" in v)
    rules = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    hashes = {k: [f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in page.texts[k]]
              for k in ("script", "style")}  # fmt: skip
    assert rules["default-src"] == "'none'"
    assert [rules["script-src"]] == hashes["script"]
    assert {*hashes["style"]} <= {*rules["style-src"].split()}
    assert "unsafe" not in policy
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert {"header", "nav", "main", "footer"} <= {*page.tags}
    codes, shown = page.texts["code"], page.texts["body"][0]
    for one in (*report.findings, *report.symptoms):
        clean = "".join(c if c.isprintable() else " " for c in one.cure.command)
        assert clean in (codes if one.cure.kind == "command" else shown), one.id
    if name == "hostile":
        return
    heads = {*page.texts["h3"], *page.texts["summary"]}
    for one in report.findings:
        assert heads & {f"{sign}{one.title}" for sign in "✗!?i"}
        assert not one.accepted or one.accepted in "".join(page.texts["details"])
    for group in (report.unknown, report.skipped):
        assert all(id_ in codes for id_ in group)
        first = {why: id_ for id_, why in reversed(group.items())}
        assert all(shown.count(f"{why}{id_}") == 1 for why, id_ in first.items())


def test_verdicts_are_words_and_hostile_text_stays_text():
    heads = {name: Page(render(told)).texts["h1"][0] for name, told in DRAWN.items()}
    assert heads["eight"] == "✓Ready to fine-tune, with 1 note"
    assert heads["several"] == "✗Not ready: 1 error, 1 warning, 3 notes"
    assert heads["nowhere"] == "?Undecided: no Python environment was checked"
    assert heads["cpu"].startswith("✓Ready to fine-tune on the CPU")
    text = render(DRAWN["hostile"])
    assert text.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f]|&#(8238|8294|27);", text)


def test_memory_says_what_fit_says_who_holds_it_and_what_is_not_known():
    page = Page(render(DRAWN["eight"]))
    gpus = DRAWN["eight"].report.machine.gpus
    assert [len(one.processes) for one in gpus] == [0, 0, 2, 0, 0, 1, 0, 0]
    says = "".join(page.texts["figure"])
    words = ("python3 (81234): 41 GiB on GPU 2", "jupyter (9): memory unknown")
    assert [one for one in (*words, "GPU 7: usage unknown, of 80 GiB") if one not in says] == []
    (jobs,) = (one for one in page.texts["table"] if "QLoRA" in one)
    size, free = gpus[0].memory, gpus[0].free
    for cell in machine_table(Device("", "nvidia", size / 2**30, free / 2**30), Run()).cells:
        assert f"{cell.need_gib:.1f} GiB, {cell.verdict}" in jobs
    apple = machine_of(reports.snapshot_of("healthy-apple-silicon")).gpus[0]
    assert apple.room
    arc = Page(render(reports.told(reports.report_on("healthy-arc"))))
    assert "It is unknown how much memory" in arc.texts["main"][0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not chromium.WHERE:
        pytest.skip("there is no Chromium: apt-get install chromium")
    one = chromium.Chromium(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


ASKED = Path(__file__).with_name("page.js").read_text("utf-8")


@pytest.mark.platforms
@pytest.mark.parametrize("name", DRAWN)
def test_a_browser_shows_it_at_three_widths_in_both_schemes(browser, tmp_path, name):
    file = tmp_path / "report.html"
    file.write_text(render(DRAWN[name]), "ascii")
    for width in (390, 768, 1280):
        for dark in (False, True):
            browser.show(file, width, dark=dark)
            browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.run(f"{ASKED}asked.over()") == []
            seen, pale = browser.run(f"{ASKED}asked.pale()")
            assert (seen > 50, pale) == (True, [])
            assert browser.run("getComputedStyle(document.body).backgroundColor") == (
                "rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)"
            )
            assert browser.said == []


@pytest.mark.platforms
def test_the_keyboard_reaches_all_and_copies_and_without_scripts_it_is_read(browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(render(DRAWN["several"]), "ascii")
    browser.show(file, 1280)
    browser(
        "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
    )
    seen = "[...document.querySelectorAll('button,summary,a')].filter(one => one.checkVisibility())"
    wanted = browser.run(f"{seen}.length")
    reached, copied = set(), []
    for _ in range(wanted):
        browser.key("Tab", 9)
        tag, line, thick, there, which = browser.run(f"{ASKED}asked.focus()")
        assert tag in ("A", "BUTTON", "SUMMARY")
        assert (line, thick >= 2, there) == ("solid", True, True)
        reached.add(which)
        if tag == "BUTTON":
            browser.key("Enter", 13, "\r")
            browser.run("new Promise(done => setTimeout(done, 50))")
            assert browser.run("document.activeElement.innerText").startswith("Copied")
            copied.append(browser.run("navigator.clipboard.readText()"))
        if tag == "SUMMARY":
            browser.key(" ", 32, " ")
            assert browser.run("document.activeElement.parentElement.open")
            browser.key(" ", 32, " ")
    assert len(reached) == wanted
    commands = [one.cure.command for one in DRAWN["several"].counting if one.cure.kind == "command"]
    assert commands == [one for one in copied if one in commands]
    tree = browser("Accessibility.getFullAXTree")["nodes"]
    roles = {one["role"]["value"] for one in tree if not one["ignored"]}
    wanted = "banner main navigation contentinfo heading image table rowheader"
    assert {*wanted.split()} <= roles
    shown = [one for one in tree if one["role"]["value"] == "image" and not one["ignored"]]
    assert [one["name"]["value"] for one in shown] == ["Memory of each GPU"]
    assert browser.said == []
    browser("Emulation.setScriptExecutionDisabled", value=True)
    browser.show(file, 1280)
    browser("Emulation.setScriptExecutionDisabled", value=False)
    bare = browser.run("document.body.innerText")
    assert "Copy" not in bare
    assert all(one.cure.command in bare for one in DRAWN["several"].counting)
