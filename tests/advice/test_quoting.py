"""Paths in cures are words of a shell, whatever an environment is called."""

import shlex

import pytest
from msgspec import structs
from museum import names, snapshot_of

from tunedoctor.engine import diagnose
from tunedoctor.facts import Interpreter
from tunedoctor.registry import all_checks

CHECKS = all_checks()
HOSTILE = "/home/ada/it's my env/.venv"


@pytest.mark.parametrize("name", names())
def test_an_interpreter_in_a_cure_is_one_word(name: str) -> None:
    snapshot = snapshot_of(name)
    own = snapshot.find(Interpreter)
    if own is None or not own.executable.startswith("/"):
        return  # nothing that a POSIX shell is to be given
    moved = structs.replace(own, executable=f"{HOSTILE}/bin/python", prefix=HOSTILE)
    for found in diagnose(snapshot.having(moved), CHECKS).causes:
        for line in found.finding.cure.command.splitlines():
            if "my env" in line:
                words = shlex.split(line)
                assert any(HOSTILE in word for word in words), (found.check.id, line)
