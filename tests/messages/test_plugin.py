"""A package of somebody else, installed as its users install it: its files count as those of the house do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rows import cases
from typed import doctor

PROJECT = """\
[project]
name = "our-cluster"
version = "1.0"
[project.entry-points."tunedoctor.checks"]
our-cluster = "our_cluster.checks"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
CODE = """\
from tunedoctor.api import Facts, Finding, check

@check("fabric-down")
def fabric_down(facts: Facts) -> Finding | None:
    if port := facts.matched("/port"):
        return facts.worded("/port:known", said=port[0], port=port[1])
    return facts.if_heard("/link")
"""
FILE = r"""
title = "The fabric is down"
severity = "warning"
group = "training"
means = "ranks wait for each other for ever"
page = "The fabric is down."
seen = ["FabricError: nobody answers"]
[words.link]
cure_note = "ours to run"
found = "{said}, on {host.name}"
advise = "Call the people of the cluster"
said_severity = "error"
[words.port]
tell = "ourctl port up {port}"
[words."port:known"]
found = "port {port} is down[, and so is {torch.version}]"
[reads.port]
patterns = [['port (\d+) of the quokka fabric is down', 'port 7 of the quokka fabric is down']]
[[message]]
part = "link"
text = "the quokka fabric lost its link {link:name}"
source = "our driver"
examples = ["FabricError: the quokka fabric lost its link a7"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "our_cluster").mkdir()
    (source / "pyproject.toml").write_text(PROJECT)
    for name, text in (("__init__.py", ""), ("checks.py", CODE), ("fabric_down.toml", FILE)):
        (source / "our_cluster" / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q"]
    words = ["--no-build-isolation", "--target", str(site), str(source)]
    subprocess.run([*pip, *words], check=True, capture_output=True)
    return site


@cases("messages/cases.jsonl")
def test_words_messages_and_expressions_of_a_plugin_count(
    site: Path, text: str, parts: list[str]
) -> None:
    named = ("triage", "-", "--plugin", "our-cluster")
    told = doctor(*named, stdin=f"OS: Ubuntu 24.04\n{text}\n", PYTHONPATH=str(site)).stdout
    assert [part for part in parts if part not in told] == []
    assert "fabric-down" not in doctor("triage", "-", stdin=text, PYTHONPATH=str(site)).stdout


def test_its_page_shows_what_errors_say(site: Path) -> None:
    words = ("fabric-down", "--plugin", "our-cluster")
    page = doctor("explain", *words, PYTHONPATH=str(site)).stdout
    assert page.index("Seen as") < page.index("nobody answers") < page.index("lost its link a7")
    text = "FabricError: the quokka fabric lost its link a7"
    told = doctor("explain", text, "--plugin", "our-cluster", PYTHONPATH=str(site)).stdout
    assert "The text shows: the quokka fabric lost its link a7" in told


@pytest.mark.parametrize(
    ("code", "old", "new", "why"),
    [
        (CODE, "said_severity", "said_sevority", "said_sevority"),
        (CODE, r"port (\d+) of", "port (7 of", "reads.port: 'port (7 of the"),
        (CODE, "[words.link]", "[[cure]]\nstep='advice'\ntext='x'\n[words.link]", "cure: its code"),
        ("", "[words.link]", "[[cure]]\nstep='advice'\ntext='x'\n[words.link]", "words: there is no"),
    ],
)  # fmt: skip
def test_what_cannot_count_is_named_with_file_and_key(
    site: Path, tmp_path: Path, code: str, old: str, new: str, why: str
) -> None:
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    (tmp_path / "our_cluster" / "fabric_down.toml").write_text(FILE.replace(old, new))
    (tmp_path / "our_cluster" / "checks.py").write_text(code)
    ended = doctor("check", "--plugin", "our-cluster", PYTHONPATH=str(tmp_path))
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "fabric_down.toml: " in ended.stderr
    assert why in ended.stderr
