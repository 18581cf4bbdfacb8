"""A cause's file: what is wrong with it is one line that names file and key; a plug-in ships its own, and code."""

from pathlib import Path

import pytest
from typed import doctor, plugin

from tunedoctor.messages.cause import CauseError
from tunedoctor.messages.file import read_cause

SOUND = '''\
title = "The rendezvous port is taken"
severity = "error"
group = "training"
means = "torch.distributed can't start, so no rank trains"
settle = "ss -ltnp | grep 29500"
page = """What it means
    The first rank listens on MASTER_PORT; another process has it.
"""

[[cure]]
step = "setenv"
name = "MASTER_PORT"
value = "29501"

[[message]]
text = "The quorum socket has failed to listen on any network address. port: {port:int}"
source = "TCPStore of torch 2.6"
examples = ["DistNetworkError: The quorum socket has failed to listen on any network address. port: 29500, code: -98"]
not = ["The quorum socket listens"]
'''
SAID = (
    "DistNetworkError: The quorum socket has failed to listen on any network address. port: 29500\n"
)
READS, WORDS = "[reads.a]\npatterns = [['p: (x)', 'p: 1']]\n", "[words.busy]\nmean = 'x'\n"
FAILED = "socket has failed to listen on any network address. port: 1"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('title = "The rendezvous port is taken"\n', "", "title: there is none"),
        ('"training"', '"trainings"', "group: 'trainings' is none of"),
        ('"error"', '"fatal"', "severity"),
        ("settle", "settel", "settel"),
        ('step = "setenv"', 'step = "set"', "cure[0]"),
        ('value = "29501"', "value = 29501", "cure[0].value"),
        ("[[cure]]", "[[cures]]", "cures"),
        ("source =", "origin =", "message[0]"),
        ("{port:int}", "{port:number}", "message[0]: text: 'number' is no type of slot"),
        ("title", "[", "port_taken.toml: "),
        ("[[cure]]", f"{READS}[[cure]]", "reads.a: no expression"),
        ('examples = ["Dist', 'examples = ["No", "Dist', "message[0]: examples"),
        ("socket listens", FAILED, "message[0]: not"),
        ("[[cure]]", f"{WORDS}[[cure]]", "mean"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_key(
    tmp_path: Path, old: str, new: str, why: str
) -> None:
    file = tmp_path / "port_taken.toml"
    file.write_text(SOUND)
    cause = read_cause(file, coded=False)
    assert (cause.group, cause.message[0].certain, len(cause.cure)) == ("training", True, 1)
    file.write_text(SOUND.replace(old, new, 1))
    with pytest.raises(CauseError) as told:
        read_cause(file, coded=False)
    assert "port_taken.toml: " in str(told.value)
    assert why in str(told.value)
    assert "\n" not in str(told.value)


def test_a_plugin_ships_a_cause_as_a_file(tmp_path: Path) -> None:
    path = plugin(tmp_path, port_taken__toml=SOUND)
    without = doctor("triage", "-", stdin=SAID, PYTHONPATH=path)
    assert "\nport-taken" not in without.stdout
    named = doctor("triage", "-", "--plugin", "ours", stdin=SAID, PYTHONPATH=path)
    assert "port-taken  The rendezvous port is taken" in named.stdout
    assert "export MASTER_PORT=29501" in named.stdout
    assert named.returncode == 1
    page = doctor("explain", "port-taken", "--plugin", "ours", PYTHONPATH=path).stdout
    assert "The first rank listens on MASTER_PORT" in page
    quiet = doctor("check", "--plugin", "ours", "--self", PYTHONPATH=path)
    assert "port-taken" not in quiet.stdout


CODED = """\
from tunedoctor.api import Finding, Host, check, tell
print("the plug-in ran")

@check("port-taken")
def port_taken(host: Host) -> Finding | None:
    return Finding(found=host.name, cure=tell("y"))
"""
WORDS_OF_IT = SOUND.partition("[[cure]]")[0]
ALL_IN_CODE = f'''"""A rule.

What it means
    The first rank listens on MASTER_PORT.
"""
{CODED}'''.replace('taken")', 'taken", "The rendezvous port is taken")').replace(
    "cure=", "means='so no rank trains', cure="
)


@pytest.mark.parametrize(
    "files",
    [{"__init____py": CODED, "port_taken__toml": WORDS_OF_IT}, {"__init____py": ALL_IN_CODE}],
    ids=["words in a file", "all in code"],
)
def test_the_code_of_a_plugin_runs_only_when_it_is_named(
    tmp_path: Path, files: dict[str, str]
) -> None:
    path = plugin(tmp_path, **files)
    listed = doctor("list", PYTHONPATH=path).stdout
    assert "ours" in listed
    assert "the plug-in ran" not in listed
    assert "the plug-in ran" not in doctor("check", "--format", "json", PYTHONPATH=path).stdout
    told = doctor("check", "--plugin", "ours", "--only", "port-taken", PYTHONPATH=path).stdout
    for part in (
        "the plug-in ran",
        "port-taken  The rendezvous port is taken",
        "so no rank trains",
    ):
        assert part in told
    page = doctor("explain", "port-taken", "--plugin", "ours", PYTHONPATH=path).stdout
    assert "The first rank listens on MASTER_PORT" in page


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"__init____py": "import nothing_of_that_name\n"}, ("ours", "nothing_of_that_name")),
        ({"__init____py": CODED}, ("port-taken (ours) has no title",)),
        ({"port_taken__toml": SOUND.replace(":int}", ":number}")}, ("port_taken.toml: message[0]: text",)),
    ],
)  # fmt: skip
def test_a_plugin_that_is_not_sound_is_named(
    tmp_path: Path, files: dict[str, str], why: tuple[str, ...]
) -> None:
    ended = doctor("check", "--plugin", "ours", PYTHONPATH=plugin(tmp_path, **files))
    assert ended.returncode == 2
    assert all(word in ended.stderr for word in why), ended.stderr
    assert len(ended.stderr.splitlines()) == 1
