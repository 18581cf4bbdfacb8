"""The matrix and the choice are of one table: what is chosen lacks nothing, and what fits nowhere is not chosen."""

import json
import subprocess
import sys

import museum
import pytest

from tunedoctor.model.machine import MachineError
from tunedoctor.wheels.choose import Answer, answer
from tunedoctor.wheels.described import machine_of
from tunedoctor.wheels.matrix import matrix


def answered(name: str) -> Answer | None:
    """Return the answer for a machine of the museum; None where its Python or system is not known."""
    snapshot = museum.snapshot_of(name)
    try:
        return answer(machine_of(snapshot), snapshot)
    except MachineError:
        return None


@pytest.mark.parametrize("name", [name for name in museum.names()[::4] if answered(name)])
def test_what_is_chosen_lacks_nothing(name: str) -> None:
    told = answered(name)
    assert told is not None
    found = matrix(told)
    chosen = [row for row in found.rows if row.chosen]
    assert len({(row.torch, row.variant) for row in chosen}) == (told.torch_version is not None)
    if told.action == "install" and not told.hidden:
        assert () in [row.lacks for row in chosen]


def test_what_a_machine_lacks_is_named() -> None:
    words = [sys.executable, "-m", "tunedoctor", "wheel", "--matrix", "--format", "json"]
    where = ["--platform=linux", "--arch=x86_64", "--glibc=2.20", "--python=3.9", "--driver=520"]
    done = subprocess.run([*words, *where, "--gpu=6.1"], capture_output=True, text=True, check=True)
    rows = {(row["torch"], row["variant"]): row for row in json.loads(done.stdout)["rows"]}
    assert rows["2.9.1", "cu130"]["lacks"] == [
        "no wheel for Python 3.9",
        "glibc 2.28",
        "driver 580",
        "code for 6.1",
    ]
    assert rows["2.8.0", "rocm6.4"]["lacks"] == ["glibc 2.28", "no AMD GPU"]
    assert rows["2.5.1", "cu118"]["lacks"] == []


def test_the_screen_marks_the_choice() -> None:
    words = [sys.executable, "-m", "tunedoctor", "wheel", "--matrix", "--torch", ">=2.9"]
    where = ["--platform", "linux", "--arch", "x86_64", "--gpu", "gfx1100"]
    text = subprocess.run([*words, *where], capture_output=True, text=True, check=True).stdout
    marked = [line for line in text.splitlines() if line.startswith("✓")]
    assert len(marked) == 1
    assert "rocm" in marked[0]
    assert marked[0].endswith("this one")


def test_what_the_choice_never_takes_does_not_run_here() -> None:
    words = [sys.executable, "-m", "tunedoctor", "wheel", "--matrix", "--format", "json"]
    where = ["--platform=wsl", "--arch=x86_64", "--python=3.12", "--gpu=gfx1100"]
    done = subprocess.run([*words, *where], capture_output=True, text=True, check=True)
    rows = [row for row in json.loads(done.stdout)["rows"] if row["variant"].startswith("rocm")]
    assert rows
    assert all(row["lacks"] for row in rows)
