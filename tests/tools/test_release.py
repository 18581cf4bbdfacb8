"""What a release is made from: one version, its notes, links that work outside the repository, a wheel that works."""

import json
import re
import sys
from pathlib import Path

import pytest
from checkout import IS_ONE, ROOT, WHY_NOT
from typed import ran

import tunedoctor
from tunedoctor.cli.app import load_command

pytestmark = pytest.mark.skipif(not IS_ONE, reason=WHY_NOT)
PREPARE = ROOT / "tools" / "prepare_release.py"
CHANGELOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-24

### Added

- One thing.

## [0.1.0] - 2026-12-01

- Another one.
"""


@pytest.fixture
def checkout(tmp_path):
    """The files that name a version, as of a release of 0.2.0."""
    (tmp_path / "src/tunedoctor").mkdir(parents=True)
    (tmp_path / "src/tunedoctor/__init__.py").write_text('"""x"""\n\n__version__ = "0.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.2.0\n")
    (tmp_path / "server.json").write_text('{\n  "version": "0.2.0",\n}\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text("utf-8"), "utf-8")
    return tmp_path


def prepare(root: Path, *words: str):
    return ran(sys.executable, PREPARE, "--root", root, *words)


def test_the_version_stands_in_one_place_and_the_citation_agrees():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {tunedoctor.__version__}\n" in citation
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_registry_of_agents_gets_the_same_version_and_name():
    """By the rules of schema 2025-12-11: a name of two parts, a description of at most 100 characters."""
    server = json.loads((ROOT / "server.json").read_bytes())
    (package,) = server["packages"]
    assert server["version"] == package["version"] == tunedoctor.__version__
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", server["name"])
    assert 0 < len(server["description"]) <= 100
    assert f"<!-- mcp-name: {server['name']} -->" in (ROOT / "README.md").read_text("utf-8")
    (range_,) = [one["value"] for one in package["runtimeArguments"]]
    assert f'"{range_}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_skill_names_commands_that_exist():
    text = (ROOT / "integrations/agents/tunedoctor/SKILL.md").read_text("utf-8")
    head = text.split("---")[1]
    assert re.search(r"^name: tunedoctor$", head, re.MULTILINE)
    (description,) = re.findall(r"^description: (.+)$", head, re.MULTILINE)
    assert len(description) <= 1024
    flags = set()
    for name, rest in re.findall(r"`doctor (\w+)([^`]*)`", text):
        known = {flag for parameter in load_command(name).params for flag in parameter.opts}
        flags |= {f"{name} {one}" for one in re.findall(r"--[a-z-]+", rest) if one not in known}
    assert flags == set()


def test_the_notes_are_the_section_of_the_version(checkout):
    notes = checkout / "notes.md"
    ended = prepare(checkout, "--tag", "v0.2.0", "--notes", str(notes))
    assert ended.returncode == 0, ended.stderr
    assert notes.read_text() == "### Added\n\n- One thing.\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("src/tunedoctor/__init__.py", "0.2.0", "0.3.0", "has 0.3.0, the tag is 0.2.0"),
        ("CITATION.cff", "version: 0.2.0", "version: 0.1.0", "CITATION.cff has 0.1.0"),
        ("CHANGELOG.md", "## [0.2.0] - 2026-12-24", "## [0.2.0]", "no section [0.2.0] with a date"),
    ],
)
def test_a_file_that_names_another_version_stops_the_release(checkout, file, old, new, says):
    place = checkout / file
    place.write_text(place.read_text().replace(old, new))
    ended = prepare(checkout, "--tag", "v0.2.0")
    assert ended.returncode == 1
    assert says in ended.stderr


def test_links_and_pictures_of_the_readme_work_elsewhere(checkout):
    ended = prepare(checkout, "--tag", "v0.2.0", "--repository", "ada/tunedoctor")
    assert ended.returncode == 0, ended.stderr
    text = (checkout / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    assert all(one.startswith("https://") for one in links)
    assert "(https://github.com/ada/tunedoctor/blob/v0.2.0/docs/start.md)" in text
    assert "(https://raw.githubusercontent.com/ada/tunedoctor/v0.2.0/docs/session.svg)" in text


def test_an_installed_doctor_is_checked_without_a_network():
    ended = ran(sys.executable, ROOT / "tools" / "check_installed.py")
    assert ended.returncode == 0, ended.stderr
    assert "ok: doctor demo" in ended.stdout


def test_the_contributing_page_names_what_is_there():
    page = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"(?<![\w/])((?:tools|tests|src|checks)/[\w./]+\w)", page)
    named += re.findall(r"\]\(\.\./([\w./]+)", page)
    named = [one for one in named if not re.search(r"CAUSE|NAME", one)]
    assert len(named) > 10
    assert [one for one in named if not (ROOT / one).exists()] == []


def test_actions_are_pinned_by_commit_and_one_action_has_one_commit():
    files = [
        *(ROOT / ".github/workflows").glob("*.yml"),
        *ROOT.glob("*.yml"),
        *(ROOT / "integrations").rglob("*.yml"),
    ]
    uses = [
        line
        for one in files
        for line in re.findall(r"uses: *(\S+@\S+)( # \S+)?", one.read_text("utf-8"))
    ]
    assert len(uses) > 15
    remote = [one for one in uses if not one[0].startswith("OWNER/")]
    loose = [one for one, version in remote if not (re.search(r"@[0-9a-f]{40}$", one) and version)]
    assert loose == []
    commits: dict[str, set[str]] = {}
    for one, _ in remote:
        commits.setdefault(one.split("@")[0], set()).add(one.split("@")[1])
    assert {name for name, several in commits.items() if len(several) > 1} == set(), json.dumps({})
