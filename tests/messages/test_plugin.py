"""A package of somebody else, installed as its users install it: its files count as those of the house do."""

import shutil
import sys
from pathlib import Path

import pytest
from typed import doctor, ran

SOURCE = Path(__file__).with_name("plugin")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    shutil.copytree(SOURCE, place, dirs_exist_ok=True)
    pip = ("-m", "pip", "install", "--no-deps", "--no-index", "-q", "--no-build-isolation")
    ended = ran(sys.executable, *pip, "--target", site, place)
    assert ended.returncode == 0, ended.stderr
    return site


def test_it_runs_only_where_it_is_named(site):
    path = str(site)
    listed = doctor("list", PYTHONPATH=path).stdout
    assert ("our-cluster" in listed, "the plug-in ran" in listed) == (True, False)
    unnamed = doctor("check", "--format", "json", PYTHONPATH=path).stdout
    assert "the plug-in ran" not in unnamed
    named = ("--plugin", "our-cluster")
    told = doctor("check", *named, "--only", "mount-late", PYTHONPATH=path).stdout
    for part in ("the plug-in ran", "mount-late  The mount is late", "so no rank trains"):
        assert part in told
    assert (
        "The mount of the cluster"
        in doctor("explain", "mount-late", *named, PYTHONPATH=path).stdout
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "FabricError: the quokka fabric lost its\nlink a7. Sorry",
            [
                "✗ fabric-down  The fabric is down",
                "found  the quokka fabric lost its link a7, on",
                "means  ranks wait for each other for ever",
                "Call the people of the cluster",
                "ours to run",
            ],
        ),
        (
            "FabricError: port 7 of the quokka fabric is down",
            ["! fabric-down  The fabric is down", "port 7 is down\n", "ourctl port up 7"],
        ),
        (
            "DistNetworkError: The quorum socket has failed to listen on any network address. port: 29500",
            ["port-taken  The rendezvous port is taken", "export MASTER_PORT=29501"],
        ),
    ],
)
def test_messages_and_expressions_of_a_plugin_count(site, text, parts):
    named = ("triage", "-", "--plugin", "our-cluster")
    told = doctor(*named, stdin=f"OS: Ubuntu 24.04\n{text}\n", PYTHONPATH=str(site)).stdout
    assert [part for part in parts if part not in told] == []
    assert "fabric-down" not in doctor("triage", "-", stdin=text, PYTHONPATH=str(site)).stdout


def test_its_page_shows_what_errors_say(site):
    words = ("fabric-down", "--plugin", "our-cluster")
    page = doctor("explain", *words, PYTHONPATH=str(site)).stdout
    assert page.index("Seen as") < page.index("nobody answers") < page.index("lost its link a7")
    text = "FabricError: the quokka fabric lost its link a7"
    told = doctor("explain", text, "--plugin", "our-cluster", PYTHONPATH=str(site)).stdout
    assert "The text shows: the quokka fabric lost its link a7" in told


@pytest.mark.parametrize(
    ("code", "old", "new", "why"),
    [
        (None, "[[message]]\npart", "[[message]]\nprat", ["fabric_down.toml: ", "prat"]),
        (
            None,
            "port (\\d+) of",
            "port (7 of",
            ["fabric_down.toml: ", "reads.port: 'port (7 of the"],
        ),
        (
            None,
            "[reads.port]",
            "[[cure]]\nstep='advice'\ntext='x'\n[reads.port]",
            ["fabric_down.toml: ", "cure: its code"],
        ),
        (
            "",
            "[reads.port]",
            "[[cure]]\nstep='advice'\ntext='x'\n[reads.port]",
            ["fabric_down.toml: ", "reads: there is no"],
        ),
        (None, ":int}", ":number}", ["port_taken.toml: message[0]: text"]),
        ("import nothing_of_that_name\n", "x", "x", ["our-cluster", "nothing_of_that_name"]),
        (
            None,
            '"mount-late", "The mount is late"',
            '"mount-late"',
            ["mount-late (our_cluster.checks) has no title"],
        ),
    ],
)
def test_what_cannot_count_is_named_in_one_line(site, tmp_path, code, old, new, why):
    """With other code, or in one of its files other words."""
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    for file in (tmp_path / "our_cluster").glob("*.[tp]*"):
        file.write_text(file.read_text().replace(old, new))
    if code is not None:
        (tmp_path / "our_cluster/checks.py").write_text(code)
    ended = doctor("check", "--plugin", "our-cluster", PYTHONPATH=str(tmp_path))
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
    assert [word for word in why if word not in ended.stderr] == [], ended.stderr
