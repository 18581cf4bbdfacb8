"""A cause's file: what is wrong with it is one line that names file and key; a plug-in ships its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        (
            "[[cure]]",
            "[reads.a]\npatterns = [['p: (x)', 'p: 1']]\n[[cure]]",
            "reads.a: no expression",
        ),
        ('examples = ["Dist', 'examples = ["No", "Dist', "message[0]: examples"),
        (
            "socket listens",
            "socket has failed to listen on any network address. port: 1",
            "message[0]: not",
        ),
        ("[[cure]]", "[words.busy]\nmean = 'x'\n[[cure]]", "mean"),
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


def _plugin(folder: Path, text: str) -> dict[str, str]:
    info = folder / "our_causes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-causes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tunedoctor.checks]\nour-causes = our_causes\n")
    (folder / "our_causes").mkdir()
    (folder / "our_causes" / "__init__.py").touch()
    (folder / "our_causes" / "port_taken.toml").write_text(text)
    return {**os.environ, "PYTHONPATH": str(folder)}


def _doctor(env: dict[str, str], *argv: str, said: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tunedoctor", *argv],
        env=env,
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plugin_ships_a_cause_as_a_file(tmp_path: Path) -> None:
    env = _plugin(tmp_path, SOUND)
    text = "DistNetworkError: The quorum socket has failed to listen on any network address. port: 29500\n"
    without = _doctor(env, "triage", "-", said=text)
    assert "\nport-taken" not in without.stdout
    named = _doctor(env, "triage", "-", "--plugin", "our-causes", said=text)
    assert "port-taken  The rendezvous port is taken" in named.stdout
    assert "export MASTER_PORT=29501" in named.stdout
    assert named.returncode == 1
    page = _doctor(env, "explain", "port-taken", "--plugin", "our-causes").stdout
    assert "The first rank listens on MASTER_PORT" in page
    assert "port-taken" not in _doctor(env, "check", "--plugin", "our-causes", "--self").stdout


def test_a_plugin_s_file_that_is_not_sound_is_one_line(tmp_path: Path) -> None:
    env = _plugin(tmp_path, SOUND.replace("{port:int}", "{port:number}"))
    ended = _doctor(env, "check", "--plugin", "our-causes")
    assert ended.returncode == 2
    assert "port_taken.toml: message[0]: text" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


CODED = """\
from tunedoctor.api import Finding, Host, check, tell

@check("port-taken")
def port_taken(host: Host) -> Finding | None:
    return Finding(found=host.name, cure=tell("y"))
"""


def test_a_file_says_all_that_the_code_of_a_plugin_leaves_out(tmp_path: Path) -> None:
    words, _, _ = SOUND.partition("[[cure]]")
    env = _plugin(tmp_path, words)
    (tmp_path / "our_causes" / "__init__.py").write_text(CODED)
    told = _doctor(env, "check", "--plugin", "our-causes", "--only", "port-taken")
    assert "port-taken  The rendezvous port is taken" in told.stdout
    assert "so no rank trains" in told.stdout
    page = _doctor(env, "explain", "port-taken", "--plugin", "our-causes").stdout
    assert "The first rank listens on MASTER_PORT" in page
    (tmp_path / "our_causes" / "port_taken.toml").unlink()
    ended = _doctor(env, "check", "--plugin", "our-causes")
    assert ended.returncode == 2
    assert "port-taken (our_causes) has no title" in ended.stderr
