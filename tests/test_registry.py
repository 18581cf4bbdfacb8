"""Built-in checks are found by their files; plug-ins run only when they are named."""

from pathlib import Path

from typed import doctor

import tunedoctor
from tunedoctor.diagnosis.registry import all_checks, source_of

PLUGIN = '''\
"""A cluster rule.

What it means
    x
"""
from tunedoctor.api import Finding, Host, check, tell
print("the plug-in ran")

@check("ID", "The host has a name")
def rule(host: Host) -> Finding | None:
    return Finding(found=host.name, means="x", cure=tell("y"))
'''


def _install(folder: Path, id_: str, text: str = PLUGIN) -> str:
    info = folder / "our_cluster-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-cluster\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tunedoctor.checks]\nour-cluster = our_cluster_rules\n")
    (folder / "our_cluster_rules.py").write_text(text.replace("ID", id_))
    return str(folder)


def test_every_check_has_its_page_and_every_file_is_used() -> None:
    folder = Path(tunedoctor.__file__).parent / "checks"
    pages = {p.stem.replace("_", "-") for p in folder.glob("*.toml")}
    assert {one.id for one in all_checks()} == pages
    code = {f"checks/{p.name}" for p in folder.glob("*.py")} - {"checks/__init__.py"}
    assert {source_of(one) for one in all_checks() if not one.by_words} == code


def test_a_plugin_runs_only_when_named(tmp_path: Path) -> None:
    path = _install(tmp_path, "our-rule")
    listed = doctor("list", PYTHONPATH=path)
    assert "our-cluster" in listed.stdout
    assert "the plug-in ran" not in listed.stdout
    assert "the plug-in ran" not in doctor("check", "--format", "json", PYTHONPATH=path).stdout
    named = doctor("check", "--plugin", "our-cluster", "--only", "our-rule", PYTHONPATH=path)
    assert "the plug-in ran" in named.stdout
    assert "our-rule  The host has a name" in named.stdout
    assert (
        "A cluster rule"
        in doctor("explain", "our-rule", "--plugin", "our-cluster", PYTHONPATH=path).stdout
    )


def test_a_plugin_that_does_not_load_is_named(tmp_path: Path) -> None:
    path = _install(tmp_path, "x", "import nothing_of_that_name\n")
    ended = doctor("check", "--plugin", "our-cluster", PYTHONPATH=path)
    assert ended.returncode == 2
    assert "our-cluster" in ended.stderr
    assert "nothing_of_that_name" in ended.stderr
