"""`--format md`: what stands in it for people, to GitHub's own parser, and that triage comes to the same diagnosis.

`doctor triage` of what a check of each machine of the museum writes, whatever pasting does to it, is the report of
that check.
"""

import json
import os
import random
import re
import textwrap
from collections.abc import Callable
from html.parser import HTMLParser

import cmarkgfm
import museum
import pytest
from cmarkgfm.cmark import Options
from msgspec.structs import replace
from museum import altered, names
from rows import words
from test_house import three_hundred
from typed import inside as doctor

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.redaction import public, redact, this_identity
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import Report, exit_code, report_of
from tunedoctor.model.snapshot import Snapshot, from_data, to_data
from tunedoctor.readers.facts_block import find_facts, text_of
from tunedoctor.readers.read import read_report
from tunedoctor.render.formats import ReportView
from tunedoctor.render.formats.md import LARGEST, render

CHECKS = all_checks()
WHO = this_identity(shared=True)


def snapshot_of(name: str) -> Snapshot:
    told = museum.snapshot_of(name).answers()
    return Snapshot(told, taken="2026-11-29T23:58:06+00:00", doctor="0.1.0")


def report_on(snapshot: Snapshot) -> Report:
    return public(report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS), WHO)


def written(snapshot: Snapshot, report: Report | None = None) -> str:
    report = report or report_on(snapshot)
    return render(ReportView(report=report, code=exit_code(report), facts=snapshot))


def same(one: Report, other: Report) -> bool:
    """Tell whether two reports say the same, a name aside that a check cut before it was hidden."""
    first, second = (
        replace(report, **{name: tuple(replace(f, means="") for f in getattr(report, name)) for name in ("findings", "symptoms")})
        for report in (one, other)
    )  # fmt: skip
    return first == second


def test_triage_of_a_machine_comes_to_the_same():
    differ = []
    for name in names()[::2]:
        snapshot = snapshot_of(name)
        report = report_on(snapshot)
        text = written(snapshot, report)
        assert len(text) <= LARGEST
        differ += [] if same(report, report_on(read_report(text))) else [name]
    assert len(names()) > 400
    assert differ == []


def hard(text: str, width: int) -> str:
    rows = (
        [row[at : at + width] for at in range(0, max(len(row), 1), width)]
        for row in text.split("\n")
    )
    return "\n".join(part for parts in rows for part in parts)


def soft(text: str) -> str:
    return "\n".join(
        "\n".join(textwrap.wrap(row, 72, break_long_words=False, break_on_hyphens=False))
        for row in text.split("\n")
    )


def rendered(text: str) -> str:
    """What is selected on the page: no marks of Markdown."""
    text = re.sub(
        r"</?(?:details|summary|code)>|^#+ |^- |^```.*\n|`(?!``)", "", text, flags=re.MULTILINE
    )
    return text.replace("```\n", "")


def each(mark: str) -> Callable[[str], str]:
    return lambda text: "".join(f"{mark}{row}\n" for row in text.split("\n"))


DAMAGE: dict[str, Callable[[str], str]] = {
    "quoted": each("> "),
    "quoted twice": each(">> "),
    "quoted by mail": lambda text: each("> ")(soft(text)),
    "indented": each("    "),
    "with tabs": each("\t"),
    "of a rank": each("[rank0]: "),
    "of a log": each("2026-11-29T12:00:00.1234567Z "),
    "of Windows": lambda text: text.replace("\n", "\r\n"),
    "off the page": rendered,
    "the facts alone": lambda text: text[text.index('{"schema') : text.rindex("}}") + 2],
    "off a terminal of 80": lambda text: hard(text, 80),
    "off a terminal of 120": lambda text: hard(text, 120),
    "wrapped by mail": soft,
    "in one line": lambda text: text.replace("\n", " "),
    "coloured": lambda text: text.replace('"', '\x1b[32m"\x1b[0m'),
    "typeset": lambda text: re.sub('"([^"\n]*)"', "\u201c\\1\u201d", text.replace(": ", ":\u00a0")),
    "with words around": lambda text: f"Hello, it stopped:\n\n{text}\nThank you!\n",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_whatever_pasting_does(damage):
    for name in names()[7::60]:
        snapshot = snapshot_of(name)
        pasted = DAMAGE[damage](written(snapshot))
        assert same(report_on(snapshot), report_on(read_report(pasted))), name


TRACEBACK = """It stops:
Traceback (most recent call last):
  File "/home/ada/train.py", line 3, in <module>
    batch = tokenizer(texts, padding=True)
ValueError: Asking to pad but the tokenizer does not have a padding token.

It worked with torch 2.1.0 and driver 470.57.
"""


def test_an_error_above_the_facts_counts_and_facts_go_by_the_block():
    imported = kinds.ErrorText(text="ImportError: cannot open it", where="import trl")
    snapshot = snapshot_of("driver-550-with-cu130").having(kinds.Errors(errors=(imported,)))
    told = read_report(f"{TRACEBACK}{written(snapshot)}")
    errors = told.find(kinds.Errors)
    assert [one.where for one in errors.errors] == ["import trl", "line 5"]
    wanted = from_data(redact(to_data(snapshot), WHO))
    for kind in (kinds.TorchBuild, kinds.NvidiaDriver, kinds.NvidiaGpus, kinds.Interpreter):
        assert told.find(kind) == wanted.find(kind) is not None
    found = [one.id for one in report_on(told).findings if one.severity == "error"]
    assert found == ["pad-token-missing", "driver-too-old"]


PIECES = words("markdown")


class Page(HTMLParser):
    """What a page shows outside of code, and the tags it is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.open, self.shown = set[str](), list[str](), ""
        self.feed(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag + "".join(name for name, _ in attrs if (tag, name) != ("pre", "lang")))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.shown += "" if {"code", "pre"} & {*self.open} else data


ACTIVE = re.compile(r"@|#\d|://|www\.|[<>`\[\]*_]")


def test_hostile_words_are_words_to_githubs_parser_and_come_back():
    draw, base = random.Random(7), snapshot_of("driver-550-with-cu130")  # noqa: S311
    honest = report_on(base)
    plain = Page(written(base)).tags
    assert ACTIVE.search(Page("see @octocat").shown), "the control"
    assert Page("https://e.example").tags - plain, "the control"

    def hostile():
        return "".join(draw.choices(PIECES, k=draw.randint(1, 14)))

    for _ in range(300):
        cure = replace(
            honest.findings[0].cure,
            command=hostile(),
            note=hostile(),
            kind=draw.choice(["command", "advice"]),
        )
        words = {name: hostile() for name in ("title", "found", "means", "settle")}
        host = {name: hostile() for name in ("name", "kernel")}
        package = kinds.Distribution(name=hostile(), version=hostile(), location=hostile())
        snapshot = altered(
            altered(base, kinds.Host, **host),
            kinds.Packages,
            distributions=lambda had, one=package: (*had, one),
        )
        snapshot = snapshot.having(kinds.Environment(variables={hostile(): hostile()}))
        report = replace(
            honest,
            findings=(replace(honest.findings[0], cure=cure, **words),),
            next=hostile(),
            unknown={"no-gpu": hostile()},
            machine=replace(honest.machine, system=hostile(), driver=hostile()),
            target=replace(honest.target, packages={hostile(): hostile()}),
        )  # fmt: skip
        text = render(ReportView(report=report, code=1, facts=snapshot))
        page = Page(text)
        assert page.tags <= plain, text
        assert not ACTIVE.search(page.shown), text
        back, wanted = find_facts(text).snapshot, from_data(redact(to_data(snapshot), WHO))
        assert back
        assert not re.search("[`@]|<[a-z/!]", text_of(wanted)), (
            "where the marks of a block are lost"
        )
        for kind in (kinds.Host, kinds.Environment):
            assert back.get(kind) == wanted.get(kind)
        assert _packages(back)[-1] == _packages(wanted)[-1]


def _packages(snapshot: Snapshot) -> list[tuple[str, ...]]:
    told = snapshot.find(kinds.Packages)
    return [(one.name, one.version, one.location) for one in told.distributions] if told else []


def test_an_environment_of_hundreds_by_the_commands(tmp_path):
    words = [*three_hundred(tmp_path), "--format"]
    text = doctor(*words, "md").stdout
    assert text.count("pkg-") >= 300
    assert len(text) < LARGEST / 3
    told, own = (
        json.loads(doctor(*argv, stdin=text).stdout)
        for argv in (["triage", "-", "--format", "json"], [*words, "json"])
    )
    for name in ("verdict", "findings", "symptoms", "unknown", "target", "machine"):
        assert told[name] == own[name], name


def test_this_machines_name_is_hidden_in_what_is_said_too(monkeypatch):
    real = os.uname()
    own = os.uname_result((real.sysname, "bletchley7", *real[2:]))
    monkeypatch.setattr(os, "uname", lambda: own)
    report = replace(report_on(snapshot_of("healthy-rtx4090")), next="look at bletchley7")
    text = render(ReportView(report=report, code=0))
    assert re.search(r"^Next: look at host-[0-9a-f]{6}$", text, re.MULTILINE)


def test_what_has_no_room_is_left_out_and_is_not_told_then():
    base = snapshot_of("driver-550-with-cu130")
    many = tuple(kinds.Distribution(name=f"package-{n}", version=f"1.{n}") for n in range(6000))
    frames = tuple(kinds.Frame(file="/x/" + "y" * 400, line=n) for n in range(40))
    errors = tuple(kinds.ErrorText(text=f"ImportError: {n}", frames=frames) for n in range(9))
    for facts, gone in (
        ((kinds.Packages(distributions=many),), "Packages"),
        ((kinds.Errors(errors=errors),), "outer frames"),
    ):
        text = written(base.having(*facts))
        assert len(text) <= LARGEST
        assert f"All facts except {gone}, to save space" in text
        assert "driver-too-old" in {one.id for one in report_on(read_report(text)).findings}
    told = read_report(written(base.having(kinds.Packages(distributions=many))))
    assert "too long" in getattr(told.get(kinds.Packages), "why", "")


H = '{"schema": "doctor.facts/1", "facts": {'
DAMAGED = {
    "deep": (H + '"Host": ' + "[" * 100_000, "nested too deeply"),
    "cut": (text_of(snapshot_of("healthy-rtx4090"))[:-400], "its JSON is damaged"),
    "no number": (H + '"Cpu": {"value": {"count": NaN, "usable": 2}}}}', "its JSON is damaged"),
    "other form": (H + '"Packages": {"value": {"distributions": [1, null]}}}}', "unknown form"),
    "no kind": (H + '"Cpx": {"absent": "x"}}}', "not a kind of fact"),
    "a type": (H + '"Host": {"value": {"os": 3}}}}', "Host: "),
    "many": ((H + "\n") * 20_000, "its JSON is damaged"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_facts_that_cannot_be_read_are_said_and_the_rest_is_read(name, inside):
    block, why = DAMAGED[name]
    whole = written(snapshot_of("driver-550-with-cu130"))
    text = f"{whole[: whole.index('<details>')]}\n{block}\n"
    ended = inside("triage", "-", "--format", "json", stdin=text)
    assert ended.stderr.startswith("doctor: the facts that doctor wrote can't be read: ")
    assert why in ended.stderr
    told = json.loads(ended.stdout)
    assert told["machine"]["driver"] == "550.144.03"
    assert told["target"]["version"].startswith("3.")
