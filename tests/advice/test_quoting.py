"""Paths in cures are words of a shell, whatever an environment is called."""

import shlex

from msgspec import structs
from museum import names, snapshot_of

from tunedoctor.engine import diagnose
from tunedoctor.facts import Interpreter
from tunedoctor.registry import all_checks

CHECKS = all_checks()
HOSTILE = "/home/ada/it's my env/.venv"


def test_an_interpreter_in_a_cure_is_one_word() -> None:
    quoted = 0
    for name in names():
        snapshot = snapshot_of(name)
        own = snapshot.find(Interpreter)
        if own is None or not own.executable.startswith("/"):
            continue  # nothing that a POSIX shell is to be given
        moved = structs.replace(own, executable=f"{HOSTILE}/bin/python", prefix=HOSTILE)
        for found in diagnose(snapshot.having(moved), CHECKS).causes:
            for line in found.finding.cure.command.splitlines():
                if "my env" in line:
                    quoted += 1
                    words = shlex.split(line)
                    assert any(HOSTILE in word for word in words), (name, found.check.id, line)
    assert quoted > 50
