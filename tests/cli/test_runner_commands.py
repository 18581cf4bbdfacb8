"""No output in any format holds a line that a CI runner obeys, whatever the words of a report are."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typed import doctor

from tunedoctor.target import safe_text

COMMANDS = (
    "::error::stolen",
    "  ::set-output name=x::stolen",
    "::stop-commands::stolen",
    "##[error]stolen",
    "##vso[task.setvariable variable=x]stolen",
    "a ##vso[build.addbuildtag]stolen",
    "##teamcity[buildNumber 'stolen']",
    "--- stolen",
    "+++ stolen",
    "^^^ +++",
    "\x1b[0Ksection_start:1:stolen\r\x1b[0K",
)
OBEYED = re.compile(
    r"^\s*::[\w-]+.*::|##\w*\[|^(---|\+\+\+|~~~|\^\^\^) |section_(start|end):\d+:\w+\r",
    re.MULTILINE,
)
FORMATS = (
    "terminal",
    "json",
    "jsonl",
    "md",
    "html",
    "junit",
    "sarif",
    "gitlab",
    "prometheus",
    "line",
)
FORMATS += ("nagios",)
LOG = 'Traceback (most recent call last):\n  File "a.py", line 1\n{0}\nRuntimeError: {0}\n{0}\n{0}: not found\n'
LOG += "CUDA error: out of memory {0}\n{0}\n"


def policy(text: str) -> str:
    """Return a doctor.toml whose reason for ignoring a check is the text."""
    reason = json.dumps(f"x\n{text}\n{text}")
    return f'[[ignore]]\nid = "no-nvidia-gpu"\nreason = {reason}\nuntil = 2099-01-01\n'


@pytest.mark.parametrize("format_", FORMATS)
def test_no_format_holds_a_command(tmp_path, format_):
    (tmp_path / "log").write_text("\n".join(map(LOG.format, COMMANDS)), encoding="utf-8")
    ended = doctor("triage", "log", "-v", "--format", format_, cwd=tmp_path)
    assert "stolen" in ended.stdout or format_ in ("prometheus", "line", "nagios")
    assert not OBEYED.search(ended.stdout)
    assert not OBEYED.search(ended.stderr)


@pytest.mark.parametrize("format_", ["md", "html", "junit", "json"])
def test_no_file_holds_a_command(tmp_path, format_):
    (tmp_path / "log").write_text("\n".join(map(LOG.format, COMMANDS)), encoding="utf-8")
    doctor("triage", "log", "--output", f"{format_}=out", cwd=tmp_path)
    assert not OBEYED.search((tmp_path / "out").read_text(encoding="utf-8"))


def test_a_snapshot_holds_no_command_and_the_same_value(tmp_path):
    ended = doctor("snapshot", cwd=tmp_path, HF_HOME="/x ##vso[y]z", NCCL_DEBUG="::error::z")
    assert not OBEYED.search(ended.stdout)
    assert "/x ##vso[y]z" in str(json.loads(ended.stdout))


def test_stderr_holds_no_command(tmp_path):
    ended = doctor("triage", "no\n::error::stolen", cwd=tmp_path)
    assert ended.returncode == 2
    assert "stolen" in ended.stderr
    assert not OBEYED.search(ended.stderr)


class Text(HTMLParser):
    """The text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data


WORDS = st.lists(
    st.sampled_from([*COMMANDS[:-1], "\n", " ", "x", "#", ":", "-", "##", "[", "vso"]), max_size=9
).map("".join)


@given(WORDS)
def test_each_way_of_writing_keeps_the_value(text):
    as_json = safe_text.as_json(json.dumps({text: text}))
    assert json.loads(as_json) == {text: text}
    page = safe_text.as_xml(f"<p>\n{text}\n</p>")
    assert ET.fromstring(page).text == f"\n{text}\n"  # noqa: S314  its own
    assert Text(page).text == f"\n{text}\n"
    plain = safe_text.as_plain_text(text)
    assert plain.replace(" ", "") == text.replace(" ", "")
    assert not [one for one in (as_json, page, plain) if OBEYED.search(one)]
    assert safe_text.as_plain_text(plain) == plain


@given(st.lists(WORDS | st.text("#:[v \n", max_size=3), max_size=9))
def test_a_text_that_comes_in_parts_holds_no_command(parts):
    writer = safe_text.PlainTextWriter()
    shown = "".join(map(writer.next, parts))
    assert shown.replace(" ", "") == "".join(parts).replace(" ", "")
    assert not re.search(r"^[^\S\n]*::|##\w*\[", shown, re.MULTILINE)
